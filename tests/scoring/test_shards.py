"""Shards with a real network of eight numbers."""

import os
from collections import Counter
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from facesent.core.paths import Project
from facesent.scoring.errors import ScoringError
from facesent.scoring.plan import PlannedVersion, ScoringPlan
from facesent.scoring.shards import ERRORS, StoppedError, counts_of, finished, path_of, score, shards_of
from tests.helpers.scored import BROKEN, draw_photos, plan, version_of

pytestmark = pytest.mark.slow

PHOTOS = 70


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scored")
    draw_photos(root / "photos", PHOTOS)
    return root


@pytest.fixture(scope="module")
def version(root: Path) -> PlannedVersion:
    return version_of(Project(root))


@pytest.fixture
def planned(root: Path, version: PlannedVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoringPlan:
    monkeypatch.chdir(root)
    return plan(tmp_path, "photos", version)


@pytest.fixture
def scored(planned: ScoringPlan, tmp_path: Path) -> pd.DataFrame:
    for number in range(planned.shards):
        score(Path(), tmp_path, number)
    return pd.read_parquet(tmp_path)


def undone(target: Path, plan: ScoringPlan) -> list[int]:
    return [shard.number for shard in shards_of(target, plan) if shard.counts is None]


def test_every_photo_is_a_row_in_order(scored: pd.DataFrame) -> None:
    assert scored["path"].tolist() == [f"photos/{number:05d}.png" for number in range(PHOTOS)]
    assert set(scored["version"]) == {1}


def test_a_photo_that_cannot_be_read_is_a_row_with_an_error_alone(scored: pd.DataFrame) -> None:
    broken = scored[scored["error"].notna()]
    assert broken.index.tolist() == [BROKEN]
    assert broken["error"].item().startswith("Expected a JPEG")
    assert broken[["label", "confidence", "probabilities", "box"]].isna().all(axis=None)


def test_rows_hold_what_the_network_says(scored: pd.DataFrame) -> None:
    read = scored.drop(index=BROKEN)
    assert read["label"].tolist() == ["Dark" if row < PHOTOS / 2 else "Light" for row in read.index]
    probabilities = pd.DataFrame(read["probabilities"].tolist(), read.index)
    assert list(probabilities) == ["Dark", "Light"]
    assert (probabilities.max(axis=1) == read["confidence"]).all()


def test_finished_shards_say_what_is_in_them(scored: pd.DataFrame, planned: ScoringPlan, tmp_path: Path) -> None:
    counts = sum((shard.counts for shard in shards_of(tmp_path, planned) if shard.counts), Counter[str]())
    assert counts == {"Dark": 34, "Light": 35, ERRORS: 1}
    assert undone(tmp_path, planned) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 half a file PAR1"])
def test_a_shard_that_cannot_be_read_is_done_again(
    scored: pd.DataFrame, planned: ScoringPlan, tmp_path: Path, content: bytes
) -> None:
    path_of(tmp_path, 1).write_bytes(content)
    assert undone(tmp_path, planned) == [1]
    score(Path(), tmp_path, 1)
    assert pd.read_parquet(tmp_path).equals(scored)


def test_a_truncated_shard_is_done_again(scored: pd.DataFrame, planned: ScoringPlan, tmp_path: Path) -> None:
    os.truncate(path_of(tmp_path, 0), path_of(tmp_path, 0).stat().st_size - 1)
    assert undone(tmp_path, planned) == [0]


def test_shards_of_another_plan_or_number_of_photos_do_not_count(
    scored: pd.DataFrame, planned: ScoringPlan, root: Path, version: PlannedVersion, tmp_path: Path
) -> None:
    other = tmp_path / "_other"
    assert undone(tmp_path, plan(other, "photos", PlannedVersion(2, version.model, version.labels, 0.0))) == [0, 1, 2]
    pq.write_table(pq.read_table(path_of(tmp_path, 0)).slice(1), path_of(tmp_path, 0))
    assert counts_of(tmp_path, planned, 0) is None


def test_the_same_shard_gives_the_same_bytes(scored: pd.DataFrame, tmp_path: Path) -> None:
    before = path_of(tmp_path, 2).read_bytes()
    score(Path(), tmp_path, 2)
    assert path_of(tmp_path, 2).read_bytes() == before


def test_a_shard_that_nobody_wants_leaves_nothing(planned: ScoringPlan, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        score(Path(), tmp_path, 0, lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["_plan"]


def test_relative_paths_start_from_the_root(
    planned: ScoringPlan, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    score(root, tmp_path, 2)
    assert pd.read_parquet(path_of(tmp_path, 2))["error"].isna().all()


def test_a_shard_that_another_machine_wrote_elsewhere_is_missed(planned: ScoringPlan, tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"Expected .*shard-00002.parquet.*All machines must see"):
        finished(tmp_path, planned, 2)


def test_without_a_plan_nothing_is_scored(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="Expected the plan of a run"):
        score(Path(), tmp_path, 0)


def test_photos_of_a_store_get_the_same_answers(
    scored: pd.DataFrame, root: Path, version: PlannedVersion, tmp_path: Path
) -> None:
    store = fsspec.filesystem("memory")
    store.put(f"{root}/photos", "/scored/photos", recursive=True)
    target = tmp_path / "_of-a-store"
    for number in range(plan(target, "memory://scored/photos", version).shards):
        score(Path(), target, number)
    fetched = pd.read_parquet(target)
    assert fetched["path"].str.removeprefix("memory:///scored/").tolist() == scored["path"].tolist()
    assert fetched.drop(columns="path").equals(scored.drop(columns="path"))


@pytest.mark.parametrize("first", ["folder", "store"])
def test_a_list_of_paths_and_addresses_is_answered_in_its_order(
    scored: pd.DataFrame, root: Path, version: PlannedVersion, tmp_path: Path, first: str
) -> None:
    fsspec.filesystem("memory").put(f"{root}/photos", "/mixed/photos", recursive=True)
    # Every third is from the other of the two.
    lines = [
        path if (number % 3 == 2) != (first == "folder") else f"memory://mixed/{path}"
        for number, path in enumerate(scored["path"])
    ]
    (tmp_path / "_list.txt").write_text("\n".join(lines))
    target = tmp_path / "_of-a-list"
    for number in range(plan(target, str(tmp_path / "_list.txt"), version).shards):
        score(root, target, number)
    rows = pd.read_parquet(target)
    assert rows["path"].tolist() == lines
    assert rows.drop(columns="path").equals(scored.drop(columns="path"))


def test_lines_that_are_no_photos_are_rows(root: Path, version: PlannedVersion, tmp_path: Path) -> None:
    lines = ["photos/00000.png", "gone.jpg", "nul\0byte.jpg", "x" * 5000, "/dev/null", "photos"]
    (tmp_path / "_list.txt").write_text("\n".join(lines))
    target = tmp_path / "_of-a-list"
    plan(target, str(tmp_path / "_list.txt"), version)
    score(root, target, 0)
    rows = pd.read_parquet(target)
    assert rows["path"].tolist() == lines
    assert rows["error"].notna().tolist() == [False] + 5 * [True]
    assert "No such file" in rows["error"][1]
    assert "no regular file" in rows["error"][4]
