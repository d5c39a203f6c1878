"""The end of a run on one screen: the verdict, how good, how much data, what ran, what is served, where to look."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

from facesent.core.markdown import block, escaped, table
from facesent.core.paths import Project
from facesent.params import Event, load_params
from facesent.registry.client import EXPORT_LOCAL_STORE, encoded_letters, named_store
from flows import pages

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from facesent.promotion.aliases import Promotion
    from facesent.promotion.canary.report import CanaryReport
    from facesent.promotion.register import Candidate
    from facesent.promotion.settings import Gate
    from facesent.promotion.verdict import Verdict

_Result = TypeVar("_Result")

_MINUTES_WITH_SECONDS = 10


@dataclass(frozen=True)
class Step:
    """One task of the flow.

    Attributes:
        name: of the task.
        outcome: "ran", "cached" or "failed".
        seconds: that it took, waits and repetitions included.
    """

    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Summary:
    """Names and values of the closing table, the sentence that the flow ends with, and where there is more.

    Attributes:
        rows: names and values.
        sentence: the verdict, why, and what came of it.
        places: names, and the addresses or paths that lead there.
        next: commands to try.
        event: what people are told of; None where nothing came of the run.
    """

    rows: dict[str, str]
    sentence: str
    places: dict[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    event: Event | None = None

    def to_markdown(self, steps: Sequence[Step] = ()) -> str:
        """The page of the run, with the steps that it took."""
        outcome, _, reason = self.sentence.partition(". ")
        see = pages.listed(self.places)
        parts = {
            f"# {outcome}": escaped(reason),
            "": table(("the run", ""), self.rows.items()),
            "## Steps": f"{' → '.join(step.name for step in steps)}\n\n{steps_table(steps)}" if steps else "",
            "## More": see,
            "## Next": block(self.next),
        }
        return "\n\n".join(f"{heading}\n\n{text}".strip() for heading, text in parts.items() if text)

    def print(self) -> None:
        """The table on the terminal, with where there is more and what to try next."""
        from rich.console import Console
        from rich.table import Table

        shown = Table(show_header=False, title="facesent-pipeline", title_justify="left")
        for name, value in self.rows.items():
            shown.add_row(name, value)
        console = Console()
        console.print(shown, markup=False)
        # No wrapping or markup: addresses and commands have to survive copy and paste.
        see = [f"{name}: {place}" for name, place in self.places.items()]
        for title, lines in {"See:": see, "Next:": self.next}.items():
            console.print("\n".join([title, *(f"  {line}" for line in lines)]), markup=False, highlight=False,
                          soft_wrap=True)  # fmt: skip


def summarise(
    project: Project, candidate: "Candidate", canary: "CanaryReport", verdict: "Verdict", promotion: "Promotion"
) -> Summary:
    """Put together what ``evaluate`` measured, the canary, the verdict, and what is served now, by whose word."""
    splits: dict[str, Any] = json.loads(project.metrics.read_text(encoding="utf-8"))
    params = load_params(project.params)
    served = "none" if promotion.champion is None else f"version {promotion.champion}"
    rows = {
        "images": f"{sum(split['images'] for split in splits.values()):,}{_quarantined(project)}",
        "splits": ", ".join(f"{name} {split['images']:,}" for name, split in splits.items()),
        "test accuracy": _accuracy(verdict, params.evaluate.confidence_level),
        "against the champion": _gain(verdict, params.gate),
        "canary": _canary(canary),
        "verdict": verdict.outcome,
        "approved by": promotion.approved_by,
        "model version": f"{verdict.candidate} (served: {served})",
    }
    sentence = f"{verdict.outcome}: version {verdict.candidate}. {verdict.reason}"
    # What the gate let pass and is not served all the same has a reason that people want to read first.
    held_back = verdict.outcome == "VALIDATED" and promotion.champion != verdict.candidate
    return Summary(
        rows={name: value for name, value in rows.items() if value},
        sentence=f"{sentence} Not promoted: {promotion.note}" if held_back else sentence,
        places=pages.of_run(project, candidate),
        next=tuple(_next(project, verdict, promotion)),
        event=_event(verdict, promotion),
    )


def _next(project: Project, verdict: "Verdict", promotion: "Promotion") -> Iterator[str]:
    """Commands that would work now."""
    from prefect.settings import Settings

    if verdict.incomparable and promotion.champion != verdict.candidate:
        yield "facesent promote --replace-incomparable"
    yield "dvc dag"
    yield from open_mlflow(project)
    if promotion.champion is not None:
        folder = next((place for place in sorted(project.data.glob("[!.]*")) if place.is_dir()), None)
        yield from ([f"facesent predict {quote(folder.as_posix())}"] if folder else [])
        yield "facesent serve"
    # As it was before the flow started a server for itself.
    if not Settings().api.url:
        yield "prefect server start"


def open_mlflow(project: Project) -> Iterator[str]:
    """The commands that show the runs; none where a server shows them."""
    from facesent.registry.pages import opened_by

    if not opened_by():
        return
    if named_store() is None and encoded_letters(project.root):
        yield EXPORT_LOCAL_STORE
    yield opened_by()


def _event(verdict: "Verdict", promotion: "Promotion") -> Event | None:
    if verdict.outcome != "VALIDATED":
        return "rejected"
    # A person's answer in a terminal promotes by itself, before this run comes to it.
    served = promotion.champion == verdict.candidate
    return "promoted" if promotion.changed or (served and promotion.approved_by) else None


def _accuracy(verdict: "Verdict", level: float) -> str:
    """The gate's, so that what is shown is what was judged."""
    accuracy = verdict.accuracy
    if accuracy is None:
        return ""
    return f"{accuracy.value:.1%} ({level:.0%} interval {accuracy.low:.1%} to {accuracy.high:.1%})"


def _quarantined(project: Project) -> str:
    path = project.validation_summary
    if not path.is_file():
        return ""
    classes = json.loads(path.read_text(encoding="utf-8"))["classes"].values()
    left_out = sum(each["files"] - each["usable"] for each in classes)
    return f" ({left_out:,} more are quarantined)" if left_out else ""


def _gain(verdict: "Verdict", settings: "Gate") -> str:
    """The candidate's gain over the champion, if both were measured; the gate may judge it by another one."""
    from facesent.promotion.verdict import interval_of

    if verdict.comparison is None:
        return ""
    gain = verdict.comparison.macro_recall
    return f"macro recall {100 * gain.estimate:+.1f} points ({interval_of(gain, settings)})"


def _canary(report: "CanaryReport") -> str:
    if not report.passed:
        return f"failed: {report.problems[0]}"
    return f"passed (a photo in {report.latency_p95_ms:.0f} ms, 95th percentile)"


@dataclass
class Steps:
    """The steps that ended, in their order.

    Attributes:
        ended: the steps.
        last: Prefect's state of the last task, which the next one waits for: the arrows of its graph.
    """

    ended: list[Step] = field(default_factory=list)
    last: "State[Any] | None" = None

    @property
    def failed(self) -> str | None:
        """The name of the step that failed, if one did."""
        return next((step.name for step in self.ended if step.outcome == "failed"), None)

    def take(self, name: str, task: Callable[[], _Result]) -> _Result:
        """Run a task and keep how that went; what it returns or raises goes through.

        A task that returns "cached" did not have to run.
        """
        start = time.monotonic()
        outcome = "failed"
        try:
            result = task()
            outcome = "cached" if result == "cached" else "ran"
            return result
        finally:
            self.ended.append(Step(name, outcome, time.monotonic() - start))


def steps_table(steps: Sequence[Step]) -> str:
    """The steps as a markdown table, and what they took together."""
    rows = [(step.name, step.outcome, duration(step.seconds)) for step in steps]
    total = ("all", "", duration(sum(step.seconds for step in steps)))
    return table(("step", "", "time"), [*rows, total])


def duration(seconds: float) -> str:
    """A time as people say it.

    Args:
        seconds: 0 or more.
    """
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < _MINUTES_WITH_SECONDS:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
