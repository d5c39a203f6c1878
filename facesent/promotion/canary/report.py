"""What a trial of the real server with a registered version gave."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from facesent.core.markdown import escaped, table


@dataclass(frozen=True)
class CanaryReport:
    """A version behind ``mlflow models serve``, asked over HTTP. What was not measured is not a number (NaN).

    Attributes:
        version: the registered version.
        problems: a sentence each; none where the version can be served.
        answered: photos that got an answer of the right form.
        refused: bad inputs that got a client's error, as they have to.
        largest_difference: between a served probability and that of the training's code.
        latency_p95_ms: 95th percentile of the time for one photo.
        size_mb: of the version's files, in 10^6 bytes.
        memory_mb: resident memory of the server after it answered, in 10^6 bytes.
        reused: whether this is the report of an earlier trial.
    """

    version: int
    problems: tuple[str, ...]
    answered: int
    refused: int
    largest_difference: float
    latency_p95_ms: float
    size_mb: float
    memory_mb: float
    reused: bool = False

    @property
    def passed(self) -> bool:
        """Whether the version can be served."""
        return not self.problems

    def to_json(self) -> str:
        """The report as JSON, without ``reused``; null for what was not measured."""
        values = asdict(self)
        del values["reused"]
        finite = {name: None if _is_nan(value) else value for name, value in values.items()}
        return json.dumps(finite, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "CanaryReport":
        """The report that ``to_json`` wrote.

        Raises:
            ValueError: it is none.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            values = {name: math.nan if value is None else value for name, value in values.items()}
            return cls(**{**values, "problems": tuple(values["problems"])})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"Expected a canary's report. Received: {error}") from None

    def to_markdown(self) -> str:
        """The report as a sentence, the problems and a table."""
        when = (
            " This is the report of an earlier trial, because the version is already champion." if self.reused else ""
        )
        head = f"**{'PASSED' if self.passed else 'FAILED'}**: version {self.version} behind the real server.{when}\n\n"
        problems = "".join(f"- {escaped(problem)}\n" for problem in self.problems)
        rows = {
            "photos answered": f"{self.answered}",
            "bad inputs refused": f"{self.refused}",
            "largest difference of a probability": _text(self.largest_difference, ".1e"),
            "one photo, 95th percentile": _text(self.latency_p95_ms, ".1f", " ms"),
            "size of the files": _text(self.size_mb, ".1f", " MB"),
            "memory of the server": _text(self.memory_mb, ".0f", " MB"),
        }
        measured = table(("measure", "value"), rows.items())
        return head + (f"{problems}\n" if problems else "") + measured + "\n"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: float, form: str, unit: str = "") -> str:
    return "not measured" if math.isnan(value) else f"{value:{form}}{unit}"
