"""The canary with what it needs: photos of every class, and what the training's own files say of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.images.reading import naming
from facesent.images.rows import read_split
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.canary.try_version import recorded, try_version
from facesent.promotion.register import Candidate
from facesent.registry import versions
from facesent.registry.client import mlflow_answers
from facesent.registry.versions import CHAMPION

if TYPE_CHECKING:
    from facesent.model.inference import Probabilities

PHOTOS_A_CLASS = 4


@mlflow_answers()
def canary(project: Project, candidate: Candidate) -> CanaryReport:
    """Try the candidate behind the real server, unless it is the champion and passed before.

    Args:
        project: whose test images are asked about; the answers have to be those of its own model file.
        candidate: what was registered.

    Raises:
        FacesentError: a photo is gone, or the registry cannot be asked.
    """
    if candidate.version == versions.version_with_alias(CHAMPION) and (earlier := recorded(candidate.version)):
        return earlier
    chosen = choose(read_split(project.split("test")))
    paths = [project.data / name for name in chosen]
    photos = [_content(path) for path in paths]
    labels, expected = _expected(project, paths, photos)
    return try_version(candidate.version, photos, expected, labels)


def choose(split: pd.DataFrame) -> list[str]:
    """File names of up to ``PHOTOS_A_CLASS`` images of each class, the same for the same split.

    Args:
        split: as ``read_split`` gives it.

    Raises:
        FacesentError: it is empty.
    """
    if split.empty:
        raise FacesentError("Expected images in the test split. Received: none. Add images and run: dvc repro")
    # By their hashes, as by their names the first ones may well be of one person.
    chosen = split.sort_values(["sha256", "file_name"]).groupby("label").head(PHOTOS_A_CLASS)
    return sorted(chosen["file_name"])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FacesentError(f"Expected the test image {path}. Received: {error.strerror}. Run: dvc checkout") from None


def _expected(project: Project, paths: Sequence[Path], photos: Sequence[bytes]) -> "tuple[list[str], Probabilities]":
    """The classes, and the probabilities ``(photos, classes)`` by the file that the training wrote."""
    from facesent.prediction.classifier import Classifier

    classifier = Classifier.load(project.model, project.labels)
    images = []
    for path, photo in zip(paths, photos, strict=True):
        with naming(path):
            images.append(classifier.read(photo))
    return classifier.labels, classifier.probabilities(np.array(images))
