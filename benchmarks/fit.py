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
from benchmarks.train import BATCH, CLASSES, SIDE, reference_params, repeated_step, with_soft_targets
from facesent.core.watching import Epoch, Terminal

if TYPE_CHECKING:
    from facesent.images.batches import Examples, TrainingExamples

STEPS = 48
EPOCHS = 3
IMAGES = 15_453


def run(scratch: Path, rounds: int) -> Sequence[Result]:
    """One process runs bare steps, then epochs of the real loop on real files, then bare steps again.

    An epoch is 48 steps here and 193 on the whole Kaggle dataset: what an epoch's end costs weighs four times as much.
    Eight images are validated, so that their forward pass, which no loop can save, does not count.
    """
    from facesent.images.batches import Examples, TrainingExamples
    from facesent.images.keeping import decoded_files
    from facesent.model.backend import make_deterministic

    files = sorted(jpegs(scratch, IMAGES).rglob("*.jpg"))[:: IMAGES // (BATCH * STEPS)][: BATCH * STEPS]
    targets = np.arange(len(files)) % CLASSES
    params = reference_params()
    make_deterministic(params.train.seed)
    validation = Examples(np.zeros((8, SIDE, SIDE, 3), np.uint8), targets[:8])
    before = _bare(rounds)
    with TemporaryDirectory(dir=scratch) as folder:
        examples = TrainingExamples(decoded_files(files, SIDE, spill=Path(folder)), targets)
        ends = _epoch_ends(examples, validation, Path(folder))
    after = _bare(rounds)
    bare = Timing("bare steps", (*before, *after), work=BATCH)
    # The first epoch builds the graph.
    fit = Timing("fit", tuple(np.diff(ends)), work=BATCH * STEPS)
    overhead = fit.median - bare.median * STEPS
    return [
        compared(
            f"fit, {STEPS} steps an epoch, batch {BATCH}, {SIDE}x{SIDE}", fit, bare, at_least=0.97, unit="images/s"
        ),
        noted("of it, all that is no step, an epoch", f"{overhead:.2f} s"),
    ]


def _bare(rounds: int) -> list[float]:
    from facesent.training.compiling import compiled

    params = reference_params()
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    targets = chance.integers(0, CLASSES, BATCH)
    step = repeated_step(
        compiled(params.model, params.train, CLASSES),
        with_soft_targets((images, targets, np.ones(BATCH, np.float32))),
    )
    seconds = []
    for _ in range(3 + 2 * rounds):
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


def _epoch_ends(examples: "TrainingExamples", validation: "Examples", folder: Path) -> list[float]:
    """When each epoch was over, everything that belongs to it included."""
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    params = reference_params()
    checkpoint = CheckpointFolder(folder / "checkpoint", print)
    clock = _Clock()
    loop.train(
        examples,
        validation,
        CLASSES,
        params.model,
        params.train.model_copy(update={"epochs": EPOCHS}),
        checkpoint=checkpoint,
        fingerprint="",
        watch=clock,
    )
    return clock.ends
