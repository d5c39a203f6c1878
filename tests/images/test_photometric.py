import cv2
import numpy as np
import pytest

from facesent.images.augmentation.draws import Stream, uniform
from facesent.images.augmentation.photometric import DRAWS, alter
from facesent.images.augmentation.settings import Augment
from facesent.sources.drawn_faces.portrait import draw_portrait

SIDE = 64
COUNT = 40
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)
NUMBERS = uniform(7, 0, Stream.PHOTOMETRIC, COUNT, DRAWS)
SHARES = ["grey", "blur", "low_resolution", "jpeg"]
RANGES = ["gamma", "contrast", "colour_cast"]


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Drawn faces, in colour and with some fine noise."""
    noise = np.random.default_rng(1).integers(-8, 9, (COUNT, SIDE, SIDE, 3))
    portrait = cv2.resize(draw_portrait(7, 1, 1, "Happy", 128), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(portrait[None].astype(int) + noise, 0, 255).astype(np.uint8)


def altered(faces: np.ndarray, numbers: np.ndarray = NUMBERS, **values: float) -> np.ndarray:
    samples = faces.copy()
    alter(samples, numbers, STILL.model_copy(update=values))
    assert samples.shape == faces.shape
    return samples


def detail(images: np.ndarray) -> np.ndarray:
    """Mean step from one pixel to the next, for each image."""
    return np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("kind", SHARES)
def test_a_share_of_the_images_is_altered(faces: np.ndarray, kind: str) -> None:
    none, some, all_ = ((altered(faces, **{kind: share}) != faces).any(axis=(1, 2, 3)) for share in (0.0, 0.4, 1.0))
    assert not none.any()
    assert 0.2 < some.mean() < 0.6
    assert all_.all()


@pytest.mark.parametrize("kind", RANGES)
def test_a_range_of_zero_changes_nothing_and_a_wide_one_most(faces: np.ndarray, kind: str) -> None:
    assert np.array_equal(altered(faces, **{kind: 0.0}), faces)
    assert (altered(faces, **{kind: 0.5}) != faces).any(axis=(1, 2, 3)).mean() > 0.9


def test_grey_has_equal_channels_and_the_same_brightness(faces: np.ndarray) -> None:
    grey = altered(faces, grey=1)
    assert (grey == grey[..., :1]).all()
    luma = faces @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_grey_has_the_last_word_on_colour(faces: np.ndarray) -> None:
    grey = altered(faces, grey=1, colour_cast=0.5)
    assert (grey == grey[..., :1]).all()


def test_blur_and_low_resolution_take_detail_and_keep_colour(faces: np.ndarray) -> None:
    for kind in ("blur", "low_resolution"):
        smooth = altered(faces, **{kind: 1})
        assert (detail(smooth) < detail(faces)).all()
        assert np.abs(smooth.mean(axis=(1, 2)) - faces.mean(axis=(1, 2))).max() < 3


def test_jpeg_keeps_colours_in_their_channels() -> None:
    red = np.broadcast_to(np.array([200, 30, 60], np.uint8), (COUNT, SIDE, SIDE, 3))
    assert np.abs(altered(red, jpeg=1).mean(axis=(1, 2)) - red[0, 0, 0]).max() < 12


def test_jpeg_shows_its_blocks(faces: np.ndarray) -> None:
    """Steps over the edges of the 8x8 blocks are larger than those inside."""
    steps = np.abs(np.diff(altered(faces, jpeg=1).astype(float), axis=2)).mean(axis=(0, 1, 3))
    before = np.abs(np.diff(faces.astype(float), axis=2)).mean(axis=(0, 1, 3))
    edges = np.arange(SIDE - 1) % 8 == 7
    assert (steps / before)[edges].mean() > 1.2 * (steps / before)[~edges].mean()


def test_gamma_keeps_black_white_and_the_order_between() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (COUNT, 256, 256, 3))
    curves = altered(ramp, gamma=1)[:, 0, :, 0].astype(int)
    assert (curves[:, 0] == 0).all()
    assert (curves[:, -1] == 255).all()
    assert (np.diff(curves) >= 0).all()
    middle = curves[:, 128] / 255
    assert middle.min() > 0.502**2 - 0.01
    assert middle.max() < 0.502**0.5 + 0.01
    assert (middle < 0.45).any()
    assert (middle > 0.55).any()


def test_contrast_turns_about_the_mean() -> None:
    halves = np.broadcast_to(np.where(np.arange(SIDE) < SIDE // 2, 100, 140).astype(np.uint8)[:, None], (SIDE, SIDE, 3))
    varied = altered(np.broadcast_to(halves, (COUNT, SIDE, SIDE, 3)), contrast=0.5).astype(int)
    spread = varied[:, 0, -1, 0] - varied[:, 0, 0, 0]
    assert np.abs(varied.mean(axis=(1, 2, 3)) - 120).max() <= 1
    assert spread.min() >= 20
    assert spread.max() <= 60
    assert np.ptp(spread) > 20


def test_a_colour_cast_scales_each_channel_by_its_own_factor() -> None:
    flat = np.full((COUNT, SIDE, SIDE, 3), 100, np.uint8)
    cast = altered(flat, colour_cast=0.3)
    assert (cast == cast[:, :1, :1]).all()
    assert cast.min() >= 70
    assert cast.max() <= 130
    assert (np.ptp(cast[:, 0, 0].astype(int), axis=1) > 5).mean() > 0.8


def test_an_image_is_altered_alike_in_any_batch(faces: np.ndarray) -> None:
    values = {**dict.fromkeys(SHARES, 0.5), **dict.fromkeys(RANGES, 0.3)}
    together = altered(faces, **values)
    for index in (0, 7, 39):
        one = slice(index, index + 1)
        assert np.array_equal(altered(faces[one], NUMBERS[one], **values), together[one])
