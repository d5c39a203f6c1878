"""The space of a sweep: keys of ``params.yaml`` and what they may be, checked before anything is trained."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from facesent.core import nested
from facesent.experiments.effects import LOSS, why_idle
from facesent.experiments.settings import Choice, Metric, Range
from facesent.params import Params
from facesent.section import ParamsError

Value = bool | int | float | str | None
Values = Mapping[str, Value]

# The other sections change the images or the judging, not the training: their values could not be compared.
_SEARCHED = ("model.", "train.")
_DIGITS = 4


def with_values(params: Params, values: Values) -> Params:
    """The settings with ``section.key`` set to each value.

    Raises:
        ParamsError: a key is unknown, or the values are refused, alone or together.
    """
    try:
        return _validated(params, values)
    except ValidationError as error:
        raise ParamsError("\n".join(_explain(item, values) for item in error.errors())) from None


def check_space(params: Params, metric: Metric) -> None:
    """Put each end and choice of ``sweep.space`` into the settings alone; a trial is told what does not go together.

    Args:
        params: all settings.
        metric: what is optimised; a key has to change it, and to leave alone what it means.

    Raises:
        ParamsError: naming every key that cannot be searched.
    """
    space = params.sweep.space
    if not space:
        raise ParamsError("Expected at least one key under sweep.space in params.yaml. Received: none.")
    alone = [f"  {key}: {problem}" for key in space if (problem := _problem(params, key, metric))]
    if alone:
        raise ParamsError("sweep.space is not valid:\n" + "\n".join(alone))


def is_integer(params: Params, key: str) -> bool:
    """Whether ``key`` holds whole numbers."""
    return isinstance(params.flat()[key], int)


def rounded(params: Params, drawn: Values) -> dict[str, Value]:
    """Drawn values with floats of four digits, so that the best ones can be read and copied."""
    return {key: _round(params.sweep.space[key], value) for key, value in drawn.items()}


def present_values(params: Params) -> dict[str, Value] | None:
    """What the searched keys are in the settings; None if the space leaves one of these values out."""
    values = {key: params.flat()[key] for key in params.sweep.space}
    inside = all(_contains(params.sweep.space[key], value) for key, value in values.items())
    return values if inside else None


def _validated(params: Params, values: Values) -> Params:
    return Params.model_validate(nested.with_values(params.nested(), values))


def _problem(params: Params, key: str, metric: Metric) -> str | None:
    """Why a key cannot be searched as it stands, if so."""
    known = [name for name in params.flat() if name.startswith(_SEARCHED)]
    if key not in known:
        near = [name for name in known if name.endswith(f".{key.rpartition('.')[2]}")] or get_close_matches(key, known)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"expected a key of the sections model or train. Received: {key}.{meant}"
    # First: the loss on validation has it, also where the training has not.
    if key in LOSS and metric == "val_loss":
        expected = "expected a key that leaves the loss as it is, because val_loss is optimised"
        return f"{expected}. Received: one that changes it. Leave it out, or optimise val_accuracy"
    if idle := why_idle(params, key):
        expected = f"expected a key that changes {metric} during training"
        return f"{expected}. Received: one that does not, as {idle}. Leave it out"
    setting, now = params.sweep.space[key], params.flat()[key]
    if isinstance(setting, Range) and (isinstance(now, bool) or not isinstance(now, int | float)):
        return f"expected choices, because it holds no number but {now!r}. Received: low and high"
    for value in _probes(setting):
        if not isinstance(value, Value):
            return f"expected choices that are text, numbers, true, false or null. Received: {value!r}"
        if refusal := _refusal(params, key, value):
            return f"{refusal}. Received: {value!r}"
    return None


def _refusal(params: Params, key: str, value: Value) -> str | None:
    """Why the key refuses this value whatever the other keys are."""
    try:
        _validated(params, {key: value})
    except ValidationError as error:
        return next((item["msg"] for item in error.errors() if _key(item) == key), None)
    return None


def _probes(setting: Range | Choice) -> list[Any]:
    return [setting.low, setting.high] if isinstance(setting, Range) else setting.choices


def _contains(setting: Range | Choice, value: Any) -> bool:
    return setting.low <= value <= setting.high if isinstance(setting, Range) else value in setting.choices


def _round(setting: Range | Choice, value: Value) -> Value:
    if not (isinstance(setting, Range) and isinstance(value, float)):
        return value
    shorter = float(f"{value:.{_DIGITS}g}")
    return shorter if setting.low <= shorter <= setting.high else value


def _explain(item: Any, values: Values) -> str:
    """A refusal with the values that led to it: those of the key, or of its section where they disagree."""
    key = _key(item)
    involved = [f"{name}={value}" for name, value in values.items() if name == key or name.startswith(f"{key}.")]
    return f"  {', '.join(involved) or key}: {item['msg']}"


def _key(item: Any) -> str:
    return ".".join(map(str, item["loc"]))
