"""What of a folder can be taken: its images by class, and what cannot, with the reason."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from facesent.core.cropping import Crop
from facesent.core.errors import DataError
from facesent.core.text import folded, printable, some
from facesent.dataset.files import METADATA, is_hidden_image, is_ignored, is_image_name, label_of, leaves
from facesent.images.kinds import kind_of_file
from facesent.images.limits import MAX_BYTES
from facesent.images.reading import FORMATS
from facesent.sources.cropping import name_of_crop
from facesent.sources.layouts import files_below, levels, looks_like_picture, parts, picture_below, split_of
from facesent.sources.packed import is_archive, may_hold_images

# A link may lead to a whole disk.
_LOOKED_AT_BEHIND_LINK = 1000


class Place(NamedTuple):
    """Where an image comes from, and the split that its folder gives it."""

    file: Path
    split: str


@dataclass
class Survey:
    """What was found.

    Attributes:
        folders: that may hold a ``metadata.csv``.
        places: of the images, by the name that each will have.
        skipped: (name relative to the source, reason).
    """

    folders: Sequence[Path]
    places: dict[str, Place] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def take(self, file: Path, name: str, part: str, split: str) -> None:
        """Take an image, with its part's name in front where one of another part is called so."""
        while folded(name) in self._names:
            label, _, image = name.partition("/")
            name = f"{label}/{part}-{image}"
        self._names.add(folded(name))
        self.places[name] = Place(file, split)

    def require_classes(self, least: int) -> None:
        """Refuse what is no dataset.

        Raises:
            DataError: fewer than so many classes have images.
        """
        counts = Counter(map(label_of, self.places))
        if len(counts) >= least:
            return
        received = some(f"{label} ({count})" for label, count in counts.items()) or "none"
        skipped = f"; skipped {some(f'{name} ({reason})' for name, reason in self.skipped)}" if self.skipped else ""
        raise DataError(
            f"Expected images of at least {'two classes' if least > 1 else 'one class'}, as "
            f"<Class>/*.jpg, .png, .webp, .bmp or .gif. Received: {received}{skipped}. {self._advice()}"
        )

    def _advice(self) -> str:
        if archives := [name for name, _ in self.skipped if is_archive(name)]:
            return f"Unpack {some(archives)}, and import the folder with what comes out."
        return "Put the images of each class into a folder of its name."


def survey(source: Path, crop: Crop, without: Collection[str]) -> Survey:
    """Look through ``source/<Class>/``, one level down too, and in folders ``train``, ``val`` and ``test``.

    Args:
        source: a folder; links that lead out of it are not followed.
        crop: "largest" if faces will be cut from the images, which changes their names.
        without: classes that are left out.

    Raises:
        DataError: a class would be lost, images lie below the class folders, or one of ``without`` is not there.
    """
    above = levels(source)
    found = parts(above[-1])
    result = Survey([*above, *found])
    if above[-1] not in found:
        beside = [path for path in _visible(above[-1]) if path.is_dir() and path not in found]
        for path in beside:
            _refuse_to_lose_part(path)
            result.skipped.append((printable(path.name), "a folder without images"))
    unwanted, seen = {normalize("NFC", label) for label in without}, set[str]()
    for part, split in found.items():
        prefix = f"{part.name}/" if split or part != above[-1] else ""
        classes, skipped = _survey_part(part, source.resolve())
        result.skipped += [(f"{prefix}{name}", reason) for name, reason in skipped]
        for folder, files in classes.items():
            # macOS may write an accent as a letter of its own; people type it as one letter.
            label = normalize("NFC", folder)
            seen.add(label)
            if label in unwanted:
                result.skipped.append((f"{prefix}{label}", "left out, as requested"))
                continue
            for name in files:
                taken = name if crop == "none" else name_of_crop(name)
                result.take(part / folder / name, f"{label}/{taken}", part.name, split)
    if unknown := sorted(unwanted - seen):
        raise DataError(f"Expected class folders of {source} to leave out. Received: {some(unknown)}")
    return result


def _survey_part(part: Path, root: Path) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The sorted image names by class, and what is not taken with the reason; links lead out where they leave root."""
    classes: dict[str, list[str]] = {}
    skipped = []
    for entry in _visible(part):
        if reason := _unfit(entry, root):
            _refuse_to_lose_unfit(entry, reason)
            skipped.append((printable(entry.name), reason))
        elif entry.is_dir():
            files, others = _survey_class(entry, root)
            skipped += others
            if files:
                classes[entry.name] = files
            else:
                _refuse_to_lose(entry, others)
                skipped += [] if others else [(entry.name, "an empty folder")]
        elif entry.name != METADATA:
            skipped.append((entry.name, "not in a class folder"))
    return classes, skipped


def _refuse_to_lose_part(folder: Path) -> None:
    """Refuse a part whose images are still packed."""
    packed = next((file for file in files_below(folder) if may_hold_images(file.name)), None)
    if split_of(folder.name) and packed:
        raise DataError(
            f"Expected images in each part of the dataset. Received: none in {folder.name}, but {packed.name}. Unpack "
            "it there, or move the folder away."
        )


def _refuse_to_lose_unfit(folder: Path, reason: str) -> None:
    """Refuse a class whose folder is not taken itself."""
    inside = islice(files_below(folder), _LOOKED_AT_BEHIND_LINK) if folder.is_dir() else ()
    if any(is_image_name(file.name) for file in inside):
        raise DataError(
            f"Expected class folders with images. Received: {printable(folder.name)}, {reason}. Put a folder with its "
            "images in its place, or move it away."
        )


def _refuse_to_lose(folder: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse a class none of whose pictures is taken: without it the classes would be others."""
    lost = [(name, reason) for name, reason in skipped if _may_hold_images(folder.parent / name)]
    if lost:
        name, reason = lost[0]
        what, advice = "unsupported ones", "Save them as JPEG or PNG with the right suffix"
        if not looks_like_picture(folder.parent / name):
            what, advice = (
                "of what may hold some",
                "Unpack archives, take the frames out of videos, copy linked folders",
            )
        raise DataError(
            f"Expected supported images in each class folder. Received: none in {folder.name}, but {len(lost)} {what}, "
            f"such as {name} ({reason}). {advice}, or move the folder away."
        )


def _may_hold_images(path: Path) -> bool:
    """Whether a picture, or a folder, an archive or a video in which there may be some."""
    if path.is_dir():
        return path.is_symlink() or any(may_hold_images(file.name) for file in files_below(path))
    return looks_like_picture(path) or may_hold_images(path.name)


def _survey_class(folder: Path, root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    part = folder.parent.name
    files, skipped = [], []
    for entry in sorted(folder.iterdir()):
        name = f"{folder.name}/{printable(entry.name)}"
        if is_ignored(entry.name):
            if is_hidden_image(entry.name):
                skipped.append((name, "a hidden file: its name begins with a dot"))
        elif reason := _unfit(entry, root):
            skipped.append((name, reason))
        elif entry.is_dir():
            if picture := picture_below(entry):
                place = printable(picture.parent.relative_to(folder.parent).as_posix())
                raise DataError(
                    f"Expected images directly in the class folders, {part}/<Class>/<image>. Received: images in "
                    f"{part}/{place}/. If {folder.name} is a class, move them up into it. If it is a part of a dataset "
                    "that is split already, call the parts train, val and test, with no other folder of images beside "
                    "them. If it is a level above the classes, import that folder."
                )
            skipped.append((name, "a folder without images"))
        elif not entry.is_file():
            skipped.append((name, "not a regular file"))
        elif not is_image_name(entry.name):
            kind = kind_of_file(entry)
            skipped.append((name, f"not an image by its suffix{f', its content is {kind}' if kind else ''}"))
        elif entry.stat().st_size > MAX_BYTES:
            skipped.append((name, f"over {MAX_BYTES} bytes"))
        # What nobody knows, validation looks at.
        elif (kind := kind_of_file(entry)) and kind not in FORMATS:
            skipped.append((name, f"not an image that is taken, its content is {kind}"))
        else:
            files.append(entry.name)
    return files, skipped


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not is_ignored(entry.name))


def _unfit(entry: Path, root: Path) -> str | None:
    if printable(entry.name) != entry.name:
        return "its name is not UTF-8"
    if leaves(root, entry):
        return "a link that leads out of the folder"
    if entry.is_symlink() and not entry.exists():
        return "a link that leads nowhere"
    return None
