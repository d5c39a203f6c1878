from pathlib import Path

import pytest

from facesent.core.files import images_alone
from facesent.experiments.study import reported
from facesent.experiments.sweep import Ended, sweeping
from facesent.experiments.trial import CHECKPOINT
from facesent.experiments.trial_process import TrialFailedError, TrialInterruptedError, training_process
from facesent.params import load_params
from tests.helpers.disks import no_room
from tests.helpers.folds_project import SETTINGS, make_project


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "trial-3"
    folder.mkdir()
    (folder / "params.yaml").write_text("model: {}")
    with (
        pytest.raises(TrialFailedError, match=r"trial-3 failed \(1\)") as caught,
        training_process(tmp_path, folder) as rows,
    ):
        list(rows)
    assert "model.name: Field required" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert str(folder / "log.txt") in str(caught.value)


@pytest.mark.slow
def test_a_trial_whose_images_are_being_changed_is_gone_on_with(project: Path, mlflow_store: Path) -> None:
    sweep = {"trials": 1, "space": {"model.dropout": {"choices": [0.1, 0.2]}}}
    made = make_project(project, {**SETTINGS, "sweep": sweep})
    with sweeping(made, load_params(made.params), "val_accuracy", {}) as opened:
        trial = opened.next_trial()
        checkpoint = opened.folder(trial.number) / CHECKPOINT
        checkpoint.mkdir(parents=True)
        with images_alone(made.data), pytest.raises(TrialInterruptedError, match="being changed by `facesent data`"):
            opened.run(trial, print)
        assert checkpoint.is_dir()
        assert opened.next_trial().number == trial.number


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "said"),
    [(0, "No usable temporary directory"), (8, r"\.png: .*No such file or directory")],
    ids=["the libraries' files", "its images"],
)
def test_a_trial_says_what_it_lacks_where_its_disk_takes_no_log(project: Path, room: int, said: str) -> None:
    made = make_project(project)
    made.data.rename(project / "elsewhere")
    folder = made.sweep / "trial-3"
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_bytes(made.params.read_bytes())
    expected = f"trial-3 was interrupted, and the next run goes on with it. .*{said}"
    with no_room(room), pytest.raises(TrialInterruptedError, match=expected), training_process(project, folder) as rows:
        list(rows)
    assert (folder / "log.txt").stat().st_size <= room


@pytest.mark.long
@pytest.mark.slow
def test_a_training_that_diverges_is_pruned_and_keeps_what_was_reported_before(
    project: Path, mlflow_store: Path
) -> None:
    # The head is trained with a rate of its own, and the whole network from the second epoch on.
    train = {**SETTINGS["train"], "head": {"epochs": 1, "learning_rate": 0.001}}
    sweep = {"trials": 1, "space": {"train.optimizer.learning_rate": {"choices": [1e20, 1e25]}}}
    made = make_project(project, {**SETTINGS, "train": train, "sweep": sweep})
    with sweeping(made, load_params(made.params), "val_accuracy", {}) as opened:
        trial = opened.next_trial()
        ended = opened.run(trial, print)
        assert opened.missing == 0
        epochs = reported(trial)
    assert list(epochs) == [0, 1]
    assert 0 <= epochs[0] <= 1
    assert ended == Ended(0, "pruned", epochs[0], 2)
