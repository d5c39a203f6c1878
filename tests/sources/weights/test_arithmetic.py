"""Convolutions and batch normalisations in other terms: the same function."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facesent.model.backend import keras
from facesent.sources.weights.convert import balanced, folded_norm, keras_kernel, other_epsilon

Array = NDArray[np.float32]


def normalised(x: Array, norm: list[Array], epsilon: float) -> Array:
    """Batch normalisation's definition, in float64."""
    gamma, beta, mean, variance = (part.astype(np.float64) for part in norm)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def random_norm(channels: int) -> list[Array]:
    random = np.random.default_rng(1)
    # From nearly dead to loud: where epsilon matters, and where it does not.
    variance = np.geomspace(1e-8, 1e3, channels)
    parts = [random.normal(size=channels), random.normal(size=channels), random.normal(size=channels), variance]
    return [part.astype(np.float32) for part in parts]


def torch_convolution(x: Array, weight: Array, *, groups: int) -> Array:
    """PyTorch's definition, without padding: ``(n, in, h, w)`` and ``(out, in / groups, kh, kw)``."""
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    windows = windows.reshape(x.shape[0], groups, -1, *windows.shape[2:])
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    return np.einsum("ngihwkl,goikl->ngohw", windows, grouped).reshape(x.shape[0], -1, *windows.shape[3:5])


@pytest.mark.parametrize("depthwise", [False, True])
def test_a_kernel_of_pytorch_convolves_the_same_in_keras(depthwise: bool) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 5, 7, 8)).astype(np.float32)
    weight = random.normal(size=(5, 1, 3, 2) if depthwise else (4, 5, 3, 2)).astype(np.float32)
    layer = keras.ops.depthwise_conv if depthwise else keras.ops.conv
    ours = np.asarray(layer(x.transpose(0, 2, 3, 1), keras_kernel(weight, depthwise=depthwise)))
    theirs = torch_convolution(x, weight, groups=5 if depthwise else 1)
    np.testing.assert_allclose(ours.transpose(0, 3, 1, 2), theirs, atol=1e-5)


def test_another_epsilon_gives_the_same_values() -> None:
    norm = random_norm(64)
    x = np.random.default_rng(0).normal(size=(100, 64)).astype(np.float32)
    changed = other_epsilon(norm, 1e-5, 1e-3)
    np.testing.assert_allclose(normalised(x, changed, 1e-3), normalised(x, norm, 1e-5), rtol=1e-5, atol=1e-5)
    assert all(part.dtype == np.float32 for part in changed)
    for kept, before in zip(changed[1:], norm[1:], strict=True):
        np.testing.assert_array_equal(kept, before)


def test_the_same_epsilon_changes_no_bit() -> None:
    norm = random_norm(64)
    np.testing.assert_array_equal(other_epsilon(norm, 1e-3, 1e-3)[0], norm[0])


def test_a_scale_and_an_offset_are_a_batch_normalisation() -> None:
    scale, offset = random_norm(16)[:2]
    x = np.random.default_rng(0).normal(size=(10, 16)).astype(np.float32)
    np.testing.assert_allclose(normalised(x, folded_norm(scale, offset, 1e-3), 1e-3), scale * x + offset, atol=1e-6)


@pytest.mark.parametrize("depthwise", [False, True])
def test_balanced_kernels_have_he_s_deviation_and_the_same_function(depthwise: bool) -> None:
    random = np.random.default_rng(0)
    shape, axes = ((3, 3, 12, 1), (0, 1, 3)) if depthwise else ((3, 3, 5, 12), (0, 1, 2))
    kernel = random.normal(size=shape).astype(np.float32)
    magnitudes = np.geomspace(1e-4, 1e3, 12, dtype=np.float32)
    kernel *= magnitudes[:, None] if depthwise else magnitudes
    norm = [*random_norm(12)[:2], np.zeros(12, np.float32), np.ones(12, np.float32)]
    even, changed = balanced(kernel, norm, depthwise=depthwise)
    np.testing.assert_allclose(np.square(even).mean(axis=axes), 2 / (9 if depthwise else 45), rtol=1e-5)
    # Both are linear: the same product of kernel and gamma is the same function.
    gammas = [part[0][:, None] if depthwise else part[0] for part in (norm, changed)]
    np.testing.assert_allclose(even * gammas[1], kernel * gammas[0], rtol=1e-6)
    for kept, before in zip(changed[1:], norm[1:], strict=True):
        np.testing.assert_array_equal(kept, before)


def test_a_dead_channel_stays_dead() -> None:
    kernel = np.zeros((1, 1, 4, 2), np.float32)
    kernel[..., 1] = 1
    even, changed = balanced(kernel, folded_norm(np.ones(2, "f4"), np.ones(2, "f4"), 1e-3), depthwise=False)
    assert not even[..., 0].any()
    assert np.isfinite(even).all()
    assert np.isfinite(changed[0]).all()
