"""Convolutions and batch normalisations in other terms: the same function."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facesent.sources.weights.convert import balanced, folded_norm

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
