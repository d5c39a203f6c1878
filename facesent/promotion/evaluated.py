"""What ``evaluate`` answered, for the canary and the gate, where the same model has answered for the same images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.images.rows import PROBABILITY, read_split

if TYPE_CHECKING:
    from facesent.model.inference import Probabilities

_IMAGE = ["file_name", "sha256"]


def stored_probabilities(
    project: Project, images: pd.DataFrame, labels: Sequence[str], model_sha256: str
) -> "Probabilities | None":
    """The probabilities of these images as ``evaluate`` wrote them, bit for bit the network's: ``(n, classes)``.

    None where the network has to be asked: they are of another model, were changed since, or an image has another
    content than it had then or than its row says.

    Args:
        project: whose outputs and images.
        images: rows of the test split.
        labels: the classes of the model.
        model_sha256: of its weights and labels.
    """
    if not (project.answers.is_file() and holds_hash(project.answers_sha256, sha256(project.answers))):
        return None
    if not holds_hash(project.evaluated_model, model_sha256):
        return None
    answers = read_split(project.answers)
    columns = [f"{PROBABILITY}{label}" for label in labels]
    found = images[_IMAGE].merge(answers, how="left", on=_IMAGE, validate="one_to_one")[columns]
    if found.isna().to_numpy().any() or not _are_there(project, images):
        return None
    return found.to_numpy(dtype=np.float32)


def holds_hash(path: Path, digest: str) -> bool:
    """Whether a file is there and holds this hash."""
    return path.is_file() and path.read_text(encoding="utf-8").strip() == digest


def _are_there(project: Project, images: pd.DataFrame) -> bool:
    """Whether the files have the content that their rows name."""
    try:
        return all(
            sha256(project.data / name) == digest
            for name, digest in zip(images["file_name"], images["sha256"], strict=True)
        )
    except OSError:
        return False
