"""Filled shapes on an RGB raster, in integer arithmetic throughout."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesent.sources.drawn_faces.geometry import Point

Colour = tuple[int, int, int]
Mask = NDArray[np.uint8]

_FRACTION_BITS = 3


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """``a`` with a ``share`` of ``b``."""
    red, green, blue = (min(255, max(0, round(p + (q - p) * share))) for p, q in zip(a, b, strict=True))
    return red, green, blue


class Canvas:
    """A square of [0, 1]² on which polygons are filled.

    OpenCV fills polygons in 64-bit fixed point, where Pillow's single-precision edges may round differently on
    machines whose compilers fuse multiply and add. Shapes are not antialiased here: the canvas is drawn larger
    than the picture and reduced.
    """

    def __init__(self, side: int) -> None:
        """A black canvas of ``side`` × ``side`` pixels."""
        self.side = side
        self.pixels: NDArray[np.uint8] = np.zeros((side, side, 3), np.uint8)

    def mask(self, *shapes: Sequence[Point]) -> Mask:
        """255 inside any of the polygons, 0 outside: uint8 of (side, side)."""
        mask = np.zeros((self.side, self.side), np.uint8)
        for shape in shapes:
            cv2.fillPoly(mask, [self._fixed(shape)], 255, shift=_FRACTION_BITS)
        return mask

    def fill(
        self,
        shape: Sequence[Point],
        colour: Colour,
        *,
        opacity: float = 1.0,
        softness: float = 0.0,
        clip: Mask | None = None,
    ) -> None:
        """Fill a polygon; ``softness`` is the blur of its edge as a share of the side, ``clip`` bounds it."""
        if opacity >= 1 and softness == 0 and clip is None:
            cv2.fillPoly(self.pixels, [self._fixed(shape)], colour, shift=_FRACTION_BITS)
            return
        radius = round(softness * self.side)
        box = self._box(shape, margin=2 * radius + 1)
        if box is None:
            return
        mask = self.mask(shape)[box]
        for _ in range(2 if radius else 0):
            mask = np.asarray(Image.fromarray(mask).filter(ImageFilter.BoxBlur(radius)))
        if clip is not None:
            mask = np.minimum(mask, clip[box])
        weight = (mask.astype(np.int32) * round(opacity * 256))[..., None]
        below = self.pixels[box].astype(np.int32)
        self.pixels[box] = below + (((np.array(colour, np.int32) - below) * weight + (1 << 15)) // (255 * 256))

    def shade(self, top: Colour, bottom: Colour) -> None:
        """Fill everything with a vertical gradient."""
        rows = np.arange(self.side, dtype=np.int64)[:, None, None]
        start, end = np.array(top, np.int64), np.array(bottom, np.int64)
        self.pixels[:] = start + (end - start) * rows // max(self.side - 1, 1)

    def _fixed(self, shape: Sequence[Point]) -> NDArray[Any]:
        unit = self.side << _FRACTION_BITS
        return np.array([(round(x * unit), round(y * unit)) for x, y in shape], np.int32)

    def _box(self, shape: Sequence[Point], margin: int) -> tuple[slice, slice] | None:
        points = self._fixed(shape) >> _FRACTION_BITS
        low = np.clip(points.min(axis=0) - margin, 0, self.side)
        high = np.clip(points.max(axis=0) + margin + 1, 0, self.side)
        if (low >= high).any():
            return None
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
