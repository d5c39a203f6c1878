"""The values of Keras variables as arrays, copied out and put back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.model.backend import keras

Arrays = list[NDArray[Any]]


def variables_of(model: keras.Model) -> list[Any]:
    """All that a step changes: the model's variables and the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def size_of(variables: list[Any]) -> int:
    """Bytes of the values of Keras variables."""
    return sum(np.prod(variable.shape, dtype=int) * np.dtype(variable.dtype).itemsize for variable in variables)


def snapshot(variables: list[Any], spare: Arrays | None = None) -> Arrays:
    """Copy the values of Keras variables.

    Args:
        variables: of the model and perhaps of its optimizer.
        spare: an earlier copy that nobody needs, whose memory is taken if it fits.
    """
    return copied([_values(variable) for variable in variables], spare)


def restore(variables: list[Any], values: Arrays) -> None:
    """Set Keras variables to what ``snapshot`` gave."""
    for variable, value in zip(variables, values, strict=True):
        # A copy: TensorFlow may take the array's memory as it is, and change it with the next step.
        variable.assign(value.copy())


def copied(values: Arrays, spare: Arrays | None) -> Arrays:
    """Copy arrays, into the memory of an earlier copy if it fits: to get fresh memory takes far longer."""
    if spare is None or [array.shape for array in spare] != [value.shape for value in values]:
        return [np.array(value) for value in values]
    for array, value in zip(spare, values, strict=True):
        np.copyto(array, value, casting="no")
    return spare


def _values(variable: Any) -> NDArray[Any]:
    """Perhaps the backend's own memory, which the next step changes."""
    if keras.backend.backend() == "tensorflow":
        # Its own way to NumPy is a copy in fresh memory.
        return np.asarray(memoryview(variable.value.value()))
    return np.asarray(keras.ops.convert_to_numpy(variable))
