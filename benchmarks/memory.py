"""The memory that a training takes, measured from within its process."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_BATCHES = 3
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass
class Peak:
    """The most that a process held at once, in bytes; ``anonymous`` is what the system could not drop for files."""

    resident: int = 0
    anonymous: int = 0


def peak_of_training(images: Path, scratch: Path) -> Peak:
    """Train the reference recipe on a few batches with all images kept, as after a first epoch, and its epoch's end.

    Args:
        images: class folders; a tenth of them are validated on, a tenth left out.
        scratch: folder for what does not fit in memory, and for the checkpoint.
    """
    with _watched() as peak:
        _train(images, scratch)
    shutil.rmtree(scratch)
    return peak


def _train(images: Path, scratch: Path) -> None:
    import pandas as pd

    # What the stage imports counts as well.
    import facesent.stages.train  # noqa: F401
    from benchmarks.train import reference_params
    from facesent.core.watching import Terminal
    from facesent.images.batches import Examples, TrainingExamples, read_examples, training_examples
    from facesent.images.threads import cores
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    params = reference_params()
    names = sorted(file.relative_to(images).as_posix() for file in images.glob("*/*.jpg"))
    frame = pd.DataFrame({"file_name": names, "label": [name.partition("/")[0] for name in names]})
    labels = sorted(frame["label"].unique())
    shuffled = frame.sample(frac=1, random_state=7)
    held_out, size = len(frame) // 10, params.model.image_size
    kept = training_examples(images, shuffled[2 * held_out :], labels, size, spill=scratch)
    validation = read_examples(images, shuffled[:held_out], labels, size, "val", spill=scratch)
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda index: kept.images[index].size, range(len(kept.images))):
            pass
    batch = params.train.batch_size
    loop.train(
        TrainingExamples(kept.images, kept.targets[: _BATCHES * batch]),
        Examples(validation.images[:batch], validation.targets[:batch]),
        len(labels),
        params.model,
        params.train.model_copy(update={"epochs": 1}),
        checkpoint=CheckpointFolder(scratch / "checkpoint", print),
        fingerprint="",
        watch=Terminal(),
    )


@contextmanager
def _watched() -> Iterator[Peak]:
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
