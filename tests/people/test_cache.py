"""Embeddings are kept on this machine, for their owner, as long as the images are there."""

import stat
from pathlib import Path

import numpy as np
import pytest

from facesent.people.cache import Embedding, forget_others, opened

EMBEDDINGS: Embedding = np.arange(6, dtype=np.float16).reshape(2, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cache with two faces."""
    file = tmp_path / "cache" / "people.db"
    with opened(file, "network 1") as cache:
        cache.add(["a", "b"], EMBEDDINGS)
    return file


def known(file: Path | None, network: str = "network 1") -> dict[str, list[float]]:
    with opened(file, network) as cache:
        return {content: embedding.tolist() for content, embedding in cache.known({"a", "b", "c"})}


def test_what_was_kept_is_known_to_the_same_network(file: Path) -> None:
    assert known(file) == {"a": [0, 1, 2], "b": [3, 4, 5]}
    assert known(None) == {}
    assert known(file, "network 2") == {}
    assert known(file) == {}


def test_only_its_owner_can_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["people.db"]


def test_what_is_forgotten_is_not_in_the_file(file: Path) -> None:
    assert EMBEDDINGS[1].tobytes() in file.read_bytes()
    forget_others(file, {"a"})
    assert known(file) == {"a": [0, 1, 2]}
    assert EMBEDDINGS[1].tobytes() not in file.read_bytes()


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_file_is_made_anew(file: Path, keep: int) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:keep] + b"\xff" * (len(content) - keep))
    assert known(file) in ({}, {"a": [0, 1, 2], "b": [3, 4, 5]})
    with opened(file, "network 1") as cache:
        cache.add(["c"], EMBEDDINGS[:1])
    assert known(file)["c"] == [0, 1, 2]
