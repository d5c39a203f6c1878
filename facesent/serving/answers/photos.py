"""Photos of accepted corrections as a folder that `facesent data add` takes."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from facesent.core.files import replaced, sha256
from facesent.core.pictures import encoded
from facesent.dataset.files import METADATA
from facesent.dataset.measure import photo_hashes
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Metadata, Row, read_metadata
from facesent.images.kinds import kind_of
from facesent.images.reading import ImageError, decode
from facesent.prediction.faces import Box, crop_to
from facesent.serving.answers.corrections import PendingCorrection

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}


def take_photos(accepted: Sequence[PendingCorrection], output: Path) -> int:
    """Copy the photos into ``output/<Class>/``, with the person of each in ``metadata.csv``; how many.

    A photo of which one face was answered is cut to it, and ``source_sha256`` and ``source_phash`` say which photo it
    was. Photos of a person, or of a client where no person is named, are one group: they cannot come into two splits.
    Only photos that chance chose may be tested on: what people correct are a version's mistakes.

    Args:
        accepted: the corrections.
        output: is made; what is there stays.
    """
    rows: dict[str, Row] = {row["file_name"]: row for row in _rows(output)}
    for found in accepted:
        if found.photo and (name := _copied(found, found.photo, output)):
            source = _source(found.photo) if found.box else {}
            rows[name] = {"file_name": name, "group": _group(found), "split": "" if found.chance else "train", **source}
    if rows:
        cut = any(row.get(SOURCE) for row in rows.values())
        columns = ("file_name", "group", "split", *((SOURCE, SOURCE_PHASH) if cut else ()))
        table = [{column: row.get(column, "") for column in columns} for _, row in sorted(rows.items())]
        Metadata(columns).write(output / METADATA, table)
    return len(rows)


def _rows(output: Path) -> Sequence[Row]:
    images = [path.relative_to(output).as_posix() for path in sorted(output.glob("*/*"))]
    return read_metadata(output / METADATA, images).rows


def _copied(found: PendingCorrection, photo: Path, output: Path) -> str | None:
    content = photo.read_bytes()
    suffix = None if found.box else _SUFFIXES.get(kind_of(content) or "")
    name = f"{found.label}/{found.answer_id}{suffix or '.png'}"
    if suffix is None:
        try:
            pixels = decode(content, None)
        except ImageError:
            return None
        content = encoded(Image.fromarray(crop_to(pixels, Box(**found.box)) if found.box else pixels))
    with replaced(output / name) as draft:
        draft.write_bytes(content)
    return name


def _source(photo: Path) -> Row:
    return {SOURCE: sha256(photo), SOURCE_PHASH: photo_hashes(photo.read_bytes())}


def _group(found: PendingCorrection) -> str:
    if found.subject:
        return f"subject-{found.subject}"
    return f"client-{found.client}" if found.client else f"answer-{found.answer_id}"
