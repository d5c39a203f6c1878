"""Photos of accepted corrections as a folder that `facesent data add` takes."""

import csv
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from facesent.core.files import replaced
from facesent.dataset.files import METADATA
from facesent.dataset.metadata import read_metadata
from facesent.images.kinds import kind_of_file
from facesent.images.reading import ImageError, decode
from facesent.prediction.faces import Box, crop_to
from facesent.serving.answers.deciding import Waiting

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}


def take_photos(accepted: Sequence[Waiting], output: Path) -> int:
    """Copy the photos into ``output/<Class>/``, with the person of each in ``metadata.csv``; how many.

    A photo of which one face was answered is cut to it. Photos of a person, or of a client where no person is named,
    are one group: they cannot come into two splits.

    Args:
        accepted: the corrections.
        output: is made; what is there stays.
    """
    rows = {row["file_name"]: row.get("group", "") for row in _rows(output)}
    for found in accepted:
        if found.photo and (name := _copied(found, found.photo, output)):
            rows[name] = _group(found)
    if rows:
        with replaced(output / METADATA) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file_name", "group"), *sorted(rows.items())])
    return len(rows)


def _rows(output: Path) -> Sequence[dict[str, str]]:
    images = [path.relative_to(output).as_posix() for path in sorted(output.glob("*/*"))]
    return [dict(row) for row in read_metadata(output / METADATA, images).rows]


def _copied(found: Waiting, photo: Path, output: Path) -> str | None:
    suffix = _SUFFIXES.get(kind_of_file(photo) or "")
    name = f"{found.label}/{found.answer_id}{suffix if suffix and not found.box else '.png'}"
    with replaced(output / name) as draft:
        if suffix and not found.box:
            draft.write_bytes(photo.read_bytes())
            return name
        try:
            pixels = decode(photo.read_bytes(), None)
        except ImageError:
            return None
        Image.fromarray(crop_to(pixels, Box(**found.box)) if found.box else pixels).save(draft)
    return name


def _group(found: Waiting) -> str:
    if found.subject:
        return f"subject-{found.subject}"
    return f"client-{found.client}" if found.client else f"answer-{found.answer_id}"
