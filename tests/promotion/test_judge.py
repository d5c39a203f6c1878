import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from facesent.core.errors import FacesentError, TrackingError
from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.images.reading import ImageError
from facesent.model.storage import model_sha256
from facesent.promotion import aliases, judge, register
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.verdict import Verdict
from facesent.registry import artifacts, runs, versions
from facesent.registry.versions import CHAMPION
from tests.helpers.trained_project import make_project, write_model

pytestmark = pytest.mark.slow

LABELS = ("Dark", "Light")
# Takes six of the ten light photos for dark ones.
WEAK = 0.8


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Path:
    """A project after its stages, made once: tests write models of their own, and keep these measures."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(empty_mlflow_database, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        make_project(folder)
    return folder


@pytest.fixture
def made(finished: Path, project: Path, mlflow_store: Path) -> Project:
    """Its copy, with a store and registry of its own."""
    left_out = shutil.ignore_patterns("mlflow.db", "mlruns", ".git", ".dvc")
    shutil.copytree(finished, project, dirs_exist_ok=True, ignore=left_out)
    return Project(project)


def candidate_of(made: Project, threshold: float) -> register.Candidate:
    """Register another model."""
    write_model(made, LABELS, threshold)
    return register.register(made)


def candidate_as_it_is(made: Project) -> register.Candidate:
    """Register what is there, also where ``evaluate`` did not see it, which ``register`` would refuse."""
    seen = made.evaluated_model.read_text()
    made.evaluated_model.write_text(model_sha256(made.model, made.labels))
    candidate = register.register(made)
    made.evaluated_model.write_text(seen)
    return candidate


def champion_of(made: Project, threshold: float) -> register.Candidate:
    """Register another model, and serve it whatever it is worth."""
    candidate = candidate_of(made, threshold)
    versions.set_alias(CHAMPION, candidate.version)
    return candidate


def tried(candidate: register.Candidate, *problems: str, latency: float = 80.0) -> CanaryReport:
    """As if the real server had been asked."""
    return CanaryReport(candidate.version, problems, 12, 5, 1e-7, latency_p95_ms=latency, size_mb=30.0, memory_mb=900.0)


def configure(project: Project, section: str = "gate", **values: Any) -> None:
    yaml = YAML()
    settings = yaml.load(project.params)
    settings[section].update(values)
    yaml.dump(settings, project.params)


def test_the_verdict_is_kept_in_the_project_the_run_and_the_version(made: Project) -> None:
    candidate = candidate_of(made, 0.0)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert (verdict.outcome, verdict.champion) == ("VALIDATED", None)
    run = mlflow.get_run(candidate.run_id)
    [version] = versions.all_versions()
    for tags in (version.tags, run.data.tags):
        assert tags["verdict"] == "VALIDATED"
        assert tags["verdict_reason"] == verdict.reason
        assert datetime.now(UTC) - datetime.fromisoformat(tags["judged_at"]) < timedelta(minutes=5)
    logged = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/gate/verdict.json")
    assert Verdict.from_json(made.verdict.read_text(encoding="utf-8")) == Verdict.from_json(logged) == verdict


def test_the_candidate_is_scored_anew_and_not_believed(made: Project) -> None:
    # As if it had been trained again and `evaluate` had not run: metrics.json still says 1.0.
    candidate = candidate_of(made, 0.95)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "REJECTED"
    assert "accuracy 50.0%" in verdict.reason


def test_what_evaluate_answered_is_not_asked_again(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate, sizes = register.register(made), reads(monkeypatch)
    known = judge.judge(made, candidate, tried(candidate))
    assert sizes == []
    made.answers_sha256.unlink()
    anew = judge.judge(made, candidate, tried(candidate))
    assert sizes == [16]
    assert known == anew


def other_model(made: Project) -> None:
    notes = {path: path.read_text() for path in (made.evaluated_model, made.answers_sha256)}
    write_model(made, LABELS, 0.95)
    for path, text in notes.items():
        path.write_text(text)


def other_images(made: Project) -> None:
    test = pd.read_csv(made.split("test"), dtype=str)
    Image.new("L", (24, 24), 77).save(made.data / test["file_name"][0])
    test.loc[0, "sha256"] = sha256(made.data / test["file_name"][0])
    test.to_csv(made.split("test"), index=False)


def further_images(made: Project) -> None:
    move_to_test(made, 2)


def other_answers(made: Project) -> None:
    made.answers.write_text(made.answers.read_text().replace(",Dark,0.9", ",Dark,0.8"))


@pytest.mark.parametrize("change", [other_model, other_images, further_images, other_answers])
def test_it_is_asked_again_where_anything_is_another(
    made: Project, monkeypatch: pytest.MonkeyPatch, change: Callable[[Project], None]
) -> None:
    before = made.answers.read_text(), made.model.read_bytes(), made.split("test").read_text()
    change(made)
    assert before != (made.answers.read_text(), made.model.read_bytes(), made.split("test").read_text())
    candidate = candidate_as_it_is(made)
    sizes = reads(monkeypatch)
    judge.judge(made, candidate, tried(candidate))
    assert sizes == [16]


def test_an_image_that_is_another_than_its_row_says_is_an_error_still(made: Project) -> None:
    candidate = register.register(made)
    Image.new("L", (24, 24), 77).save(made.data / pd.read_csv(made.split("test"))["file_name"][0])
    with pytest.raises(ImageError, match="Expected the image that was validated"):
        judge.judge(made, candidate, tried(candidate))


def test_a_better_model_passes_and_the_same_images_are_read_once(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion_of(made, WEAK)
    candidate = candidate_of(made, 0.0)
    sizes = reads(monkeypatch)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "VALIDATED"
    assert verdict.champion == 1
    assert verdict.checks[2].metric == "gain in macro recall over version 1"
    assert verdict.checks[2].value == pytest.approx(0.3)
    assert verdict.champion_accuracy
    assert verdict.champion_accuracy.value == pytest.approx(verdict.checks[0].value - 0.3)
    assert sizes == [16]


def test_a_champion_of_another_image_size_is_scored_at_its_own(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.helpers.trained_project.SIDE", 8)
    champion_of(made, WEAK)
    monkeypatch.setattr("tests.helpers.trained_project.SIDE", 16)
    candidate = candidate_of(made, 0.0)
    sizes = reads(monkeypatch)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "VALIDATED"
    assert verdict.checks[2].value == pytest.approx(0.3)
    assert sizes == [16, 8]


def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes at which test images are read from now on."""
    sizes: list[int] = []
    read = judge.read_examples

    def noted(data: Path, split: pd.DataFrame, labels: list[str], size: int, *args: Any, **options: Any) -> Any:
        sizes.append(size)
        return read(data, split, labels, size, *args, **options)

    monkeypatch.setattr(judge, "read_examples", noted)
    return sizes


def test_a_gap_between_slices_is_judged_from_the_candidate_s_own_answers(made: Project) -> None:
    names = [f"{label}/{number:02d}.png,{label.lower()}" for label in LABELS for number in range(30)]
    (made.data / "metadata.csv").write_text("\n".join(["file_name,skin tone", *names]), encoding="utf-8")
    configure(made, "evaluate", slices=["skin tone"])
    configure(made, max_slice_gap=0.3, min_accuracy=None, min_class_recall=None)
    unfair = candidate_of(made, 0.95)
    verdict = judge.judge(made, unfair, tried(unfair))
    assert verdict.outcome == "REJECTED"
    assert "gap in accuracy by skin tone 100.0%, expected at most 30.0% (light to dark, 95% interval" in verdict.reason
    # Twice ten people that are all answered right leave room for a gap of more.
    equal = candidate_of(made, 0.0)
    verdict = judge.judge(made, equal, tried(equal))
    assert verdict.outcome == "UNKNOWN"
    assert "It is not known whether accuracy by skin tone differs by at most gate.max_slice_gap" in verdict.reason
    assert "| not known | " in verdict.to_markdown()
    configure(made, max_slice_gap=0.5)
    assert judge.judge(made, equal, tried(equal)).outcome == "VALIDATED"


def test_photos_of_few_people_prove_no_gain(made: Project) -> None:
    champion_of(made, WEAK)
    candidate = candidate_of(made, 0.0)
    test = pd.read_csv(made.split("test"), dtype=str)
    test["group"] = ["one", "other"] * (len(test) // 2)
    test.to_csv(made.split("test"), index=False)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "REJECTED"
    assert "lower end -100.0 points" in verdict.reason


def test_images_that_the_champion_was_trained_on_do_not_count(made: Project) -> None:
    champion_of(made, WEAK)
    move_to_test(made, 10)
    candidate = candidate_of(made, 0.0)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.comparison
    assert (verdict.comparison.images, verdict.comparison.seen) == (20, 10)
    assert verdict.champion_accuracy
    assert verdict.champion_accuracy.images == 20
    assert verdict.outcome == "VALIDATED"
    assert "on the 20 of 30 test images that neither saw in training" in verdict.reason


def test_what_is_in_one_group_with_a_seen_image_does_not_count_either(made: Project) -> None:
    champion_of(made, WEAK)
    move_to_test(made, 10)
    candidate = candidate_of(made, 0.0)
    test = pd.read_csv(made.split("test"), dtype=str)
    # Such as a mirrored copy: the last ten are those that were moved.
    test.loc[0, "group"] = test["group"].iloc[-1]
    test.to_csv(made.split("test"), index=False)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.comparison
    assert (verdict.comparison.images, verdict.comparison.seen) == (19, 11)


def test_where_too_few_images_are_new_to_both_it_is_unknown_and_says_how_to_go_on(made: Project) -> None:
    champion_of(made, WEAK)
    move_to_test(made, 20, keep=False)
    candidate = candidate_of(made, 0.0)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert (verdict.outcome, verdict.incomparable, verdict.comparison) == ("UNKNOWN", True, None)
    assert "of 20 test images 20 show people or pictures that one of the two was trained on" in verdict.reason
    assert "facesent promote --replace-incomparable" in verdict.reason


def test_where_no_image_is_new_to_both_it_is_unknown_whatever_is_asked_for(made: Project) -> None:
    champion_of(made, WEAK)
    move_to_test(made, 20, keep=False)
    candidate = candidate_of(made, 0.0)
    text = made.params.read_text()
    assert text.count("min_unseen: 6") == 1
    made.params.write_text(text.replace("min_unseen: 6", "min_unseen: null"))
    verdict = judge.judge(made, candidate, tried(candidate))
    assert (verdict.outcome, verdict.incomparable) == ("UNKNOWN", True)
    assert "was trained on all people or pictures of the test images" in verdict.reason


def test_a_champion_that_does_not_say_what_it_was_trained_on_leaves_it_unknown(made: Project) -> None:
    champion = champion_of(made, WEAK)
    runs.remove_files(champion.run_id, "images")
    candidate = candidate_of(made, 0.0)
    verdict = judge.judge(made, candidate, tried(candidate))
    assert (verdict.outcome, verdict.incomparable) == ("UNKNOWN", True)
    assert "version 1 does not record which images it was trained on" in verdict.reason


def test_after_an_alarm_the_labelled_photos_since_then_are_a_part_of_their_own(made: Project) -> None:
    champion = champion_of(made, WEAK)
    candidate = candidate_of(made, 0.0)
    # More than the gain on all images, and less than on light photos, which the champion takes for dark.
    configure(made, min_gain=0.5)
    assert judge.judge(made, candidate, tried(candidate)).outcome == "REJECTED"
    test = pd.read_csv(made.split("test"), dtype=str)
    shifted = test[test["label"] == "Light"]["sha256"][:6]
    runs.log_bytes(champion.run_id, artifacts.SHIFTED, "\n".join(shifted).encode())
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "VALIDATED"
    assert "on 6 photos from after the change its macro recall is 100.0 points above version 1's" in verdict.reason
    # Of another champion it says nothing.
    versions.set_alias(CHAMPION, candidate.version)
    other = candidate_of(made, -0.1)
    assert "after the change" not in judge.judge(made, other, tried(other)).reason


def move_to_test(made: Project, count: int, *, keep: bool = True) -> None:
    """Draw other splits: the first images of train are tested on from now on, instead of or beside the old ones."""
    train, test = (pd.read_csv(made.split(name), dtype=str) for name in ("train", "test"))
    rest = pd.concat([test, train.iloc[count:]]) if not keep else train.iloc[count:]
    moved = pd.concat([test, train.iloc[:count]]) if keep else train.iloc[:count]
    rest.to_csv(made.split("train"), index=False)
    moved.to_csv(made.split("test"), index=False)


def test_a_worse_model_is_rejected_and_so_is_one_that_cannot_be_served(made: Project) -> None:
    champion_of(made, 0.0)
    candidate = candidate_of(made, 0.7)
    worse = judge.judge(made, candidate, tried(candidate))
    assert worse.outcome == "REJECTED"
    assert "gain in macro recall over version 1 -20.0 points" in worse.reason
    unserved = judge.judge(made, candidate, tried(candidate, "It did not start."))
    assert unserved.outcome == "REJECTED"
    assert "It did not start." in unserved.reason


def test_a_slow_server_is_rejected_and_without_thresholds_nothing_is_known(made: Project) -> None:
    candidate = candidate_of(made, 0.0)
    slow = judge.judge(made, candidate, tried(candidate, latency=5000.0))
    assert slow.outcome == "REJECTED"
    keys = YAML().load(made.params)["gate"]
    configure(made, **{key: None for key in keys if key.startswith(("min_", "max_"))})
    nothing = judge.judge(made, candidate, tried(candidate))
    assert nothing.outcome == "UNKNOWN"
    assert "gate.min_accuracy" in nothing.reason
    assert not aliases.promote(nothing).changed


def test_a_champion_that_is_damaged_leaves_it_unknown(made: Project) -> None:
    champion_of(made, WEAK)
    candidate = candidate_of(made, 0.0)
    with versions.version_files(1) as (weights, _):
        weights.write_bytes(b"no model")
    verdict = judge.judge(made, candidate, tried(candidate))
    assert (verdict.outcome, verdict.champion, verdict.incomparable) == ("UNKNOWN", 1, True)
    assert "cannot be loaded" in verdict.reason


def test_a_champion_whose_store_is_away_leaves_no_verdict(
    made: Project, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion_of(made, WEAK)
    candidate = candidate_of(made, 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with closing(sqlite3.connect(mlflow_store)) as store, store:
        away = "http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/model"
        store.execute("UPDATE model_versions SET storage_location = ? WHERE version = 1", (away,))
    with pytest.raises(TrackingError, match="Connection refused"):
        judge.judge(made, candidate, tried(candidate))
    assert not made.verdict.exists()
    assert "verdict" not in versions.get(candidate.version).tags


def test_without_test_images_it_is_unknown(made: Project) -> None:
    candidate = candidate_of(made, 0.0)
    header, *_ = made.split("test").read_text().splitlines()
    made.split("test").write_text(header + "\n")
    verdict = judge.judge(made, candidate, tried(candidate))
    assert verdict.outcome == "UNKNOWN"
    assert "no test images" in verdict.reason
    assert versions.all_versions()[0].tags["verdict"] == "UNKNOWN"


def test_test_images_of_a_class_that_the_candidate_does_not_know_name_the_command(made: Project) -> None:
    candidate = candidate_of(made, 0.0)
    made.split("test").write_text(made.split("test").read_text().replace(",Dark,", ",Night,"))
    with pytest.raises(FacesentError, match=r"also Night.*dvc repro"):
        judge.judge(made, candidate, tried(candidate))
