"""Weights of TensorFlow.js models: a manifest in JSON, and the values one after the other."""

import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.core.errors import PackageError

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "int32": np.dtype("<i4"), "uint16": np.dtype("<u2"),
    "uint8": np.dtype("u1"), "bool": np.dtype("?"),
}  # fmt: skip


def read_weights(model: bytes, values: bytes) -> dict[str, NDArray[Any]]:
    """Tensors by name: plain, in half precision, or in 8 or 16 bits with a scale and a minimum.

    Args:
        model: the JSON file, with a ``weightsManifest``.
        values: the binary files that it names, one after the other.

    Raises:
        PackageError: the two do not fit together, or another format.
    """
    try:
        groups = json.loads(model)["weightsManifest"]
        entries = [entry for group in groups for entry in group["weights"]]
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


_MAGIC = 0x1950A86A20F9469CFC6C


_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_state_dict(content: bytes) -> dict[str, NDArray[Any]]:
    """Tensors by name, in the file's order.

    Raises:
        PackageError: another format, or more than tensors of float32 and int64 in it.
    """
    stream = BytesIO(content)
    try:
        if _Unpickler(stream).load() != _MAGIC:
            raise _unexpected("another magic number")
        _Unpickler(stream).load()  # protocol
        _Unpickler(stream).load()  # byte order and sizes
        views = _Unpickler(stream).load()
        keys = _Unpickler(stream).load()
        if not all(isinstance(view, _View) for view in views.values()):
            raise _unexpected("values that are no tensors")
        storages = _read_storages(stream, keys, {view.key: view.dtype for view in views.values()})
        return {str(name): _tensor(view, storages) for name, view in views.items()}
    except PackageError:
        raise
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise _unexpected(f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class _View:
    """A tensor whose storage comes later in the file."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries of views and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _STORAGES:
            return name
        raise _unexpected(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        kind, storage, key, *_ = pid
        if kind != "storage":
            raise _unexpected(f"a {kind}")
        return str(key), _STORAGES[storage]


def _view(storage: tuple[str, np.dtype[Any]], offset: int, shape: Any, strides: Any, *_: object) -> _View:
    return _View(*storage, offset, tuple(shape), tuple(strides))


def _read_storages(stream: BytesIO, keys: list[str], dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, NDArray[Any]]:
    storages = {}
    for key in map(str, keys):
        count = int.from_bytes(stream.read(8), "little")
        storages[key] = np.frombuffer(stream.read(count * dtypes[key].itemsize), dtypes[key], count)
    return storages


def _tensor(view: _View, storages: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    width = view.dtype.itemsize
    strides = [stride * width for stride in view.strides]
    # NumPy refuses a view that leaves the storage.
    return np.ndarray(view.shape, view.dtype, storages[view.key], view.offset * width, strides)


def _unexpected(received: str) -> PackageError:
    return PackageError(f"Expected a state dict of tensors in PyTorch's format before 1.6. Received: {received}")
