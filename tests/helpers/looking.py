"""What anybody could look at in the files of a project."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from facesent.dataset.measure import perceptual_hashes

_URL = re.compile(rb"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)")
_NEAR = 6


def pictures_in(content: bytes) -> Iterator[bytes]:
    """A file's picture, or those inside a page."""
    yield content
    for found in _URL.findall(content):
        yield base64.b64decode(found)


def hash_of(picture: bytes) -> int | None:
    """A picture's perceptual hash; None for what is none."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            return int(perceptual_hashes(image.convert("L"))[0], 16)
    except (OSError, ValueError):
        return None


def files_in(places: list[Path]) -> Iterator[Path]:
    """All files in and below folders."""
    return (path for place in places for path in sorted(place.rglob("*")) if path.is_file())


def files_that_say(places: list[Path], words: list[str]) -> list[Path]:
    """The files that hold a word, such as a hash, or are called by it as DVC's are."""
    wanted = [word.encode() for word in words]
    return [
        path for path in files_in(places)
        if any(word in part for word in wanted for part in (path.read_bytes(), "".join(path.parts[-2:]).encode()))
    ]  # fmt: skip


def files_that_show(places: list[Path], photos: list[bytes]) -> list[Path]:
    """The files with the bytes of a photo, as they are or in base64, or with a picture that looks like one."""
    known = {hash_of(photo) for photo in photos}
    coded = [base64.b64encode(photo)[:-4] for photo in photos]
    found = []
    for path in files_in(places):
        content = path.read_bytes()
        bytes_there = any(photo in content for photo in [*photos, *coded])
        hashes = [hash_of(picture) for picture in pictures_in(content)]
        near = any(
            np.bitwise_count(np.uint64(one) ^ np.uint64(other)) <= _NEAR
            for one in hashes if one is not None for other in known if other is not None
        )  # fmt: skip
        if bytes_there or near:
            found.append(path)
    return found
