"""Whether an exported network answers what ours answers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facesent.core.files import sha256
from facesent.images.reading import Pixels
from facesent.model.inference import Probabilities, in_batches
from facesent.serving.export.formats import ExportError, Format
from facesent.serving.tolerance import TOLERANCE

if TYPE_CHECKING:
    import tensorflow as tf

_BATCH = 32


@dataclass(frozen=True)
class Parity:
    """Two networks on the same images.

    Attributes:
        images: their number.
        largest_difference: between two probabilities.
        other_labels: images whose likeliest class differs.
    """

    images: int
    largest_difference: float
    other_labels: int

    @property
    def holds(self) -> bool:
        """Whether the answers are the same up to rounding."""
        return self.largest_difference <= TOLERANCE and self.other_labels == 0


def compare(expected: Probabilities, received: Probabilities) -> Parity:
    """Compare two arrays of probabilities, ``(n, classes)`` each.

    Raises:
        ValueError: if they have different shapes, or no rows.
    """
    if received.shape != expected.shape or not len(expected):
        raise ValueError(f"Expected probabilities {expected.shape} of one image or more. Received: {received.shape}")
    # Not a number is no agreement.
    largest = float(np.nan_to_num(np.abs(received - expected), nan=np.inf).max())
    others = int((received.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return Parity(len(expected), largest, others)


@dataclass(frozen=True)
class Written:
    """What a format was written to.

    Attributes:
        path: a file or a folder.
        sha256: of its bytes, 64 hex digits.
        parity: against the probabilities of our own network.
    """

    path: Path
    sha256: str
    parity: Parity


def write(exported: Format, module: "tf.Module", images: Pixels, expected: Probabilities, folder: Path) -> Written:
    """Write ``module`` into ``folder`` and compare its answers there with ``expected``.

    Args:
        exported: the format.
        module: as ``serving_module`` gives it.
        images: ``(n, size, size, 3)``.
        expected: ``(n, classes)``, of our own network.
        folder: which has no file of that name yet.

    Raises:
        ExportError: packages are missing, or the network cannot be written or run in this format.
    """
    exported.require()
    path = folder / exported.file
    folder.mkdir(parents=True, exist_ok=True)
    try:
        exported.write(module, path)
        received = np.concatenate(in_batches(exported.load(path), images, _BATCH))
        parity = compare(expected, received)
    except Exception as error:  # Converters raise what they please; one format's failure is not the others'.
        raise ExportError(
            f"Expected a network that {exported.name} supports. Received: {type(error).__name__}: {error}"
        ) from error
    return Written(path, content_sha256(path), parity)


def refusal(parity: Parity) -> str | None:
    """Why an export is not given to anybody; None where its answers are right."""
    if parity.holds:
        return None
    return (
        f"Expected probabilities within {TOLERANCE:g} and the same labels. Received: a difference of "
        f"{parity.largest_difference:.1e}, and {parity.other_labels} different labels of {parity.images}."
    )


def content_sha256(path: Path) -> str:
    """Hash a file, or a folder by the names and hashes of its files: 64 hex digits."""
    if path.is_file():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listing = "".join(f"{content_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()
