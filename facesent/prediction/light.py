"""How bright and how sharp prepared pixels are, for what is served."""

import cv2

from facesent.images.reading import Pixels


def brightness_and_sharpness(pixels: Pixels) -> tuple[float, float]:
    """The mean of the luma, 0..255, and the variance of its Laplacian (Pech-Pacheco et al., 2000).

    The manifest has the same two of pictures at their own size; these are of the network's, to compare with each other.

    Args:
        pixels: RGB, ``(height, width, 3)``.
    """
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    mean, _ = cv2.meanStdDev(luma)
    # 16 bits hold the Laplacian of 8 without rounding.
    _, edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(mean[0, 0]), float(edges[0, 0]) ** 2
