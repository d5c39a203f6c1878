"""Weights of TensorFlow.js models: a manifest in JSON, and the values one after the other."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.sources.weights.catalogue import PackageError

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "int32": np.dtype("<i4"), "uint16": np.dtype("<u2"),
    "uint8": np.dtype("u1"), "bool": np.dtype("?"),
}  # fmt: skip


def read_weights(model: bytes, values: bytes) -> dict[str, NDArray[Any]]:
    """Tensors by name: plain, in half precision, or in 8 or 16 bits with a scale and a minimum.

    Args:
        model: the JSON file: with a ``weightsManifest``, or that alone.
        values: the binary files that it names, one after the other.

    Raises:
        PackageError: the two do not fit together, or another format.
    """
    try:
        content = json.loads(model)
        groups = content if isinstance(content, list) else content["weightsManifest"]
        entries = [entry for group in groups for entry in group["weights"]]
        if not entries:
            raise ValueError("no weights")
        tensors, offset = {}, 0
        for entry in entries:
            stored = _stored(entry)
            count = prod(entry["shape"])
            tensors[str(entry["name"])] = _decoded(np.frombuffer(values, stored, count, offset), entry)
            offset += count * stored.itemsize
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(
            f"Expected a TensorFlow.js model and its weights. Received: {type(error).__name__}: {error}"
        ) from None
    if offset != len(values):
        raise PackageError(f"Expected {offset} bytes of weights for the manifest. Received: {len(values)}")
    return tensors


def _stored(entry: Mapping[str, Any]) -> np.dtype[Any]:
    return _DTYPES[entry.get("quantization", {}).get("dtype", entry["dtype"])]


def _decoded(values: NDArray[Any], entry: Mapping[str, Any]) -> NDArray[Any]:
    quantization = entry.get("quantization", {})
    if "scale" in quantization:
        values = values.astype(np.float32) * np.float32(quantization["scale"]) + np.float32(quantization["min"])
    return values.reshape(entry["shape"]).astype(_DTYPES[entry["dtype"]])
