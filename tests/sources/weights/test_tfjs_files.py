"""Manifests of TensorFlow.js."""

import json
from typing import Any

import numpy as np
import pytest

from facesent.sources.weights.catalogue import PackageError
from facesent.sources.weights.readers import read_weights


def manifest(*groups: list[dict[str, Any]]) -> bytes:
    return json.dumps({"weightsManifest": [{"paths": ["a.bin"], "weights": group} for group in groups]}).encode()


def entry(
    name: str, shape: list[int], stored: dict[str, Any] | None = None, *, dtype: str = "float32"
) -> dict[str, Any]:
    return {"name": name, "shape": shape, "dtype": dtype} | ({"quantization": stored} if stored else {})


def test_each_way_to_store_a_tensor() -> None:
    model = manifest(
        [entry("plain", [2, 1]), entry("half", [3], {"dtype": "float16", "original_dtype": "float32"})],
        [
            entry("bytes", [2, 2], {"dtype": "uint8", "scale": 0.5, "min": -1.0}),
            entry("words", [1], {"dtype": "uint16", "scale": 0.001, "min": 2.0}),
            entry("axis", [], dtype="int32"),
        ],
    )
    half = np.array([0.5, -2.0, 1 / 3], "<f2")
    stored = [np.array([1.25, -7.0], "<f4"), half, np.array([0, 1, 4, 255], "u1"), np.array([60_000], "<u2")]
    found = read_weights(model, b"".join(part.tobytes() for part in [*stored, np.array(-1, "<i4")]))
    assert list(found) == ["plain", "half", "bytes", "words", "axis"]
    np.testing.assert_array_equal(found["plain"], [[1.25], [-7.0]])
    np.testing.assert_array_equal(found["half"], half.astype(np.float32))
    np.testing.assert_array_equal(found["bytes"], [[-1.0, -0.5], [1.0, 126.5]])
    np.testing.assert_allclose(found["words"], [62.0], rtol=1e-6)
    assert found["axis"] == -1
    assert found["axis"].dtype == np.int32
    assert all(found[name].dtype == np.float32 for name in ("plain", "half", "bytes", "words"))


def test_a_manifest_may_stand_alone() -> None:
    groups = json.loads(manifest([entry("plain", [2])]))["weightsManifest"]
    values = np.array([1.5, -2.0], "<f4")
    np.testing.assert_array_equal(read_weights(json.dumps(groups).encode(), values.tobytes())["plain"], values)


@pytest.mark.parametrize("values", [b"\0" * 4, b"\0" * 12], ids=["short", "long"])
def test_a_manifest_and_values_that_do_not_fit_are_refused(values: bytes) -> None:
    with pytest.raises(PackageError, match="Expected"):
        read_weights(manifest([entry("plain", [2])]), values)


@pytest.mark.parametrize(
    "model", [b"\xff", b"{", b"[]", b"{}", manifest([entry("text", [1], dtype="string")]), manifest([{"name": "x"}])]
)
def test_other_files_are_refused(model: bytes) -> None:
    with pytest.raises(PackageError, match=r"Expected a TensorFlow\.js model"):
        read_weights(model, b"\0\0\0\0")
