"""State dicts in PyTorch's old format, honest and hostile."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from facesent.core.errors import PackageError
from facesent.sources.weights.readers import read_state_dict
from tests.helpers.weight_packages import call, legacy_file, legacy_torch, view


def test_tensors_come_in_the_order_of_the_file() -> None:
    random = np.random.default_rng(0)
    tensors = {
        "b.weight": random.normal(size=(2, 3, 1, 1)).astype(np.float32),
        "a.bias": random.normal(size=4).astype(np.float32),
        "a.num_batches_tracked": np.array(7, np.int64),
    }
    found = read_state_dict(legacy_torch(tensors))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_views_of_one_storage() -> None:
    storage = np.arange(12, dtype=np.float32)
    parts = {"tail": view("0", 12, (4,), (1,), offset=8), "turned": view("0", 12, (4, 3), (1, 4))}
    found = read_state_dict(legacy_file(parts, {"0": storage}))
    np.testing.assert_array_equal(found["tail"], storage[8:])
    np.testing.assert_array_equal(found["turned"], storage.reshape(3, 4).T)


def test_what_pytorch_itself_writes() -> None:
    torch = pytest.importorskip("torch")
    tensors = {
        "kernel": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "part": torch.arange(10.0)[3:7],
        "steps": torch.tensor(3),
    }
    file = io.BytesIO()
    torch.save(tensors, file, _use_new_zipfile_serialization=False)
    found = read_state_dict(file.getvalue())
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def _touch(path: Path) -> bytes:
    return call("os", "system", pickle.dumps(f"touch {path}", 2)[2:-1])


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    whole = b"\x80\x02" + _touch(touched) + b"."
    for content in (whole, legacy_file({"weight": _touch(touched)}, {})):
        with pytest.raises(PackageError, match=r"Received: os\.system"):
            read_state_dict(content)
    assert not touched.exists()
    # The same bytes do run in an unpickler that lets them.
    assert pickle.loads(whole) == 0  # noqa: S301
    assert touched.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((5,), (1,), 0), ((4,), (1,), 1), ((2,), (1,), -1), ((2, 2), (4, 1), 0), ((2,), (-1,), 0), ((-1,), (1,), 0)],
)
def test_a_view_cannot_leave_its_storage(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> None:
    storage = np.zeros(4, np.float32)
    with pytest.raises(PackageError, match="Expected a state dict"):
        read_state_dict(legacy_file({"weight": view("0", 4, shape, strides, offset)}, {"0": storage}))


def test_a_storage_cannot_be_longer_than_the_file() -> None:
    content = legacy_torch({"weight": np.zeros(4, np.float32)})
    with pytest.raises(PackageError, match="Expected a state dict"):
        read_state_dict(content[:-1])


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", pickle.dumps(42, 2), legacy_file({"weight": pickle.dumps([1], 2)[2:-1]}, {})],
    ids=["empty", "newer", "number", "list"],
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(PackageError, match="Expected a state dict of tensors"):
        read_state_dict(content)
