from typing import Any

import numpy as np
import pytest

from facesent.evaluation.reliability import (
    calibration_noise,
    debiased_calibration_error,
    equal_width_bins,
    expected_calibration_error,
)


def draws(images: int, excess: float, seed: int) -> tuple[Any, Any]:
    """Confidences, and answers that are right ``excess`` less often than those."""
    chance = np.random.default_rng(seed)
    confidence = chance.uniform(0.5, 0.95, images)
    return confidence, chance.random(images) < confidence - excess


def test_ece_of_a_calibrated_and_an_overconfident_model() -> None:
    correct = np.arange(1000) % 10 < 7
    assert expected_calibration_error(np.full(1000, 0.7), correct, 15) == pytest.approx(0, abs=1e-9)
    assert expected_calibration_error(np.full(1000, 0.95), correct, 15) == pytest.approx(0.25)


def test_ece_does_not_let_bins_cancel() -> None:
    confidence = np.array([0.95] * 10 + [0.55] * 10)
    correct = np.array([False] * 10 + [True] * 10)
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx((0.95 + 0.45) / 2)


def test_bins_hold_their_upper_end_and_say_what_is_in_them() -> None:
    bins = equal_width_bins(np.array([0.5, 0.6, 1.0]), np.array([True, False, True]), 2)
    assert bins.images.tolist() == [1, 2]
    assert bins.accuracy.tolist() == [1, 0.5]
    assert bins.gaps.tolist() == pytest.approx([-0.5, 0.3])


def test_a_bin_without_images_is_empty_and_weighs_nothing() -> None:
    bins = equal_width_bins(np.array([0.9]), np.array([True]), 3)
    assert bins.confidence.tolist() == [0, 0, 0.9]
    assert bins.weights.tolist() == [0, 0, 1]


def mean_errors(excess: float) -> tuple[float, float]:
    """Plain and debiased, over samples of 100 images."""
    samples = [draws(100, excess, seed) for seed in range(200)]
    errors = (expected_calibration_error, debiased_calibration_error)
    plain, debiased = (np.mean([error(*sample, 15) for sample in samples]) for error in errors)
    return float(plain), float(debiased)


def test_much_of_what_few_images_add_is_taken_out_again() -> None:
    plain, debiased = mean_errors(0.0)
    assert plain > 0.08
    assert debiased < 0.6 * plain


def test_a_real_error_on_few_images_is_left_in() -> None:
    _, debiased = mean_errors(0.15)
    assert debiased == pytest.approx(0.15, abs=0.02)


def test_on_many_images_both_errors_are_the_truth() -> None:
    sample = draws(200_000, 0.15, 1)
    assert expected_calibration_error(*sample, 15) == pytest.approx(0.15, abs=0.005)
    assert debiased_calibration_error(*sample, 15) == pytest.approx(0.15, abs=0.005)


def test_the_noise_is_the_error_of_calibrated_answers() -> None:
    samples = [draws(100, 0.0, seed) for seed in range(200)]
    plain = np.mean([expected_calibration_error(*sample, 15) for sample in samples])
    assert calibration_noise(samples[0][0], 15, 1000, seed=7) == pytest.approx(plain, rel=0.1)
    assert calibration_noise(draws(10_000, 0.0, 1)[0], 15, 1000, seed=7) < 0.02


def test_certain_answers_are_not_noisy() -> None:
    assert calibration_noise(np.ones(10), 15, 1000, seed=7) == 0
    assert debiased_calibration_error(np.ones(10), np.ones(10, bool), 15) == 0
