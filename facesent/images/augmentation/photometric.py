"""How a picture was lit, taken and stored: brightness, contrast, colour, blur, resolution, compression."""

import cv2
import numpy as np

from facesent.images.augmentation.draws import Uniform
from facesent.images.augmentation.settings import Augment
from facesent.images.reading import Pixels

DRAWS = 12

# Standard deviation of the Gaussian as a share of the side.
_BLUR = 0.005, 0.02
# Side of the shrunk image: from the smallest face that detectors look for (Viola and Jones 2001) in pixels, but at most
# half of the side, to a share of the side.
_SMALLEST_FACE, _LARGEST_SHARE = 24, 0.7
_JPEG_QUALITY = 12, 50


def is_on(settings: Augment) -> bool:
    """Whether any image is ever altered."""
    sometimes = settings.grey or settings.blur or settings.low_resolution or settings.jpeg
    return bool(_tones_vary(settings) or sometimes)


def alter(samples: Pixels, draws: Uniform, settings: Augment) -> None:
    """Change light and colour, then lose detail, in the order of a camera and a website, in place.

    Args:
        samples: ``(n, side, side, 3)`` in RGB.
        draws: ``(n, DRAWS)`` uniform numbers in [0, 1).
        settings: ranges, and shares of the images.
    """
    side = samples.shape[1]
    tones, (grey, blur, sigma, coarse, resolution, jpeg, quality) = draws[:, :5], draws[:, 5:].T
    if _tones_vary(settings):
        for sample, curve in zip(samples, _tone_curves(samples, tones, settings), strict=True):
            cv2.LUT(sample, curve, dst=sample)
    for index in np.flatnonzero(grey < settings.grey):
        cv2.cvtColor(cv2.cvtColor(samples[index], cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB, dst=samples[index])
    for index in np.flatnonzero(blur < settings.blur):
        cv2.GaussianBlur(samples[index], (0, 0), side * _within(_BLUR, sigma[index]), dst=samples[index])
    for index in np.flatnonzero(coarse < settings.low_resolution):
        _coarsen(samples[index], resolution[index])
    for index in np.flatnonzero(jpeg < settings.jpeg):
        _compress(samples[index], round(_within(_JPEG_QUALITY, quality[index])))


def _tones_vary(settings: Augment) -> bool:
    return bool(settings.gamma or settings.contrast or settings.colour_cast)


def _tone_curves(samples: Pixels, draws: Uniform, settings: Augment) -> Pixels:
    """Gamma, contrast about the mean brightness and colour cast as one table, which rounds once: ``(n, 1, 256, 3)``."""
    signed = draws * 2 - 1
    exponents = (1 + settings.gamma) ** signed[:, :1]
    levels = np.linspace(0, 1, 256) ** exponents
    means = np.array([cv2.mean(sample)[:3] for sample in samples]).mean(axis=1, keepdims=True) / 255
    pivots = means**exponents
    contrasted = pivots + (1 + signed[:, 1:2] * settings.contrast) * (levels - pivots)
    channels = contrasted[:, :, None] * (1 + signed[:, None, 2:] * settings.colour_cast)
    curves: Pixels = np.rint(channels.clip(0, 1) * 255).astype(np.uint8)[:, None]
    return curves


def _coarsen(sample: Pixels, number: float) -> None:
    """Shrink to a size whose logarithm is drawn evenly, and enlarge again."""
    side = sample.shape[0]
    smallest, largest = min(_SMALLEST_FACE, side / 2), _LARGEST_SHARE * side
    small = round(smallest * (largest / smallest) ** number)
    coarse = cv2.resize(sample, (small, small), interpolation=cv2.INTER_AREA)
    cv2.resize(coarse, (side, side), dst=sample, interpolation=cv2.INTER_LINEAR)


def _compress(sample: Pixels, quality: int) -> None:
    """Encode and decode; JPEG weighs red, green and blue differently, so that their order matters."""
    in_order = cv2.cvtColor(sample, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", in_order, [cv2.IMWRITE_JPEG_QUALITY, quality])
    sample[:] = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


def _within(bounds: tuple[float, float], number: float) -> float:
    low, high = bounds
    return low + number * (high - low)
