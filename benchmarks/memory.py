"""The memory that a training takes, measured from within its process."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

from benchmarks.sizes import Size

_BATCHES = 3
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass
class Peak:
    """The most that a process held at once, in bytes; ``anonymous`` is what the system could not drop for files."""

    resident: int = 0
    anonymous: int = 0


def peak_of_training(images: Path, scratch: Path, size: Size) -> Peak:
    """Train the reference recipe on a few batches with all images kept, as after a first epoch, and its epoch's end.

    Args:
        images: class folders; a tenth of them are validated on, a tenth left out.
        scratch: folder for what does not fit in memory, and for the checkpoint.
        size: of images and batches.
    """
    with watched() as peak:
        _train(images, scratch, size)
    shutil.rmtree(scratch)
    return peak


def _train(images: Path, scratch: Path, size: Size) -> None:
    import pandas as pd

    # What the stage imports counts as well.
    import facesent.stages.train  # noqa: F401
    from benchmarks.train import reference_params
    from facesent.core.watching import Terminal
    from facesent.images.batches import Examples, TrainingExamples, read_examples, training_examples
    from facesent.images.threads import cores
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    params = reference_params(size.side)
    names = sorted(file.relative_to(images).as_posix() for file in images.glob("*/*.jpg"))
    frame = pd.DataFrame({"file_name": names, "label": [name.partition("/")[0] for name in names]})
    frame["sha256"] = [sha256((images / name).read_bytes()).hexdigest() for name in names]
    labels = sorted(frame["label"].unique())
    shuffled = frame.sample(frac=1, random_state=7)
    held_out = len(frame) // 10
    kept = training_examples(images, shuffled[2 * held_out :], labels, size.side, spill=scratch)
    validation = read_examples(images, shuffled[:held_out], labels, size.side, "val", spill=scratch)
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda index: kept.images[index].size, range(len(kept.images))):
            pass
    loop.train(
        TrainingExamples(kept.images, kept.targets[: _BATCHES * size.batch]),
        Examples(validation.images[: size.batch], validation.targets[: size.batch]),
        len(labels),
        params.model,
        params.train.model_copy(update={"epochs": 1, "batch_size": size.batch}),
        checkpoint=CheckpointFolder(scratch / "checkpoint", print),
        fingerprint="",
        watch=Terminal(),
    )


@contextmanager
def watched() -> Iterator[Peak]:
    """Fill in the process's peak; the system itself keeps that of the resident memory."""
    peak, done = Peak(), Event()

    def look() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            peak.anonymous = max(peak.anonymous, _held("RssAnon"))

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        peak.resident = _held("VmHWM")


def _held(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
