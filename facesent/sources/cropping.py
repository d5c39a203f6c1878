"""Whole photos cut to their largest face on the way into ``data/``, as `facesent predict --crop largest` does it."""

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.pictures import encoded
from facesent.dataset.measure import photo_hashes
from facesent.images.reading import ImageError, read_content
from facesent.images.threads import map_ahead
from facesent.prediction.faces import largest_crop

NO_FACE = "no face was found in it"
_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
# With every pixel's colour: what is lost is far below the noise of a camera, at a fifth of a PNG's bytes.
_QUALITY, _SUBSAMPLING = 95, "4:4:4"


class Cut(NamedTuple):
    """What became of a photo: it was cut, or there is a reason why not."""

    sha256: str
    """Of the photo's file."""
    phash: str
    """The photo's perceptual hash and that of its mirror image."""
    reason: str


def name_of_crop(name: str) -> str:
    """What the crop of an image file is called: it is a JPEG."""
    return name if PurePosixPath(name).suffix.lower() in _JPEG else f"{name}.jpg"


def cut_photos(photos: Mapping[str, Path], incoming: Path, progress: Progress = NO_PROGRESS) -> dict[str, Cut]:
    """Write the largest face of each photo below ``incoming``; the same bytes each time on one machine.

    Args:
        photos: image files by the names that their crops get, as ``name_of_crop`` says.
        incoming: where these go.
        progress: called with (photos done, photos in all).

    Returns:
        What became of each, in their order, with the photo's hashes where it was cut.
    """

    def cut(item: tuple[str, Path]) -> Cut:
        return _cut(item[1], incoming / item[0])

    found: dict[str, Cut] = {}
    with closing(map_ahead(cut, photos.items())) as cuts:
        for name, each in zip(photos, cuts, strict=True):
            found[name] = each
            progress(len(found), len(photos))
    return found


def _cut(photo: Path, target: Path) -> Cut:
    try:
        content = read_content(photo)
        face, phash = largest_crop(content), photo_hashes(content)
    except ImageError as error:
        return Cut("", "", f"it cannot be read: {error.reason or error}")
    if face is None:
        return Cut("", "", NO_FACE)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encoded(Image.fromarray(face), "JPEG", quality=_QUALITY, subsampling=_SUBSAMPLING))
    return Cut(hashlib.sha256(content).hexdigest(), phash, "")
