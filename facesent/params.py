"""All settings together, as ``params.yaml`` holds them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from facesent.core.errors import FacesentError
from facesent.dataset.settings import Split, Validate
from facesent.evaluation.settings import Evaluate, Report, Serve
from facesent.experiments.settings import CrossValidation, Sweep
from facesent.model.settings import Model
from facesent.promotion.settings import Gate
from facesent.section import Section
from facesent.training.settings import Train

Event = Literal["failed", "rejected", "promoted", "waiting"]


class Notify(Section):
    """Who is told, and of what.

    Attributes:
        urls: of Apprise (https://github.com/caronc/apprise/wiki); ``${NAME}`` is taken from the environment, so that no
            secret stands in this file.
        events: a run failed, a candidate was rejected or could not be judged, one was promoted, one waits for approval.
    """

    urls: list[str]
    events: list[Event]


class ParamsError(FacesentError):
    """``params.yaml`` is missing, is not YAML, or holds a key or a value that is not understood."""


class Params(Section):
    """All settings; each section bears the name of the stage or part that reads it."""

    validate_: Validate = Field(alias="validate")
    split: Split
    model: Model
    train: Train
    evaluate: Evaluate
    gate: Gate
    serve: Serve
    report: Report
    notify: Notify
    cross_validation: CrossValidation
    sweep: Sweep

    def nested(self) -> dict[str, Any]:
        """Sections and keys as in the file."""
        return self.model_dump(by_alias=True)

    def flat(self) -> dict[str, Any]:
        """``section.key`` to value, of what decides about results: who is told of them is not for every run to show."""
        return _flatten({name: section for name, section in self.nested().items() if name != "notify"})


def load_params(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        ParamsError: naming every key that is missing, unknown or out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"Expected the settings in {path}. Received: no such file. Run this in the project's root folder."
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"Expected YAML in {path}. Received: {error}") from None
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = "\n".join(_explain(item["loc"], item["msg"], item["input"]) for item in error.errors())
        raise ParamsError(f"{path} is not valid:\n{problems}") from None


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _explain(location: tuple[int | str, ...], message: str, received: object) -> str:
    key = ".".join(map(str, location)) or "(the file)"
    return f"  {key}: {message}. Received: {received!r:.80}"
