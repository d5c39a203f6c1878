"""From the canvas to a JPEG: light, focus, sensor noise, compression; integer arithmetic throughout."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesent.core.pictures import encoded
from facesent.sources.drawn_faces.chance import Chance

Pixels = NDArray[np.uint8]

SUPERSAMPLING = 3


def photograph(pixels: Pixels, chance: Chance) -> Pixels:
    """Take the picture: (3n, 3n, 3) canvas pixels to (n, n, 3)."""
    image = Image.fromarray(pixels)
    blur = chance.pick((0, 1, 2, 3), (7, 2, 1, 0.4))
    if blur:
        # Two passes of a box with an integer radius stay exact, unlike a Gaussian of any radius.
        image = image.filter(ImageFilter.BoxBlur(blur)).filter(ImageFilter.BoxBlur(blur))
    small = np.asarray(image.reduce(SUPERSAMPLING)).astype(np.int32)
    lit = _light(small, chance)
    amplitude = chance.pick((1, 2, 4, 6), (3, 3, 2, 0.7))
    lit += chance.noise((*lit.shape[:2], 1), amplitude) + chance.noise(lit.shape, (amplitude + 1) // 2)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _light(pixels: NDArray[np.int32], chance: Chance) -> NDArray[np.int32]:
    """Brightness, contrast, colour of the light and a gradient across the picture, in 1/256."""
    side = pixels.shape[0]
    across, down = chance.below(121) - 60, chance.below(121) - 60
    ramp = np.arange(side, dtype=np.int32) * 2 - side
    gain = 256 + (across * ramp[None, :] + down * ramp[:, None]) // side
    exposure = 205 + chance.below(86)
    warmth = chance.below(41) - 20
    tint = np.array([exposure + warmth, exposure, exposure - warmth], np.int32)
    lit = pixels * gain[..., None] // 256 * tint // 256
    contrast = 215 + chance.below(66)
    return np.asarray((lit - 120) * contrast // 256 + 120, np.int32)


def to_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode as a baseline JPEG without metadata."""
    return encoded(Image.fromarray(pixels), "JPEG", quality=quality)
