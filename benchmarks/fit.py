"""Whole epochs of the training loop beside its bare steps: what batches, callbacks and checkpoints cost."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.contest import Timing
from benchmarks.faces import jpegs
from benchmarks.results import Result, compared, noted
from benchmarks.sizes import Size
from benchmarks.train import CLASSES, reference_params, repeated_step, with_soft_targets
from facesent.core.watching import Epoch, Terminal

if TYPE_CHECKING:
    from facesent.images.batches import Examples, TrainingExamples


def run(scratch: Path, size: Size) -> Sequence[Result]:
    """One process runs bare steps, then epochs of the real loop on real files, then bare steps again.

    An epoch is 48 steps here and 193 on the whole Kaggle dataset: what an epoch's end costs weighs four times as much.
    Eight images are validated, so that their forward pass, which no loop can save, does not count.
    """
    from facesent.images.batches import Examples, TrainingExamples
    from facesent.images.keeping import decoded_files
    from facesent.model.backend import make_deterministic

    epoch = size.batch * size.steps
    files = sorted(jpegs(scratch, size.images).rglob("*.jpg"))[:: size.images // epoch][:epoch]
    targets = np.arange(len(files)) % CLASSES
    make_deterministic(reference_params().train.seed)
    validation = Examples(np.zeros((8, size.side, size.side, 3), np.uint8), targets[:8])
    before = _bare(size)
    with TemporaryDirectory(dir=scratch) as folder:
        examples = TrainingExamples(decoded_files(files, size.side, spill=Path(folder)), targets)
        ends = _epoch_ends(examples, validation, size, Path(folder))
    after = _bare(size)
    bare = Timing("bare steps", (*before, *after), work=size.batch)
    # The first epoch builds the graph.
    fit = Timing("fit", tuple(np.diff(ends)), work=epoch)
    what = f"fit, {size.steps} steps an epoch, batch {size.batch}, {size.side}x{size.side}"
    overhead = fit.median - bare.median * size.steps
    return [
        compared(what, fit, bare, at_least=0.97, unit="images/s"),
        noted("of it, all that is no step, an epoch", f"{overhead:.2f} s"),
    ]


def _bare(size: Size) -> list[float]:
    from facesent.training.compiling import compiled

    params = reference_params(size.side)
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (size.batch, size.side, size.side, 3), dtype=np.uint8)
    targets = chance.integers(0, CLASSES, size.batch)
    step = repeated_step(
        compiled(params.model, params.train, CLASSES),
        with_soft_targets((images, targets, np.ones(size.batch, np.float32))),
    )
    seconds = []
    for _ in range(3 + 2 * size.rounds):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[3:]


class _Clock(Terminal):
    """Notes when each epoch was over."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def epoch(self, epoch: Epoch) -> None:
        super().epoch(epoch)
        self.ends.append(time.perf_counter())


def _epoch_ends(examples: "TrainingExamples", validation: "Examples", size: Size, folder: Path) -> list[float]:
    """When each epoch was over, everything that belongs to it included."""
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    params = reference_params(size.side)
    checkpoint = CheckpointFolder(folder / "checkpoint", print)
    clock = _Clock()
    loop.train(
        examples,
        validation,
        CLASSES,
        params.model,
        params.train.model_copy(update={"epochs": size.epochs, "batch_size": size.batch}),
        checkpoint=checkpoint,
        fingerprint="",
        watch=clock,
    )
    return clock.ends
