from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from facesent.experiments.settings import Choice, Metric, Range
from facesent.experiments.study import best_value, missing, next_trial, open_study, report, reported, study_name
from facesent.params import Params, load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
RATE, SIZE, DROPOUT = "train.optimizer.learning_rate", "train.batch_size", "model.dropout"
SPACE = {
    RATE: Range(low=0.0001, high=0.1, log=True),
    SIZE: Range(low=8, high=64),
    DROPOUT: Choice(choices=[0.0, 0.2, 0.4]),
}


def sweep_of(**changes: Any) -> Params:
    return PARAMS.model_copy(update={"sweep": PARAMS.sweep.model_copy(update={"space": SPACE, **changes})})


def search(study: optuna.Study, params: Params) -> None:
    """One trial: the objective likes small batches and a rate of 0.01."""
    trial, _ = next_trial(study, params)
    study.tell(trial, -abs(trial.params[RATE] - 0.01) - trial.params[SIZE] / 1000)


def drawn(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.get_trials()]


def test_a_reopened_study_draws_what_an_unbroken_one_would(tmp_path: Path) -> None:
    params, trials = sweep_of(), 14  # from the eleventh on, the sampler learns from the earlier ones
    unbroken = open_study(tmp_path / "a.db", "unbroken", params, "val_accuracy")
    for _ in range(trials):
        search(unbroken, params)
    for number in range(trials):
        if number in (0, 4, 11, 13):
            reopened = open_study(tmp_path / "a.db", "reopened", params, "val_accuracy")
        search(reopened, params)
    assert drawn(reopened) == drawn(unbroken)
    assert len({trial[RATE] for trial in drawn(reopened)}) == trials
    assert all(isinstance(trial[SIZE], int) for trial in drawn(reopened))


def test_the_first_trial_is_the_settings_as_they_are(tmp_path: Path) -> None:
    params = sweep_of(space={RATE: Range(low=0.0001, high=0.01), SIZE: Choice(choices=[16, 32])})
    trial, new = next_trial(open_study(tmp_path / "a.db", "sweep", params, "val_accuracy"), params)
    assert new
    assert trial.params == {RATE: 0.0003, SIZE: 32}


def test_a_trial_that_was_left_running_is_gone_on_with(tmp_path: Path) -> None:
    params = sweep_of()
    left, _ = next_trial(open_study(tmp_path / "a.db", "sweep", params, "val_accuracy"), params)
    report(left, 0, 0.5)
    study = open_study(tmp_path / "a.db", "sweep", params, "val_accuracy")
    trial, new = next_trial(study, params)
    assert not new
    assert (trial.number, trial.params) == (left.number, left.params)
    report(trial, 0, 0.1)
    report(trial, 1, 0.6)
    assert reported(trial) == {0: 0.5, 1: 0.6}, "what is known is not replaced"
    study.tell(trial, 0.6)
    assert [known.state for known in study.get_trials()] == [TrialState.COMPLETE]


def test_finished_and_pruned_trials_count_failed_ones_do_not(tmp_path: Path) -> None:
    params = sweep_of(trials=3)
    study = open_study(tmp_path / "a.db", "sweep", params, "val_accuracy")
    for state in (TrialState.PRUNED, TrialState.FAIL):
        study.tell(next_trial(study, params)[0], state=state)
    search(study, params)
    assert missing(study, params.sweep) == 1
    assert missing(study, params.sweep.model_copy(update={"trials": 1})) == 0


@pytest.mark.parametrize(
    ("metric", "curve", "epochs"),
    [
        ("val_accuracy", [0.2, 0.3, 0.35, 0.5], 3),
        ("val_accuracy", [0.2, 0.3, 0.45, 0.1], None),  # the best so far counts, not the last
        ("val_loss", [2.0, 1.9, 1.8, 1.0], 3),
        ("val_loss", [0.1, 1.9, 1.8, 1.7], None),
        ("val_loss", [1.0, float("nan"), float("nan")], 2),  # at once
    ],
    ids=["worse", "better once", "higher loss", "lower loss once", "diverged"],
)
def test_worse_than_the_median_is_pruned_after_the_warm_up(
    tmp_path: Path, metric: Metric, curve: list[float], epochs: int | None
) -> None:
    params = sweep_of(trials=8, warmup_epochs=2)
    study = open_study(tmp_path / "a.db", "sweep", params, metric)
    for _ in range(2):
        complete, _ = next_trial(study, params)
        medians = [0.3, 0.35, 0.4, 0.45] if metric == "val_accuracy" else [1.7, 1.6, 1.5, 1.4]
        assert not any(report(complete, epoch, value) for epoch, value in enumerate(medians))
        study.tell(complete, medians[-1])
    trial, _ = next_trial(study, params)
    pruned = [report(trial, epoch, value) for epoch, value in enumerate(curve)]
    assert (pruned.index(True) + 1 if True in pruned else None) == epochs


def test_the_best_epoch_counts_in_the_metrics_direction(tmp_path: Path) -> None:
    epochs = {0: 0.5, 1: float("nan"), 2: 0.7, 3: 0.6}
    accuracy = open_study(tmp_path / "a.db", "one", sweep_of(), "val_accuracy")
    loss = open_study(tmp_path / "a.db", "two", sweep_of(), "val_loss")
    assert (best_value(epochs, accuracy), best_value(epochs, loss)) == (0.7, 0.5)
    assert best_value({0: float("nan")}, accuracy) is None


def test_the_studys_name_changes_with_what_makes_trials_incomparable() -> None:
    def name(params: Params, metric: Metric = "val_accuracy", split: bytes = b"train") -> str:
        return study_name(params, metric, [split, b"val"])

    mine = name(sweep_of())
    applied = sweep_of().model_copy(update={"model": PARAMS.model.model_copy(update={"dropout": 0.4})})
    longer = PARAMS.train.model_copy(update={"epochs": 99})
    assert name(sweep_of(trials=99)) == mine
    assert name(applied) == mine, "a searched key's present value makes no difference"
    others = [
        name(sweep_of(), "val_loss"),
        name(sweep_of(), split=b"other images"),
        name(sweep_of(seed=8)),
        name(sweep_of(space={RATE: SPACE[RATE]})),
        name(sweep_of().model_copy(update={"train": longer})),
    ]
    assert len({mine, *others}) == 6


def test_trials_of_another_backend_are_another_study(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = study_name(sweep_of(), "val_accuracy", [b"train", b"val"])
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    assert study_name(sweep_of(), "val_accuracy", [b"train", b"val"]) != usual
