"""Stand-ins for packages of registries and for the weights in them."""

import base64
import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.sources.weights.catalogue import Member, Package, Source


def make_source(members: Mapping[str, bytes], **fields: Any) -> Source:
    """A source that pins ``members``."""
    pinned = tuple(Member(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in members.items())
    values = {
        "package": Package("pypi", "stand-in", "1.0"), "layout": "torch", "epsilon": 1e-5, "trained_on": "noise",
        "licence": "MIT", "model": "efficientnet_lite0", "scaling": "tf",
    }  # fmt: skip
    return Source(members=pinned, **{**values, **fields})


def write_wheel(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in members.items():
            content.writestr(name, data)
    return path


def write_installable_wheel(folder: Path, name: str, version: str, members: Mapping[str, bytes]) -> Path:
    """A wheel with all that pip asks of one."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        **members,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_record_hash(data)},{len(data)}" for path, data in files.items()]
    record = f"{stem}.dist-info/RECORD"
    files[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    return write_wheel(folder / f"{stem}-py3-none-any.whl", files)


def write_tarball(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as content:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            content.addfile(info, io.BytesIO(data))
    return path


def legacy_torch(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """A state dict as PyTorch wrote it before 1.6, put together by hand: a storage for each tensor."""
    keys = [str(number) for number in range(len(tensors))]
    parts = [
        _stored(key, tensor.size, _kind(tensor), tensor.shape, _strides(tensor))
        for key, tensor in zip(keys, tensors.values(), strict=True)
    ]
    return legacy_file(dict(zip(tensors, parts, strict=True)), dict(zip(keys, tensors.values(), strict=True)))


def legacy_file(parts: Mapping[str, bytes], storages: Mapping[str, NDArray[Any]]) -> bytes:
    """The format's frame around pickled ``parts`` of the dictionary."""
    state = b"\x80\x02}(" + b"".join(_value(name) + part for name, part in parts.items()) + b"u."
    values = b"".join(tensor.size.to_bytes(8, "little") + tensor.tobytes() for tensor in storages.values())
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(part, 2) for part in head) + state + pickle.dumps(list(storages), 2) + values


def view(key: str, size: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """The pickled part for a float tensor that looks at storage ``key``."""
    return _stored(key, size, "FloatStorage", shape, strides, offset)


def call(module: str, name: str, *pickled: bytes) -> bytes:
    """The pickled call of ``module.name``."""
    return f"c{module}\n{name}\n(".encode() + b"".join(pickled) + b"tR"


def _stored(key: str, size: int, kind: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    fields = [_value("storage"), f"ctorch\n{kind}\n".encode(), _value(key), _value("cpu"), _value(size), _value(None)]
    storage = b"(" + b"".join(fields) + b"t"
    hooks = call("collections", "OrderedDict")
    rest = [_value(part) for part in (offset, shape, strides, False)]
    return call("torch._utils", "_rebuild_tensor_v2", storage + b"Q", *rest, hooks)


def _value(value: object) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def _kind(tensor: NDArray[Any]) -> str:
    return {"float32": "FloatStorage", "int64": "LongStorage"}[tensor.dtype.name]


def _strides(tensor: NDArray[Any]) -> tuple[int, ...]:
    return tuple(step // tensor.itemsize for step in np.ascontiguousarray(tensor).reshape(tensor.shape).strides)


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
