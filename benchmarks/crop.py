"""Whether faces are found in whole photos, made of your crops, and what cutting to them costs; not part of all."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from benchmarks.projects import copy_project
from benchmarks.results import Result, noted
from benchmarks.sizes import Size
from benchmarks.trainings import prepare, stage
from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.dataset.files import METADATA
from facesent.dataset.measure import photo_hashes
from facesent.dataset.similarity import alike
from facesent.images.reading import Pixels, decode, resize
from facesent.images.rows import read_split
from facesent.images.threads import map_ahead
from facesent.params import load_params
from facesent.prediction.faces import Box, all_faces, read_face, square_around
from facesent.sources.cropping import cut_photos
from facesent.sources.drawn_faces.camera import to_jpeg
from facesent.sources.folder import import_folder

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

_SEED, _QUALITY, _SENT_QUALITY = 7, 90, 60
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
        file: the same as it comes from a camera.
        bare: whether a face was found in the crop alone.
    """

    found: bool
    overlap: float
    crop: Pixels
    cut: Pixels
    whole: Pixels
    file: bytes
    bare: bool


def run(scratch: Path, size: Size, project: Path | None = None) -> Sequence[Result]:
    """Paste each image of a project's splits into a larger picture, and cut it out again; train on what was cut, too.

    Also of a copy of each picture that was edited.

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
        labels = list(rows["label"][unseen])
        return [
            *_places(seen),
            *_copies(Path(folder) / "copies", seen, load_params(trained.params).split.near_duplicate_distance),
            *_accuracies(classifier, held_out, labels),
            _trained_on_cuts(trained, Path(folder) / "cuts", rows, seen, held_out, labels),
        ]


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


def _copies(folder: Path, seen: Sequence[Seen], distance: int) -> Sequence[Result]:
    """Whether a photo and an edited copy of it are known as one when both are cut."""
    photos, copies = (
        _cut_into(folder / name, files)
        for name, files in (("photos", [one.file for one in seen]), ("copies", [_edited(one.file) for one in seen]))
    )
    both = photos.index.intersection(copies.index)
    by_photo = [alike(copies.loc[[row]], photos.loc[[row]], distance)[0] for row in both]
    photos, copies = (table.assign(source_phash="") for table in (photos, copies))
    by_square = [alike(copies.loc[[row]], photos.loc[[row]], distance)[0] for row in both]
    what = f"{len(both)} edited copies that are near duplicates of their photo, both cut"
    return [
        noted(f"{what}: by their squares alone", f"{np.mean(by_square):.1%}"),
        noted(f"{what}: as data import knows them", f"{np.mean(by_photo):.1%}"),
    ]


def _cut_into(folder: Path, files: Sequence[bytes]) -> pd.DataFrame:
    """What the squares look like and the photos that they were cut from, by number, where a face was found."""
    folder.mkdir(parents=True)
    photos = {f"{number}.jpg": folder / f"{number}.jpg" for number in range(len(files))}
    for path, content in zip(photos.values(), files, strict=True):
        path.write_bytes(content)
    cuts = cut_photos(photos, folder / "cut")
    found = {name: cut.phash for name, cut in cuts.items() if cut.sha256}
    own = [photo_hashes((folder / "cut" / name).read_bytes()) for name in found]
    table = {"phash": [hashes[:16] for hashes in own], "mirrored": [hashes[16:] for hashes in own]}
    return pd.DataFrame({**table, "source_phash": list(found.values())}, index=[Path(name).stem for name in found])


def _edited(file: bytes) -> bytes:
    """As it is sent around: half the size, saved again."""
    pixels = decode(file, None)
    height, width = pixels.shape[:2]
    half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return to_jpeg(np.asarray(half, np.uint8), _SENT_QUALITY)


def _accuracies(classifier: "Classifier", seen: Sequence[Seen], labels: Sequence[str]) -> Sequence[Result]:
    """Of the images that the network was not trained on."""
    return [
        _accuracy(classifier, "the crops", [one.crop for one in seen], labels),
        _accuracy(classifier, "photos with margins, crop: largest", [one.cut for one in seen], labels),
        _accuracy(classifier, "photos with margins, crop: none", [one.whole for one in seen], labels),
    ]


def _accuracy(classifier: "Classifier", name: str, images: Sequence[Pixels], labels: Sequence[str]) -> Result:
    right = [answer.label == label for answer, label in zip(classifier.predict(images), labels, strict=True)]
    return noted(f"accuracy on {name}, {len(images)} of val and test", f"{np.mean(right):.1%}")


def _trained_on_cuts(
    given: Project,
    root: Path,
    rows: pd.DataFrame,
    seen: Sequence[Seen],
    held_out: Sequence[Seen],
    labels: Sequence[str],
) -> Result:
    """The same settings and splits, the photos with margins imported as `--crop largest` does it."""
    from facesent.prediction.classifier import Classifier

    name = "photos with margins, crop: largest, trained on such"
    copy_project(root, ["facesent"])
    shutil.copy(given.params, root)
    if (given.root / "weights").is_dir():
        (root / "weights").symlink_to(given.root / "weights", target_is_directory=True)
    table = rows[["group", "split"]].assign(file_name=[f"{label}/{n}.jpg" for n, label in enumerate(rows["label"])])
    for photo, place in zip(seen, table["file_name"], strict=True):
        file = root / "photos" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photo.file)
    table.to_csv(root / "photos" / METADATA, index=False)
    try:
        import_folder(root / "photos", root / "data", crop="largest")
        for each in ("validate", "split", "train"):
            stage(root, each)
    except (DataError, subprocess.CalledProcessError) as error:
        return noted(f"accuracy on {name}", f"none: {error}")
    made = Project(root)
    return _accuracy(Classifier.load(made.model, made.labels), name, [one.cut for one in held_out], labels)


def _seen(content: bytes, number: int, side: int) -> Seen:
    crop = decode(content, None)
    photo, true = with_margins(crop, np.random.default_rng([_SEED, number]))
    file = to_jpeg(photo, _QUALITY)
    cut, box = read_face(file, side)
    overlap = _overlap(square_around(box, photo.shape[1], photo.shape[0]), true) if box else 0.0
    return Seen(box is not None, overlap, resize(crop, side), cut, resize(photo, side), file, bool(all_faces(crop)))


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
