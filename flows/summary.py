"""The end of a run in a few lines: how much data, how good, what the gate said, what is served."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from facesent.params import load_params
from facesent.project import Project
from flows.artifacts import table

if TYPE_CHECKING:
    from facesent.promotion import Promotion
    from facesent.registry.gate import Verdict

NEXT_COMMANDS = (
    "dvc dag",
    "mlflow ui",
    "facesent predict PHOTO",
    "mlflow models serve -m models:/facesent@champion --env-manager local",
    "prefect server start",
)


@dataclass(frozen=True)
class Summary:
    """Names and values of the closing table, and the sentence that the flow ends with."""

    rows: dict[str, str]
    sentence: str

    def to_markdown(self) -> str:
        """The sentence and the table."""
        return f"{self.sentence}\n\n{table(self.rows)}"

    def print(self) -> None:
        """The table on the terminal, with what to try next."""
        from rich.console import Console
        from rich.table import Table

        shown = Table(show_header=False, title="facesent-pipeline", title_justify="left")
        for name, value in self.rows.items():
            shown.add_row(name, value)
        console = Console()
        console.print(shown)
        console.print("Next:")
        for command in NEXT_COMMANDS:
            # No wrapping or markup: a command has to survive copy and paste.
            console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def summarise(project: Project, verdict: "Verdict", promotion: "Promotion") -> Summary:
    """Put together what ``evaluate`` measured, the verdict, and what is served now."""
    splits: dict[str, Any] = json.loads(project.metrics.read_text(encoding="utf-8"))
    test = splits["test"]
    level = load_params(project.params).evaluate.confidence_level
    interval = f"{level:.0%} interval {test['accuracy_low']:.1%} to {test['accuracy_high']:.1%}"
    served = "none" if promotion.champion is None else f"version {promotion.champion}"
    return Summary(
        rows={
            "images": f"{sum(split['images'] for split in splits.values()):,}",
            "splits": ", ".join(f"{name} {split['images']:,}" for name, split in splits.items()),
            "test accuracy": f"{test['accuracy']:.1%} ({interval})",
            "verdict": verdict.outcome,
            "model version": f"{verdict.candidate} (served: {served})",
        },
        sentence=f"{verdict.outcome}: version {verdict.candidate}. {verdict.reason}",
    )
