"""Plain JPEG files at the pace of libjpeg-turbo.

Pillow decodes with the same library, but lays out four bytes a pixel and copies them twice more on the way to an array,
in new memory each time: of a small photo that takes about as long as its decoding, of a large one twice as long.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_COLOURS = ("YCbCr", "Gray")
# Below it a picture may have the same sides at two scales.
_MIN_SIDE = 16
_SCALES = (8, 4, 2)
# The marker of both, APP1, which compressed pixels can't contain.
_EXIF_OR_XMP = b"\xff\xe1"


def decode_plain(content: bytes, side: int | None, max_pixels: int) -> NDArray[np.uint8] | None:
    """Decode a JPEG if there is nothing unusual about it; how it is turned is not looked at.

    Args:
        content: untrusted.
        side: that is needed: of twice that or more, it is decoded at 1/2, 1/4 or 1/8. None for every pixel.
        max_pixels: what has more by its header is not decoded.

    Returns:
        RGB, ``(height, width, 3)``: the pixels that Pillow gives. None where these might be others, or where the
        decoder so much as warns, such as of a file that ends early.
    """
    try:
        # The reader of this header is the one that will ask for memory.
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if min(height, width) < _MIN_SIDE or height * width > max_pixels or colours not in _COLOURS:
            return None
        scale = next((scale for scale in _SCALES if side and min(height, width) // side >= scale), 1)
        least = {} if scale == 1 else {"min_height": -(-height // scale), "min_width": -(-width // scale)}
        return np.asarray(simplejpeg.decode_jpeg(content, **least))
    except (ValueError, KeyError):
        # It raises a KeyError for a sampling that it has no name for.
        return None


def may_be_turned(content: bytes) -> bool:
    """Whether a JPEG may say, in EXIF or XMP, that it is to be shown otherwise than it is stored."""
    return _EXIF_OR_XMP in content
