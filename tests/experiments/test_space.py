from pathlib import Path
from typing import Any

import pytest

from facesent.experiments.settings import Choice, Range
from facesent.experiments.space import check_space, present_values, rounded, with_values
from facesent.params import Params, load_params
from facesent.presets import load_preset, presets
from facesent.section import ParamsError

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
RATE, SIZE, DROPOUT = "train.optimizer.learning_rate", "train.batch_size", "model.dropout"


def searching(space: dict[str, Any]) -> Params:
    return PARAMS.model_copy(update={"sweep": PARAMS.sweep.model_copy(update={"space": space})})


@pytest.mark.parametrize("preset", presets(ROOT))
def test_the_space_of_each_preset_can_be_searched(preset: str) -> None:
    check_space(load_preset(ROOT, preset), "val_accuracy")


@pytest.mark.parametrize(
    ("key", "setting", "said"),
    [
        ("train.optimizer.learn_rate", Range(low=0.1, high=1), f"Did you mean {RATE}"),
        ("train.learning_rate", Range(low=0.1, high=1), f"Did you mean train.head.learning_rate or {RATE}?"),
        ("split.val", Range(low=0.1, high=0.2), "expected a key of the sections model or train"),
        (DROPOUT, Range(low=0, high=1), "less than 1. Received: 1.0"),
        (SIZE, Range(low=1.5, high=4), "valid integer"),
        ("train.augment.flip", Range(low=0, high=1), "expected choices"),
        ("train.optimizer.name", Choice(choices=["adam", "sgd"]), "Received: 'sgd'"),
        ("train.augment.flip", Choice(choices=[[True], False]), "expected choices that are text"),
        ("model.flip_average", Choice(choices=[True, False]), "it acts only on the network that is kept"),
        ("train.calibrate", Choice(choices=[True, False]), "it acts only on the network that is kept"),
        ("train.checkpoint.monitor", Choice(choices=["val_loss", "val_accuracy"]), "it acts only on the network"),
        ("train.head.learning_rate", Range(low=0.1, high=1), "train.head.epochs is 0"),
        ("train.loss.label_smoothing", Range(low=0, high=0.2), "leaves the loss as it is"),
    ],
    ids=[
        "misspelt",
        "without its section",
        "no setting of a training",
        "high",
        "fraction",
        "no number",
        "choice",
        "list",
        "of the answer",
        "of the probabilities",
        "of the kept epoch",
        "of no use as the others are",
        "of the loss",
    ],
)
def test_a_key_that_cannot_be_searched_is_named(key: str, setting: Range | Choice, said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        check_space(searching({RATE: Range(low=0.1, high=1), key: setting}), "val_loss")
    assert key in str(caught.value)
    assert said in str(caught.value)


def test_values_that_do_not_go_together_are_named() -> None:
    name, decay = "train.optimizer.name", "train.optimizer.weight_decay"
    with pytest.raises(ParamsError, match=f"{name}=adam, {decay}=0.1"):
        with_values(PARAMS, {name: "adam", decay: 0.1})


def test_a_searched_key_need_not_fit_the_present_value_of_another() -> None:
    schedule, warmup = "train.schedule.name", "train.schedule.warmup_epochs"
    assert PARAMS.train.schedule.name == "plateau", "which has no warm-up"
    space = {warmup: Choice(choices=[1, 2]), schedule: Choice(choices=["cosine", "cosine"])}
    check_space(searching(space), "val_accuracy")


def test_a_key_of_the_loss_may_be_searched_where_accuracy_is_optimised() -> None:
    check_space(searching({"train.loss.label_smoothing": Range(low=0, high=0.2)}), "val_accuracy")


def test_what_does_nothing_may_be_searched_beside_the_key_that_lets_it_act() -> None:
    gamma, name = {"train.loss.focal_gamma": Range(low=1, high=5)}, Choice(choices=["cross_entropy", "focal"])
    with pytest.raises(ParamsError, match=r"focal_gamma: .*, as train\.loss\.name is cross_entropy\. Leave it out"):
        check_space(searching(gamma), "val_accuracy")
    check_space(searching({**gamma, "train.loss.name": name}), "val_accuracy")


@pytest.mark.parametrize("key", [RATE, SIZE, DROPOUT, "train.augment.rotation", "train.early_stopping.patience"])
def test_a_head_that_is_solved_has_nothing_to_do_with_how_others_are_trained(key: str) -> None:
    head = {"train.epochs": 1, "train.head.epochs": 1, "train.head.solver": "logistic"}
    solved = with_values(searching({key: Range(low=0.1, high=20)}), head)
    with pytest.raises(ParamsError, match=f"{key}: .*does not, as train.head.*Leave it out"):
        check_space(solved, "val_accuracy")


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(ParamsError, match="at least one key"):
        check_space(searching({}), "val_accuracy")


def test_values_are_put_in_and_checked() -> None:
    changed = with_values(PARAMS, {RATE: 0.5, SIZE: 8})
    assert (changed.train.optimizer.learning_rate, changed.train.batch_size) == (0.5, 8)
    assert changed.train.augment == PARAMS.train.augment
    with pytest.raises(ParamsError, match=f"{DROPOUT}=1"):
        with_values(PARAMS, {DROPOUT: 1})


def test_drawn_floats_are_shortened_but_stay_inside() -> None:
    space = {RATE: Range(low=0.1, high=0.99996), SIZE: Range(low=1, high=99999), DROPOUT: Choice(choices=[0.12345, 0])}
    drawn = {RATE: 0.1234567, SIZE: 12345, DROPOUT: 0.12345}
    assert rounded(searching(space), drawn) == {RATE: 0.1235, SIZE: 12345, DROPOUT: 0.12345}
    assert rounded(searching(space), {**drawn, RATE: 0.99995999})[RATE] == 0.99995999


def test_present_values_are_a_trial_only_where_the_space_holds_them() -> None:
    assert present_values(searching({SIZE: Choice(choices=[32, 64])})) == {SIZE: 32}
    assert present_values(searching({SIZE: Choice(choices=[16, 64])})) is None
