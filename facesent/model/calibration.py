"""Temperature scaling: one number that makes probabilities as sure as they are right, and changes no answer.

Source: Guo et al., On Calibration of Modern Neural Networks, 2017 (arXiv:1706.04599), section 4.2.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from facesent.model.backend import keras

LAYER = "probabilities"
LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(probabilities: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]) -> float:
    """The temperature that is likeliest given held-out images.

    It minimises their summed log loss plus ``log(T)**2 / 2``: a standard normal prior on ``log(T)``, which weighs
    little from a few dozen images on. Without it, images that are all answered right would push the temperature to
    its lower bound and every answer to certainty, however few they are.

    Args:
        probabilities: ``(n, classes)`` at temperature 1.
        targets: ``(n,)`` indices of the true classes.

    Returns:
        A temperature between ``LOWEST`` and ``HIGHEST``; above 1 where the model is too sure of itself.

    Raises:
        ValueError: no images, or probabilities and targets that do not fit together.
    """
    if probabilities.ndim != 2 or not len(targets) or targets.shape != probabilities.shape[:1]:
        raise ValueError(
            "Expected probabilities (n, classes) and targets (n,), n at least 1. "
            f"Received: {probabilities.shape} and {targets.shape}"
        )
    from scipy.optimize import minimize_scalar

    logits = _log(probabilities)
    rows = np.arange(len(targets))

    def surprise(log_temperature: float) -> float:
        answered = _log_softmax(logits / np.exp(log_temperature))
        return float(log_temperature**2 / 2 - answered[rows, targets].sum())

    found = minimize_scalar(
        surprise, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def at_temperature(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """What a softmax would give for its logits divided by ``temperature``.

    That is ``p**(1 / temperature)`` with each row's sum made 1 again. Probabilities at temperature T are taken back
    to 1 by ``at_temperature(probabilities, 1 / T)``.

    Args:
        probabilities: ``(n, classes)`` of a softmax.
        temperature: above 0.

    Raises:
        ValueError: a temperature that is not above 0.
    """
    return np.asarray(np.exp(_log_softmax(_log(probabilities) / _checked(temperature))))


def temperature_of(model: "keras.Model") -> float:
    """The temperature of the model's probabilities; 1 for a network without one."""
    from facesent.model.backend import keras

    variable = _temperature(model)
    return 1.0 if variable is None else float(keras.ops.convert_to_numpy(variable))


def set_temperature(model: "keras.Model", value: float) -> None:
    """Make ``model`` answer at temperature ``value``.

    Raises:
        ValueError: the value is not above 0, or the model has no temperature.
    """
    variable = _temperature(model)
    if variable is None:
        raise ValueError(f"Expected a model whose layer {LAYER!r} has a temperature. Received: {model.name}")
    variable.assign(_checked(value))


def _temperature(model: "keras.Model") -> Any:
    layer = next((layer for layer in model.layers if layer.name == LAYER), None)
    return getattr(layer, "temperature", None)


def _checked(temperature: float) -> float:
    if not 0 < temperature < np.inf:
        raise ValueError(f"Expected a temperature above 0. Received: {temperature}")
    return temperature


def _log(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logarithms, of what float32 rounded to 0 that of its smallest number."""
    return np.asarray(np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny)))


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import log_softmax

    return np.asarray(log_softmax(logits, axis=1))
