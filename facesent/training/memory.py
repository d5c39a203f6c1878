"""Whether a step of a training fits into memory: one that does not ends the process without a word."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

from facesent.core.errors import FacesentError
from facesent.model.backend import keras, on_cpu

# Of a container, whose limit the machine's free memory does not show.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


class MemoryNeededError(FacesentError):
    """A step needs more memory than there is."""


def require_memory(model: keras.Model, images: int) -> None:
    """See to it that a step on so many images can fit into memory, where TensorFlow computes it on the CPU.

    Args:
        model: with what learns set.
        images: of a batch.

    Raises:
        MemoryNeededError: it cannot.
    """
    if not on_cpu():
        return
    needed, free = images * _bytes_an_image(model), _free()
    if needed > free:
        side = model.input_shape[1]
        raise MemoryNeededError(
            f"Expected {needed / 1e9:.1f} GB of memory, at the very least, for a step on {images} images of {side} x "
            f"{side}. Received: {free / 1e9:.1f} GB. Lower train.batch_size or model.image_size."
        )


def _bytes_an_image(model: keras.Model) -> int:
    """What layers that learn give, which stays until the gradients are known; a step takes more than that."""
    # Of a layer that is used twice Keras names no one output.
    outputs = [getattr(layer, "output", None) for layer in _layers(model) if layer.trainable_weights]
    return sum(_size(output) for output in outputs if output is not None)


def _layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    inner = getattr(layer, "layers", None)
    if inner is None:
        yield layer
    for each in inner or ():
        yield from _layers(each)


def _size(tensor: keras.KerasTensor) -> int:
    count = 1
    for length in tensor.shape[1:]:
        count *= length or 1
    return count * (2 if tensor.dtype == "bfloat16" else 4)


def _free() -> int:
    used = psutil.Process().memory_info()
    free = [psutil.virtual_memory().available]
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        free.append(address_space - used.vms)
    limit = _CONTAINER.read_text(encoding="ascii").strip() if _CONTAINER.is_file() else "max"
    if limit != "max":
        free.append(int(limit) - used.rss)
    return max(0, min(free))
