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


def decode_plain(content: bytes, stored: tuple[int, int], wanted: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Decode a JPEG if there is nothing unusual about it.

    Args:
        content: untrusted.
        stored: width and height that its header was found to have, and that were found acceptable.
        wanted: the same, or these divided by 2, 4 or 8 and rounded up.

    Returns:
        RGB, ``(height, width, 3)``: the pixels that Pillow gives. None where these might be others, or where the
        decoder so much as warns, such as of a file that ends early.
    """
    if min(stored) < _MIN_SIDE:
        return None
    width, height = wanted if wanted != stored else (0, 0)
    try:
        # What a second reader of a header takes it for has to be asked before memory is.
        *sides, colours, _ = simplejpeg.decode_jpeg_header(content)
        if sides != [stored[1], stored[0]] or colours not in _COLOURS:
            return None
        return np.asarray(simplejpeg.decode_jpeg(content, min_height=height, min_width=width))
    except (ValueError, KeyError):
        # It raises a KeyError for a sampling that it has no name for.
        return None
