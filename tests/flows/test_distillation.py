"""Networks that teach another one, from the command to the training that learns from them."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.images.rows import read_split
from facesent.params import load_params
from facesent.stages.train import train
from facesent.training.soft_targets import SoftTargetsError
from flows import cross_validation, distillation
from tests.helpers.folds_project import LABELS, make_project
from tests.helpers.working_folders import working_folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(scope="module")
def project(own_home: Path, tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Iterator[Project]:
    """The working folder, with a tracking store of its own, after a training with labels alone."""
    root = tmp_path_factory.mktemp("distillation")
    with working_folder(root, empty_mlflow_database):
        project = make_project(root)
        train(project)
        yield project


@pytest.fixture(scope="module")
def from_labels(project: Project) -> pd.DataFrame:
    """How a training with labels alone went."""
    return pd.read_csv(project.history)


@pytest.fixture(scope="module")
def taught(project: Project, from_labels: pd.DataFrame) -> Project:
    """With soft targets, and settings that name them."""
    assert distillation.main(["--apply"]) == 0
    return project


def test_each_image_of_train_is_answered_for_and_no_other(taught: Project) -> None:
    table = pd.read_csv(taught.soft_targets)
    assert list(table.columns) == ["sha256", "label", *(f"probability_{label}" for label in LABELS)]
    known = read_split(taught.split("train")).set_index("sha256")["label"]
    assert table.set_index("sha256")["label"].to_dict() == known.to_dict()
    assert table.filter(like="probability_").sum(axis=1).between(0.999, 1.001).all()


def test_no_teacher_learned_from_an_image_that_it_answers_for_or_its_person(taught: Project) -> None:
    answers = pd.read_csv(taught.distillation / "predictions.csv")
    assert answers.groupby("group")["fold"].nunique().max() == 1
    others = pd.concat([read_split(taught.split(name)) for name in ("val", "test")])
    assert not set(answers["group"]) & set(others["group"])


def test_the_settings_name_the_file_and_its_content(taught: Project) -> None:
    learned = load_params(taught.params).train.distillation
    assert (learned.soft_targets, learned.soft_targets_sha256) == ("soft_targets.csv", sha256(taught.soft_targets))


def test_mlflow_has_the_teachers_under_one_run(taught: Project) -> None:
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.run_name is not None
    assert parent.info.run_name.startswith("3 teachers ")
    assert "soft_targets" not in parent.info.run_name
    assert parent.data.params["train.distillation.soft_targets"] == "none"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 4


def test_once_more_keeps_the_teachers_though_the_settings_name_what_they_taught(taught: Project) -> None:
    before = taught.soft_targets.read_bytes()
    trained = (taught.distillation / "fold-1" / "metrics.json").stat().st_mtime_ns
    assert distillation.main([]) == 0
    assert (taught.distillation / "fold-1" / "metrics.json").stat().st_mtime_ns == trained
    assert taught.soft_targets.read_bytes() == before


def test_the_next_training_learns_from_them(taught: Project, from_labels: pd.DataFrame) -> None:
    train(taught)
    # The same seed and images: what is learned of them is all that differs.
    assert (pd.read_csv(taught.history)["loss"] != from_labels["loss"]).all()


def test_folds_are_not_measured_with_soft_targets_of_what_they_hold_out(
    taught: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cross_validation.main([]) == 1
    assert "Expected train.distillation.soft_targets: none" in capsys.readouterr().err


def test_other_training_images_ask_for_other_soft_targets(taught: Project) -> None:
    path = taught.split("train")
    whole = path.read_bytes()
    read_split(path).iloc[1:].to_csv(path, index=False)
    try:
        with pytest.raises(SoftTargetsError, match=r"val or test now: 1\. Train teachers.*flows\.distillation"):
            train(taught)
    finally:
        path.write_bytes(whole)


def test_what_it_prints_can_be_copied_into_the_settings(taught: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert distillation.main([]) == 0
    printed = capsys.readouterr().out
    assert "  soft_targets: soft_targets.csv\n" in printed
    assert f"  soft_targets_sha256: {sha256(taught.soft_targets)}\n" in printed
    assert "soft targets of 42 images" in printed
