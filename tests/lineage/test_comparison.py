from dataclasses import replace
from datetime import UTC, datetime

from facesent.lineage.reproduce import Mismatch, differences, doubts, unrecorded
from facesent.registry.history import RunRecord, SplitRecord

RUN = RunRecord(
    run_id="1",
    name="quick",
    status="FINISHED",
    started=datetime(2026, 1, 1, tzinfo=UTC),
    params={"train.seed": "7", "gate.min_accuracy": "0.6"},
    tags={"data_md5": "0123.dir", "packages": "numpy 2.4.6", "machine": "one", "precision": "float32"},
    splits={"train": SplitRecord("ab", 9), "val": SplitRecord("cd", 3)},
)


def test_the_same_run_differs_in_nothing() -> None:
    assert differences(RUN, RUN) == ()
    assert unrecorded(RUN, RUN) == ()
    assert doubts(RUN, (), has_assignment=False) == ()


def test_what_comes_first_upstream_is_named_first() -> None:
    now = replace(
        RUN,
        params={"train.seed": "8", "gate.min_accuracy": "0.9"},
        tags={**RUN.tags, "data_md5": "4567.dir", "machine": "another"},
        splits={**RUN.splits, "train": SplitRecord("ef", 9)},
    )
    found = differences(RUN, now)
    assert [difference.what for difference in found] == ["data", "split train", "train.seed", "machine"]
    assert found[0] == Mismatch("data", "0123.dir", "4567.dir")


def test_the_gate_does_not_decide_about_weights() -> None:
    assert differences(RUN, replace(RUN, params={"train.seed": "7", "gate.min_accuracy": "0.9"})) == ()


def test_what_was_not_recorded_is_said_and_not_compared() -> None:
    before = replace(RUN, tags={"data_md5": "0123.dir"})
    assert differences(before, RUN) == ()
    assert unrecorded(before, RUN) == ("precision", "packages", "machine")


def test_what_a_run_that_was_written_afterwards_says_of_machine_and_packages_is_not_compared() -> None:
    before = replace(RUN, tags={**RUN.tags, "recorded": "afterwards", "machine": "another"})
    assert differences(before, RUN) == ()
    assert unrecorded(before, RUN) == ("precision", "packages", "machine")
    [said] = doubts(before, (), has_assignment=True)
    assert "its commit is that of the recording" in said


def test_other_splits_of_a_version_that_does_not_record_them_are_explained() -> None:
    found = (Mismatch("split val", "sha256 cd", "sha256 ef"),)
    [said] = doubts(RUN, found, has_assignment=False)
    assert "assignment.csv as the commit has it" in said
    assert doubts(RUN, found, has_assignment=True) == ()
