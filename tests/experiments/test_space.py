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
    check_space(load_preset(ROOT, preset))


@pytest.mark.parametrize(
    ("key", "setting", "said"),
    [
        ("train.optimizer.learn_rate", Range(low=0.1, high=1), f"Did you mean {RATE}"),
        ("train.learning_rate", Range(low=0.1, high=1), f"Did you mean train.head.learning_rate or {RATE}?"),
        ("split.val", Range(low=0.1, high=0.2), "expected a key of the sections model or train"),
        (DROPOUT, Range(low=0, high=1), "less than 1. Received: 1.0"),
        (SIZE, Range(low=1.5, high=4), "valid integer"),
        ("train.calibrate", Range(low=0, high=1), "expected choices"),
        ("train.optimizer.name", Choice(choices=["adam", "sgd"]), "Received: 'sgd'"),
        ("train.augment.flip", Choice(choices=[[True], False]), "expected choices that are text"),
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
    ],
)
def test_a_key_that_cannot_be_searched_is_named(key: str, setting: Range | Choice, said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        check_space(searching({RATE: Range(low=0.1, high=1), key: setting}))
    assert key in str(caught.value)
    assert said in str(caught.value)


def test_values_that_do_not_go_together_are_named() -> None:
    name, decay = "train.optimizer.name", "train.optimizer.weight_decay"
    with pytest.raises(ParamsError, match=f"{name}=adam, {decay}=0.1"):
        with_values(PARAMS, {name: "adam", decay: 0.1})


def test_a_searched_key_need_not_fit_the_present_value_of_another() -> None:
    schedule, warmup = "train.schedule.name", "train.schedule.warmup_epochs"
    assert PARAMS.train.schedule.name == "plateau", "which has no warm-up"
    check_space(searching({warmup: Choice(choices=[1, 2]), schedule: Choice(choices=["cosine", "cosine"])}))


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(ParamsError, match="at least one key"):
        check_space(searching({}))


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
