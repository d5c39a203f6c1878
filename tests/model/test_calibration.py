from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from facesent.model.backend import keras
from facesent.model.calibration import HIGHEST, at_temperature, fit_temperature, set_temperature, temperature_of
from facesent.model.layers import CalibratedSoftmax


def answers(images: int, sureness: float, seed: int = 3) -> tuple[Any, Any]:
    """Probabilities that are ``sureness`` times as sure as they should be, and the true classes."""
    chance = np.random.default_rng(seed)
    logits = 3 * chance.normal(size=(images, 6))
    targets = (softmax(logits, axis=1).cumsum(axis=1) > chance.random((images, 1))).argmax(axis=1)
    return softmax(logits * sureness, axis=1).astype(np.float32), targets


@pytest.mark.parametrize("sureness", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_what_the_model_is_too_sure(sureness: float) -> None:
    probabilities, targets = answers(3000, sureness)
    assert fit_temperature(probabilities, targets) == pytest.approx(sureness, rel=0.08)


def test_no_other_temperature_has_a_smaller_log_loss() -> None:
    probabilities, targets = answers(3000, 2.0)

    def log_loss(temperature: float) -> float:
        scores = at_temperature(probabilities, temperature)
        return float(-np.log(scores[np.arange(len(targets)), targets]).mean())

    best = fit_temperature(probabilities, targets)
    assert log_loss(best) < min(log_loss(best * 0.95), log_loss(best * 1.05), log_loss(1.0))


def test_a_few_images_that_are_all_right_do_not_make_it_certain() -> None:
    probabilities = np.full((20, 2), [0.7, 0.3])
    temperature = fit_temperature(probabilities, np.zeros(20, int))
    assert 0.1 < temperature < 1
    assert at_temperature(probabilities, temperature).max() < 0.999


def test_a_certain_error_in_float32_has_a_finite_temperature() -> None:
    probabilities = np.array([[1, 0, 0]] * 10, np.float32)
    assert 1 < fit_temperature(probabilities, np.array([0] * 5 + [1] * 5)) <= HIGHEST


def test_a_temperature_divides_the_logits_and_can_be_taken_back() -> None:
    logits = np.random.default_rng(4).normal(size=(50, 6)) * 4
    cooled = at_temperature(softmax(logits, axis=1), 0.5)
    np.testing.assert_allclose(np.log(cooled), log_softmax(logits / 0.5, axis=1), rtol=1e-6)
    np.testing.assert_allclose(at_temperature(cooled, 2.0), softmax(logits, axis=1), rtol=1e-6)
    assert (cooled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_probabilities_that_rounded_to_0_stay_a_distribution() -> None:
    scores = at_temperature(np.array([[1, 0, 0], [0.5, 0.5, 0]], np.float32), 3.0)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize("targets", [np.zeros(0, int), np.zeros(2, int)])
def test_targets_that_do_not_fit_are_refused(targets: Any) -> None:
    with pytest.raises(ValueError, match=r"Received: \(3, 6\)"):
        fit_temperature(np.full((3, 6), 1 / 6), targets)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.inf, np.nan])
def test_no_temperature_but_above_0(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        at_temperature(np.full((1, 2), 0.5), temperature)


def test_a_model_answers_at_the_temperature_that_is_set() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, CalibratedSoftmax(name="probabilities")(inputs))
    logits = np.random.default_rng(5).normal(size=(3, 4)).astype(np.float32)
    assert temperature_of(model) == 1
    before = np.asarray(model(logits))
    set_temperature(model, 2.5)
    assert temperature_of(model) == 2.5
    np.testing.assert_allclose(model(logits), at_temperature(before, 2.5), rtol=1e-5)


def test_a_model_without_a_temperature_is_at_1_and_stays_there() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Softmax(name="probabilities")(inputs))
    assert temperature_of(model) == 1
    with pytest.raises(ValueError, match="has a temperature"):
        set_temperature(model, 2.0)
