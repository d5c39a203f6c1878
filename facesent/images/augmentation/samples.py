"""From images of any sizes to augmented samples of one size."""

from collections.abc import Iterable

import numpy as np

from facesent.images.augmentation import geometry, mixing, occlusion, photometric
from facesent.images.augmentation.draws import Draws, Stream, uniform
from facesent.images.augmentation.settings import Augment
from facesent.images.reading import Pixels


def draw(settings: Augment, seed: int, epoch: int, images: int) -> Draws:
    """The numbers that decide about one epoch's augmentation: row ``i`` of each belongs to image ``i``."""
    columns = {Stream.GEOMETRY: geometry.DRAWS}
    if occlusion.is_on(settings):
        columns[Stream.OCCLUSION] = occlusion.DRAWS
    if photometric.is_on(settings):
        columns[Stream.PHOTOMETRIC] = photometric.DRAWS
    if mixing.is_on(settings):
        columns[Stream.MIXING] = mixing.DRAWS
    return {stream: uniform(seed, epoch, stream, images, width) for stream, width in columns.items()}


def make_samples(images: Iterable[Pixels], draws: Draws, settings: Augment, side: int) -> Pixels:
    """Warp, cover and alter each image; ``mixing.mix`` comes after.

    Args:
        images: ``n`` images of any sizes.
        draws: ``n`` rows a stream, see ``draw``; of all streams that ``settings`` need, or of more.
        settings: what may change.
        side: of the samples in pixels.

    Returns:
        ``(n, side, side, 3)``.
    """
    matrices = geometry.affine_matrices(draws[Stream.GEOMETRY], settings, side)
    samples = np.empty((len(matrices), side, side, 3), np.uint8)
    for image, matrix, sample in zip(images, matrices, samples, strict=True):
        geometry.warp(image, matrix, sample)
    if occlusion.is_on(settings):
        occlusion.occlude(samples, matrices, draws[Stream.OCCLUSION], settings)
    if photometric.is_on(settings):
        photometric.alter(samples, draws[Stream.PHOTOMETRIC], settings)
    return samples
