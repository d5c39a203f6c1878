import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from facesent.scoring.errors import ScoringError
from facesent.scoring.opening import target_folder
from facesent.scoring.plan import (
    PlannedVersion,
    ScoringPlan,
    Wanted,
    alone,
    check,
    make_plan,
    model_of,
    names_of,
    plan_of,
)


@pytest.fixture
def version(tmp_path: Path) -> PlannedVersion:
    (tmp_path / "model.keras").write_bytes(b"weights")
    (tmp_path / "labels.json").write_text('["Dark", "Light"]')
    return PlannedVersion(3, tmp_path / "model.keras", tmp_path / "labels.json", 0.4)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(b"".join(b"photo \xe4 %d.jpg\n" % number for number in range(10)))
    return path


@pytest.fixture
def planned(tmp_path: Path, version: PlannedVersion, listed: Path) -> ScoringPlan:
    with alone(tmp_path / "answers"):
        return make_plan(tmp_path / "answers", Wanted(str(listed), shard_size=4), version)


def test_each_photo_is_in_one_shard(planned: ScoringPlan, tmp_path: Path) -> None:
    shards = [names_of(tmp_path / "answers", shard) for shard in range(planned.shards)]
    assert [len(shard) for shard in shards] == [4, 4, 2]
    assert [planned.size_of(shard) for shard in range(3)] == [4, 4, 2]
    assert [name for shard in shards for name in shard] == [f"photo \udce4 {number}.jpg" for number in range(10)]


def test_a_plan_is_read_as_it_was_made(planned: ScoringPlan, tmp_path: Path) -> None:
    assert plan_of(tmp_path / "answers") == planned
    assert (planned.version, planned.crop, planned.min_confidence) == (3, "none", 0.4)
    assert model_of(tmp_path / "answers", planned)[0].read_bytes() == b"weights"


def test_what_is_not_asked_for_is_as_planned(planned: ScoringPlan, listed: Path) -> None:
    check(planned, Wanted(str(listed)), Path("answers"))
    check(planned, Wanted(str(listed), 3, "none", 0.4, 4), Path("answers"))


def test_a_source_may_be_written_in_another_way(planned: ScoringPlan, listed: Path) -> None:
    check(planned, Wanted(f"{listed.parent}/./{listed.name}"), Path("answers"))
    check(replace(planned, source="photos/"), Wanted("./photos"), Path("answers"))
    check(replace(planned, source="s3://bucket/photos"), Wanted("s3://bucket/photos/"), Path("answers"))
    with pytest.raises(ScoringError, match="Expected source"):
        check(replace(planned, source="s3://bucket/photos"), Wanted("s3://photos"), Path("answers"))


def test_an_alias_is_no_part_of_what_shards_belong_to(planned: ScoringPlan) -> None:
    assert replace(planned, alias="champion").identity == planned.identity
    assert replace(planned, version=4).identity != planned.identity


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("other"), "Expected source .*list.txt, with which answers was begun. Received: other."),
        (Wanted("", version=4), "Expected version 3, .* Received: 4."),
        (Wanted("", crop="largest"), "Expected crop none, .* Received: largest."),
        (Wanted("", min_confidence=0.5), "Expected min confidence 0.4, .* Received: 0.5."),
        (Wanted("", shard_size=5), "Expected shard size 4, .* Received: 5."),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    planned: ScoringPlan, listed: Path, wanted: Wanted, said: str
) -> None:
    wanted = replace(wanted, source=wanted.source or str(listed))
    with pytest.raises(ScoringError, match=said) as raised:
        check(planned, wanted, Path("answers"))
    assert "\n" not in str(raised.value)


def test_a_folder_with_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    with pytest.raises(ScoringError, match=r"holds chapter.txt"), alone(tmp_path / "thesis"):
        pass
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_planning_that_was_killed_begins_anew(tmp_path: Path, version: PlannedVersion, listed: Path) -> None:
    target = tmp_path / "answers"
    (target / "_plan" / ".draft-killed").mkdir(parents=True)
    (target / "_plan" / "photos.parquet").write_bytes(b"half")
    with alone(target):
        assert make_plan(target, Wanted(str(listed)), version).photos == 10
    assert not list(target.rglob(".draft-*"))


def test_one_run_at_a_time(planned: ScoringPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesent.scoring.plan._SECONDS_TO_BE_GONE", 0)
    with (
        alone(tmp_path / "answers"),
        pytest.raises(ScoringError, match="another run writes to it"),
        alone(tmp_path / "answers"),
    ):
        pass


def test_no_photos_are_no_plan(tmp_path: Path, version: PlannedVersion) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScoringError, match=r"Expected images \(.*\) in .*empty\. Received: none"):
        make_plan(tmp_path / "answers", Wanted(str(tmp_path / "empty")), version)
    assert plan_of(tmp_path / "answers") is None


@pytest.mark.parametrize("content", ["", "[]", '{"source": "photos"}'])
def test_a_broken_plan_is_named(planned: ScoringPlan, tmp_path: Path, content: str) -> None:
    (tmp_path / "answers" / "_plan" / "plan.json").write_text(content)
    with pytest.raises(ScoringError, match=r"Expected the plan of an earlier run in .*plan.json"):
        plan_of(tmp_path / "answers")


def test_other_weights_are_refused(planned: ScoringPlan, tmp_path: Path) -> None:
    (tmp_path / "answers" / "_plan" / "model.keras").write_bytes(b"others")
    with pytest.raises(ScoringError, match=r"Expected version 3 .*other weights"):
        model_of(tmp_path / "answers", planned)


def test_the_list_is_read_a_shard_at_a_time(planned: ScoringPlan, tmp_path: Path) -> None:
    footer = pq.read_metadata(tmp_path / "answers" / "_plan" / "photos.parquet")
    assert [footer.row_group(shard).num_rows for shard in range(footer.num_row_groups)] == [4, 4, 2]


def test_the_plan_holds_no_path_of_this_machine(planned: ScoringPlan, tmp_path: Path) -> None:
    kept = json.loads((tmp_path / "answers" / "_plan" / "plan.json").read_text())
    assert {name for name, value in kept.items() if str(tmp_path) in str(value)} == {"source"}


@pytest.mark.parametrize("target", ["s3://bucket/answers", "file"])
def test_answers_go_to_a_folder(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(ScoringError, match=f"Expected a folder for the answers.*Received: {target}"):
        target_folder(target)
