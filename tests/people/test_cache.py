"""Embeddings are kept on this machine, for their owner, as long as the images are there."""

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facesent.core.errors import DataError
from facesent.people.cache import Embedding, forget, forget_others, opened

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


@pytest.mark.parametrize(
    "damage", ["CREATE TABLE faces (x)", "CREATE VIEW faces AS SELECT CAST(x'ff' AS TEXT) AS content"]
)
def test_a_file_of_another_form_is_removed(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "people.db"
    with closing(sqlite3.connect(file)) as other, other:
        other.execute(damage)
    forget_others(file, {"a"})
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.parametrize("use", [lambda file: forget_others(file, {"a"}), known])
def test_a_file_that_another_process_holds_stays(file: Path, use: Callable[[Path], object]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match=r"people\.db\. Received: database is locked\."):
            use(file)
    assert known(file) == {"a": [0, 1, 2], "b": [3, 4, 5]}


@pytest.mark.slow
def test_who_asks_to_be_forgotten_is_so_whoever_holds_the_file(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        forget(file, "a".__eq__)
    assert known(file) == {}
