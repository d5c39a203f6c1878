"""Whether faces are found in whole photos, made of your crops, and what cutting to them costs; not part of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from benchmarks.results import Result, noted
from benchmarks.sizes import Size
from benchmarks.trainings import prepare, stage
from facesent.core.paths import SPLITS, Project
from facesent.images.reading import Pixels, decode, resize
from facesent.images.rows import read_split
from facesent.images.threads import map_ahead
from facesent.prediction.faces import Box, all_faces, read_face, square_around
from facesent.sources.drawn_faces.camera import to_jpeg

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

_SEED, _QUALITY = 7, 90
# Of the shorter side of the whole photo, which is a third longer than high.
_SHARES = (0.25, 0.8)
_GRID, _NOISE = (6, 8), 4.0


@dataclass(frozen=True)
class Seen:
    """A photo with margins, as the network of some side sees it.

    Attributes:
        found: whether a face was.
        overlap: intersection over union of its square and the crop; 0 where none was found.
        crop: the crop itself.
        cut: what `crop: largest` makes of the photo, the whole of it where no face was found.
        whole: the photo.
        bare: whether a face was found in the crop alone.
    """

    found: bool
    overlap: float
    crop: Pixels
    cut: Pixels
    whole: Pixels
    bare: bool


def run(scratch: Path, size: Size, project: Path | None = None) -> Sequence[Result]:
    """Paste each image of a project's splits into a larger picture, and cut it out again.

    Args:
        scratch: where a project is trained if none is given.
        size: how many images.
        project: a project after `dvc repro` whose images are crops; None for drawn faces, on which a network is
            trained.
    """
    from facesent.prediction.classifier import Classifier

    with TemporaryDirectory(dir=scratch, prefix="crop-") as folder:
        if project is None:
            prepare(Path(folder), None, size.settings, size.drawing)
            stage(Path(folder), "train")
        trained = Project(project or Path(folder))
        classifier = Classifier.load(trained.model, trained.labels)
        frames = [read_split(trained.split(name)).assign(split=name) for name in SPLITS]
        rows = pd.concat(frames).sample(frac=1, random_state=_SEED)[: size.margins]
        names = list(enumerate(rows["file_name"]))
        side = classifier.image_size
        seen = list(map_ahead(lambda item: _seen((trained.data / item[1]).read_bytes(), item[0], side), names))
    unseen = (rows["split"] != "train").to_numpy()
    held_out = [one for one, chosen in zip(seen, unseen, strict=True) if chosen]
    return [*_places(seen), *_accuracies(classifier, held_out, list(rows["label"][unseen]))]


def _places(seen: Sequence[Seen]) -> Sequence[Result]:
    overlaps = np.array([one.overlap for one in seen if one.found])
    shown = ("no face", "no face")
    if len(overlaps):
        shown = (f"{overlaps.mean():.2f} (median {np.median(overlaps):.2f})", f"{np.mean(overlaps >= 0.5):.1%}")
    least, most = _SHARES
    how = f"{len(seen)} photos, the crop {least:.0%} to {most:.0%} of the shorter side"
    return [
        noted(f"a face is found, {how}", f"{np.mean([one.found for one in seen]):.1%}"),
        noted("intersection over union of its square and the crop", shown[0]),
        noted("at least half of both is common, of those found", shown[1]),
        noted("a face is found in the crops alone", f"{np.mean([one.bare for one in seen]):.1%}"),
    ]


def _accuracies(classifier: "Classifier", seen: Sequence[Seen], labels: Sequence[str]) -> Sequence[Result]:
    """Of the images that the network was not trained on."""
    found = []
    for name, images in (
        ("the crops", [one.crop for one in seen]),
        ("photos with margins, crop: largest", [one.cut for one in seen]),
        ("photos with margins, crop: none", [one.whole for one in seen]),
    ):
        right = [answer.label == label for answer, label in zip(classifier.predict(images), labels, strict=True)]
        found.append(noted(f"accuracy on {name}, {len(seen)} of val and test", f"{np.mean(right):.1%}"))
    return found


def _seen(content: bytes, number: int, side: int) -> Seen:
    crop = decode(content, None)
    photo, true = with_margins(crop, np.random.default_rng([_SEED, number]))
    cut, box = read_face(to_jpeg(photo, _QUALITY), side)
    overlap = _overlap(square_around(box, photo.shape[1], photo.shape[0]), true) if box else 0.0
    return Seen(box is not None, overlap, resize(crop, side), cut, resize(photo, side), bool(all_faces(crop)))


def with_margins(crop: Pixels, chance: np.random.Generator) -> tuple[Pixels, Box]:
    """The crop somewhere in a larger picture of blurred colours, and where."""
    height, width = crop.shape[:2]
    shorter = round(max(height, width) / chance.uniform(*_SHARES))
    shape = (shorter, shorter * 4 // 3)
    colours = chance.uniform(0, 255, (*_GRID, 3)).astype(np.float32)
    canvas = cv2.resize(colours, shape[::-1], interpolation=cv2.INTER_CUBIC) + chance.normal(0, _NOISE, (*shape, 3))
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    top, left = int(chance.integers(0, shape[0] - height + 1)), int(chance.integers(0, shape[1] - width + 1))
    picture[top : top + height, left : left + width] = crop
    return picture, Box(left, top, width, height)


def _overlap(one: Box, other: Box) -> float:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    common = max(0, width) * max(0, height)
    return common / (one.width * one.height + other.width * other.height - common)
