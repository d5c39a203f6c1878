"""All settings of ``params.yaml`` together, for commands, flows and the recorder; a stage reads only its own."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from facesent.core.nested import flatten
from facesent.core.paths import Project
from facesent.dataset.settings import Split, Validate
from facesent.evaluation.settings import Evaluate, Reporting, Serve
from facesent.experiments.settings import CrossValidation, Sweep
from facesent.model.settings import Model
from facesent.promotion.settings import Gate
from facesent.section import ParamsError, Section, explained, read_yaml
from facesent.serving.settings import Log, Server
from facesent.training.settings import Train
from facesent.watch.settings import Watch

_ABOUT_SERVING = ("notify", "server", "log", "watch")

Event = Literal["failed", "rejected", "promoted", "waiting", "alarm"]


class Notify(Section):
    """Who is told, and of what.

    Attributes:
        urls: of Apprise (https://github.com/caronc/apprise/wiki); ``${NAME}`` is taken from the environment, so that no
            secret stands in this file.
        events: a run failed, a candidate was rejected or could not be judged, one was promoted, one waits for approval,
            or the answers in service have changed.
    """

    urls: list[str]
    events: list[Event]


class Params(Section):
    """All settings; each section bears the name of the stage or part that reads it."""

    validate_: Validate = Field(alias="validate")
    split: Split
    model: Model
    train: Train
    evaluate: Evaluate
    gate: Gate
    serve: Serve
    server: Server
    log: Log
    watch: Watch
    report: Reporting
    notify: Notify
    cross_validation: CrossValidation
    sweep: Sweep

    def nested(self) -> dict[str, Any]:
        """Sections and keys as in the file."""
        return self.model_dump(by_alias=True)

    def flat(self) -> dict[str, Any]:
        """``section.key`` to value, of what decides about results: not who is told of them, nor how they are served."""
        return flatten({name: section for name, section in self.nested().items() if name not in _ABOUT_SERVING})


def load_params(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        ParamsError: naming every key that is missing, unknown or out of range, or that asks about what is not there.
    """
    raw = read_yaml(path)
    if raw is None:
        raise ParamsError(
            f"Expected the settings in {path}. Received: an empty file. Write some: facesent preset quick"
        )
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        missing = [
            str(item["loc"][0]) for item in error.errors() if item["type"] == "missing" and len(item["loc"]) == 1
        ]
        raise ParamsError(f"{path} is not valid:\n{explained(error, Params)}{_lines_to_add(path, missing)}") from None
    if params.gate.max_slice_gap is not None and not params.evaluate.slices:
        raise ParamsError(
            f"Expected columns of metadata.csv in evaluate.slices of {path}, because gate.max_slice_gap needs them. "
            "Received: none. Name some, or set gate.max_slice_gap: null."
        )
    return params


def _lines_to_add(path: Path, sections: list[str]) -> str:
    """The missing sections as the preset quick has them."""
    try:
        lines = (Project(path.parent).presets / "quick.yaml").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = []
    for name in sections:
        if f"{name}:" in (heads := [line.split(" ")[0] for line in lines]):
            start = heads.index(f"{name}:")
            end = next((row for row in range(start + 1, len(lines)) if lines[row][:1].strip()), len(lines))
            found += [line for line in lines[start:end] if line.strip()]
    return "\nAdd these lines, or others:\n" + "\n".join(found) if found else ""
