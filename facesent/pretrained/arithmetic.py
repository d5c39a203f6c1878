"""The same convolution and batch normalisation in another framework's terms; gamma, beta, mean, variance throughout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Of a kernel's channel: a dead one is left as it is nearly.
_LEAST_DEVIATION = 1e-6


def keras_kernel(weight: NDArray[Any], *, depthwise: bool) -> NDArray[Any]:
    """A PyTorch kernel ``(out, in, h, w)`` as Keras has it: ``(h, w, in, out)``, depthwise ``(h, w, channels, 1)``."""
    return weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))


def folded_norm(scale: Array, offset: Array, epsilon: float) -> list[Array]:
    """The batch normalisation that gives ``scale * x + offset`` with that epsilon; all ``(channels,)``."""
    return [scale, offset, np.zeros_like(scale), np.full_like(scale, 1 - epsilon)]


def other_epsilon(norm: Sequence[Array], theirs: float, ours: float) -> list[Array]:
    """The batch normalisation that gives with our epsilon what ``norm`` gave with theirs; the statistics stay.

    Its gamma is ``gamma * sqrt((variance + ours) / (variance + theirs))``.
    """
    gamma, beta, mean, variance = norm
    # In float64: float32 loses 1e-5 beside a variance of 100.
    ratio = np.sqrt((variance.astype(np.float64) + ours) / (variance.astype(np.float64) + theirs))
    return [(gamma * ratio).astype(np.float32), beta, mean, variance]


def balanced(kernel: Array, norm: Sequence[Array], *, depthwise: bool) -> tuple[Array, list[Array]]:
    """The same function from kernels of He's deviation, ``sqrt(2 / inputs)`` in every output channel.

    Folding a normalisation leaves kernels whose channels differ by orders of magnitude: a step of Adam, which knows no
    scale, is nothing to some and destroys others.

    Args:
        kernel: as Keras has it.
        norm: that follows it, with a mean of 0.
        depthwise: whether the third axis holds the output channels.

    Returns:
        the kernel divided by each channel's factor, and the normalisation whose gamma has it instead.
    """
    axes = (0, 1, 3) if depthwise else (0, 1, 2)
    inputs = kernel.size // (kernel.shape[2] if depthwise else kernel.shape[3])
    # In float64, so that the order of the sum, which differs between machines, changes no bit of the float32 result.
    deviation = np.sqrt(np.square(kernel.astype(np.float64)).mean(axis=axes, keepdims=True) * inputs / 2)
    factor = np.maximum(deviation, _LEAST_DEVIATION).astype(np.float32)
    gamma, *others = norm
    return kernel / factor, [gamma * factor.reshape(-1), *others]
