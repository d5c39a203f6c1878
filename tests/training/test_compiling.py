from pathlib import Path

import numpy as np
import pytest

from facesent.model.backend import keras
from facesent.model.settings import Model
from facesent.params import load_params
from facesent.training.compiling import Phase, compile_for, compiled, network, phases
from facesent.training.memory import MemoryNeededError, require_memory
from facesent.training.settings import Head, Loss, Optimizer, Schedule, Train

QUICK = load_params(Path(__file__).parents[2] / "presets" / "quick.yaml")
MODEL = QUICK.model.model_copy(update={"image_size": 16, "dropout": 0.0})
PRETRAINED = Model(name="mobilenet", image_size=32, dropout=0.2, batch_norm_momentum=0.9, weights="imagenet")


def settings(**changed: object) -> Train:
    return QUICK.train.model_copy(update={"precision": "float32", **changed})


def gradients(model: keras.Model) -> list[np.ndarray]:
    return [np.ones(variable.shape, np.float32) for variable in model.trainable_variables]


def test_without_head_epochs_there_is_one_phase() -> None:
    assert phases(settings(epochs=4)) == [Phase(0, 4, head_only=False)]


def test_the_head_learns_first() -> None:
    both = phases(settings(epochs=5, head=Head(epochs=2)))
    assert both == [Phase(0, 2, head_only=True), Phase(2, 5, head_only=False)]
    model = network(PRETRAINED, settings(), 3)
    compile_for(both[0], model, PRETRAINED, settings(head=Head(epochs=2, learning_rate=0.25)), steps=1)
    assert len(model.trainable_variables) == 2
    assert float(model.optimizer.learning_rate) == 0.25
    compile_for(both[1], model, PRETRAINED, settings(), steps=1)
    assert len(model.trainable_variables) > 20


def test_the_cosine_rises_over_the_warm_up_and_falls_to_zero() -> None:
    optimizer = Optimizer(learning_rate=0.1)
    cosine = Schedule(name="cosine", warmup_epochs=2)
    model = compiled(MODEL, settings(epochs=10, optimizer=optimizer, schedule=cosine), 3, steps=5)
    rates = []
    for step in range(51):
        model.optimizer.iterations.assign(step)
        rates.append(float(model.optimizer.learning_rate))
    assert rates[0] == 0
    assert rates[5] == pytest.approx(0.05)
    assert rates[10] == pytest.approx(0.1)
    assert rates[30] == pytest.approx(0.05)
    assert rates[50] == pytest.approx(0, abs=1e-6)


def test_weight_decay_shrinks_kernels_alone() -> None:
    optimizer = Optimizer(name="adamw", learning_rate=0.1, weight_decay=0.5)
    model = compiled(MODEL, settings(optimizer=optimizer), 3)
    before = {variable.path: np.array(variable) + 1 for variable in model.trainable_variables}
    for variable in model.trainable_variables:
        variable.assign(before[variable.path])
    model.optimizer.apply([np.zeros_like(value) for value in before.values()], model.trainable_variables)
    for variable in model.trainable_variables:
        share = 0.95 if variable.path.endswith("kernel") else 1.0
        np.testing.assert_allclose(np.asarray(variable), before[variable.path] * share, rtol=1e-5)


def test_gradients_are_clipped_together() -> None:
    model = compiled(MODEL, settings(optimizer=Optimizer(learning_rate=0.1, clip_norm=1)), 3)
    model.optimizer.apply(gradients(model), model.trainable_variables)
    momenta = [np.asarray(value) for value in model.optimizer.variables if "momentum" in value.path]
    norm = np.sqrt(sum(np.square(momentum / (1 - 0.9)).sum(dtype=np.float64) for momentum in momenta))
    assert norm == pytest.approx(1, rel=1e-3)


def loss(settings_: Loss, probabilities: list[float]) -> float:
    model = compiled(MODEL, settings(loss=settings_), 3)
    target = np.array([[1, 0, 0]], np.float32)
    return float(model.loss(target, np.array([probabilities], np.float32)))


def test_the_focal_loss_weighs_what_is_answered_well_down() -> None:
    focal = Loss(name="focal", focal_gamma=2)
    for share in (0.9, 0.3):
        answer = [share, (1 - share) / 2, (1 - share) / 2]
        assert loss(Loss(), answer) == pytest.approx(-np.log(share), rel=1e-4)
        assert loss(focal, answer) == pytest.approx((1 - share) ** 2 * -np.log(share), rel=1e-3)


def test_smoothing_gives_each_class_a_part_of_the_target() -> None:
    answer = np.array([0.8, 0.15, 0.05])
    expected = -(np.array([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]) * np.log(answer)).sum()
    assert loss(Loss(label_smoothing=0.1), list(answer)) == pytest.approx(expected, rel=1e-4)


def test_a_batch_that_no_memory_takes_is_refused_before_the_first_step() -> None:
    model = network(MODEL, settings(), 3)
    require_memory(model, 8)
    with pytest.raises(
        MemoryNeededError, match=r"100000000 images of \d+ x \d+\. Received: .* Lower train\.batch_size"
    ):
        require_memory(model, 100_000_000)
