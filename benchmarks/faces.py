"""Many JPEG files to measure with: class folders of drawn faces, the same files each time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.dataset.pool import map_in_processes
from facesent.images.threads import cores
from facesent.sources.drawn_faces.camera import to_jpeg
from facesent.sources.drawn_faces.expression import CLASSES
from facesent.sources.drawn_faces.portrait import draw_portrait

Pixels = NDArray[np.uint8]

_SEED = 15
_PORTRAITS = 240
_QUALITY = 90


def jpegs(folder: Path, count: int = 15_453, size: tuple[int, int] = (350, 300)) -> Path:
    """Make what is missing of ``count`` files.

    A few hundred portraits are drawn, and each file is one of them cropped, turned, lit and with the noise of a sensor,
    so that no two files are near duplicates. A set that was begun is finished; one that is whole costs one listing.

    Args:
        folder: where the sets of all counts and sizes lie.
        count: files.
        size: their width and height in pixels.

    Returns:
        A folder below ``folder`` that holds ``<Class>/<index>.jpg`` and nothing else.
    """
    root = folder / f"faces-{size[0]}x{size[1]}-{count}"
    names = [f"{CLASSES[index % _PORTRAITS % len(CLASSES)]}/{index:06d}.jpg" for index in range(count)]
    there = {f"{file.parent.name}/{file.name}" for file in root.glob("*/*.jpg")}
    missing = [index for index, name in enumerate(names) if name not in there]
    if not missing:
        return root
    for label in CLASSES:
        (root / label).mkdir(parents=True, exist_ok=True)
    portraits = _portraits(min(count, _PORTRAITS), max(size))

    def make(index: int) -> None:
        pixels = _vary(portraits[index % _PORTRAITS], index, size)
        target = root / names[index]
        partial_file = target.with_suffix(".partial")
        partial_file.write_bytes(to_jpeg(pixels, _QUALITY))
        partial_file.replace(target)

    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(make, missing):
            pass
    return root


def _portraits(count: int, side: int) -> Sequence[Pixels]:
    return list(map_in_processes(partial(_draw, side), range(count), workers=cores(), chunk=4))


def _draw(side: int, index: int) -> Pixels:
    return draw_portrait(_SEED, index, 1, CLASSES[index % len(CLASSES)], side)


def _vary(portrait: Pixels, index: int, size: tuple[int, int]) -> Pixels:
    """(h, w, 3) of ``size``: another frame around the face, other light, other noise."""
    random = np.random.Generator(np.random.Philox(key=[_SEED, index]))
    width, height = size
    warped = cv2.warpAffine(
        portrait,
        _frame(random, portrait.shape[0], size),
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    light = cv2.resize(random.uniform(0.35, 1.35, (5, 5)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    lit = cv2.multiply(warped, cv2.merge([light, light, light]), dtype=cv2.CV_8U)
    noise = _noise(2 * max(size))
    top, left = random.integers(0, noise.shape[0] - height), random.integers(0, noise.shape[1] - width)
    noisy = cv2.add(lit, noise[top : top + height, left : left + width], dtype=cv2.CV_8U)
    return np.asarray(noisy, dtype=np.uint8)


def _frame(random: np.random.Generator, side: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """The affine map from the square portrait to a picture of ``size``."""
    angle, zoom = random.uniform(-25, 25), random.uniform(0.9, 1.5)
    matrix = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), angle, zoom), np.float64)
    if random.integers(2):
        matrix = matrix @ np.array([[-1, 0, side], [0, 1, 0], [0, 0, 1]], np.float64)
    shift = random.uniform(-0.12, 0.12, 2) * side
    matrix[:, 2] += shift + (np.array(size) - side) / 2
    return matrix


@lru_cache(maxsize=1)
def _noise(side: int) -> NDArray[np.int16]:
    random = np.random.Generator(np.random.Philox(key=[_SEED, 2**32]))
    return np.round(random.normal(0, 2.5, (side, side, 3))).astype(np.int16)
