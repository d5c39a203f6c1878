"""Trials with handmade learning curves in place of trainings; ``tests/flows/test_sweep.py`` trains."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesent.core.errors import FacesentError, TrackingError
from facesent.core.paths import Project
from facesent.experiments import sweep, sweep_results
from facesent.experiments.sweep import OpenSweep, sweeping
from facesent.experiments.trial import CHECKPOINT
from facesent.experiments.trial_process import TrialFailedError, TrialInterruptedError
from facesent.params import load_params
from facesent.registry import runs
from tests.helpers.disks import no_room

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RATE = "train.optimizer.learning_rate"

Rows = Iterator[tuple[int, dict[str, float]]]
Play = Callable[..., None]


@pytest.fixture
def swept(project: Path, mlflow_store: Path) -> Project:
    """A project with splits, to be searched over two learning rates and dropout."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    space = {RATE: {"choices": [0.0003, 0.1]}, "model.dropout": {"low": 0, "high": 0.5}}
    settings["sweep"].update(trials=4, warmup_epochs=0, space=space)
    settings["notify"]["urls"] = ["json://me:hidden-word@127.0.0.1"]
    Path("params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    Path("outputs/split").mkdir(parents=True)
    for split in ("train", "val"):
        Path(f"outputs/split/{split}.csv").write_text(split)
    return Project()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Let the next trials have these curves; an exception among the values is raised there."""

    def put(*curves: Sequence[float | BaseException]) -> None:
        left = iter(curves)

        @contextmanager
        def handmade(root: Path, folder: Path) -> Iterator[Rows]:
            load_params(folder / "params.yaml")
            yield _rows(next(left))

        monkeypatch.setattr(sweep, "training_process", handmade)

    return put


def _rows(curve: Sequence[float | BaseException]) -> Rows:
    for epoch, value in enumerate(curve):
        if isinstance(value, BaseException):
            raise value
        yield epoch, {"val_accuracy": value, "val_loss": 1 - value}


def opened(project: Project) -> Any:
    return sweeping(project, load_params(project.params), "val_accuracy", {"flow_run": "1"})


def run_next(sweep: OpenSweep) -> tuple[int, str, int]:
    ended = sweep.run(sweep.next_trial(), print)
    return ended.number, ended.state, ended.epochs


def _run_with_checkpoint(sweep: OpenSweep, checkpoint: Path) -> None:
    trial = sweep.next_trial()
    checkpoint.mkdir(parents=True)
    sweep.run(trial, print)


def _run_on_other_splits(sweep: OpenSweep) -> None:
    trial = sweep.next_trial()
    sweep.project.split("val").write_text("another")
    sweep.run(trial, print)


def children() -> dict[str, tuple[str, dict[str, float]]]:
    """Name, state and metrics of the nested runs."""
    import mlflow

    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in runs if run is not parent)
    assert parent.data.tags["flow_run"] == "1"
    return {run.info.run_name: (run.info.status, run.data.metrics) for run in runs if run is not parent}


def test_a_trial_is_pruned_by_validation_and_nested_in_mlflow(swept: Project, play: Play) -> None:
    play([0.5, 0.6], [0.1, 0.9])
    with opened(swept) as sweep:
        assert [run_next(sweep) for _ in range(2)] == [(0, "complete", 2), (1, "pruned", 1)]
        assert sweep.missing == 2
    known = children()
    assert {name: status for name, (status, _) in known.items()} == {"trial 0": "FINISHED", "trial 1": "KILLED"}
    assert known["trial 0"][1] == {"epoch/val_accuracy": 0.6, "epoch/val_loss": 0.4, "best_val_accuracy": 0.6}


def test_a_failed_trial_leaves_the_others(swept: Project, play: Play) -> None:
    play([0.5, TrialFailedError("no memory")], [0.4], [float("nan")])
    with opened(swept) as sweep:
        with pytest.raises(TrialFailedError, match="no memory"):
            run_next(sweep)
        assert [run_next(sweep) for _ in range(2)] == [(1, "complete", 1), (2, "pruned", 1)]
        assert sweep_results.trials_of(sweep)["state"].tolist() == ["complete", "failed", "pruned"]
    assert children()["trial 0"][0] == "FAILED"


def test_the_present_settings_are_tried_again_if_their_trial_failed(swept: Project, play: Play) -> None:
    play([TrialFailedError("no memory")], [0.5])
    with opened(swept) as sweep:
        trial = sweep.next_trial()
        present = sweep.values(trial)
        checkpoint = sweep.folder(trial.number) / CHECKPOINT
        checkpoint.mkdir(parents=True)
        with pytest.raises(TrialFailedError):
            sweep.run(trial, print)
        assert not checkpoint.exists()
    with opened(swept) as sweep:
        assert sweep.values(sweep.next_trial()) == present


def test_trials_on_other_splits_end_the_sweep(swept: Project, play: Play) -> None:
    play([0.5])
    with pytest.raises(FacesentError, match="Received: others"), opened(swept) as sweep:
        _run_on_other_splits(sweep)
    assert children()["trial 0"][0] == "KILLED"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TrialInterruptedError("no disk"), TrackingError("no MLflow")])
def test_an_interrupted_trial_goes_on_under_its_number(swept: Project, play: Play, error: BaseException) -> None:
    play([0.5, error])
    checkpoint = swept.sweep / "trial-0" / CHECKPOINT
    with pytest.raises(type(error)), opened(swept) as sweep:
        _run_with_checkpoint(sweep, checkpoint)
    assert children()["trial 0"][0] == "KILLED"
    play([0.5, 0.7])
    with opened(swept) as sweep:
        assert checkpoint.is_dir()
        assert run_next(sweep) == (0, "complete", 2)
    assert children().keys() == {"trial 0"}


def test_the_first_trial_is_the_settings_to_the_last_digit(swept: Project, play: Play) -> None:
    settings = yaml.safe_load(swept.params.read_text())
    settings["model"]["dropout"] = 0.123456
    swept.params.write_text(yaml.safe_dump(settings))
    play([0.9], [0.1])
    with opened(swept) as sweep:
        run_next(sweep)
        run_next(sweep)
        sweep_results.finish(sweep)
    assert load_params(sweep.folder(0) / "params.yaml").model.dropout == 0.123456
    assert load_params(swept.sweep / "best.yaml") == load_params(swept.params)
    settings["model"]["dropout"] = 0.2
    swept.params.write_text(yaml.safe_dump(settings))
    with opened(swept) as sweep:
        assert sweep_results.trials_of(sweep)["model.dropout"][0] == 0.123456, "also after other ones were applied"


def test_results_put_the_best_complete_trial_first(swept: Project, play: Play) -> None:
    play([0.5, 0.5], [0.6, 0.6], [0.1], [0.7, 0.5])
    with opened(swept) as sweep:
        while sweep.missing:
            run_next(sweep)
        found = sweep_results.finish(sweep)
    assert found.trials["trial"].tolist() == [3, 1, 0, 2]
    assert found.sentence == "val_accuracy 0.7000 in trial 3; 3 complete, 1 pruned."
    assert {path.name for path in found.files} == {"best.yaml", "trials.csv", "history.png", "importance.png"}
    assert found.shown()[0] == ["trial", "state", "value", "epochs", "learning_rate", "dropout"]
    assert load_params(swept.outputs / "sweep" / "best.yaml").flat()[RATE] == found.best[RATE]
    assert f"-S {RATE}={found.best[RATE]}" in found.to_markdown()
    assert "hidden-word" in (swept.outputs / "sweep" / "best.yaml").read_text()
    assert "hidden-word" not in runs.read_text(sweep.run_id, "best.yaml")


def test_importance_finds_the_key_that_matters(swept: Project, play: Play) -> None:
    params = load_params(swept.params)
    with opened(swept) as sweep:
        for _ in range(12):
            trial = sweep.next_trial()
            sweep.study.tell(trial, 0.9 if trial.params[RATE] == 0.1 else 0.3)
        assert next(iter(sweep_results.importances(sweep.study, params.sweep.seed))) == RATE
        sweep.study.tell(sweep.next_trial(), 0.5)


def test_without_a_complete_trial_there_is_nothing_best(swept: Project, play: Play) -> None:
    with opened(swept) as sweep, pytest.raises(FacesentError, match="complete trial"):
        sweep_results.finish(sweep)


def test_two_sweeps_at_once_are_refused(swept: Project) -> None:
    with opened(swept), pytest.raises(FacesentError, match="no other sweep"), opened(swept):
        pass


def test_without_splits_it_says_what_to_run(swept: Project) -> None:
    swept.split("val").unlink()
    with pytest.raises(FacesentError, match="dvc repro split"), opened(swept):
        pass


def test_a_study_that_cannot_be_written_is_one_message(swept: Project) -> None:
    expected = r"sweep's trials in .*study\.db\. Received: disk I/O error\. Free disk space"
    with pytest.raises(FacesentError, match=expected), opened(swept) as sweep, no_room():
        sweep.next_trial()
