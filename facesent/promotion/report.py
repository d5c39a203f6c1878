"""The report with the verdict: what ``evaluate`` stored, and what the gate and the canary found after it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.evaluation.report.content import Report
from facesent.evaluation.report.judgement import DifferenceRow, Judgement, Row
from facesent.evaluation.report.page import render
from facesent.promotion.aliases import Promotion
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.comparison import Comparison
from facesent.promotion.register import Candidate
from facesent.promotion.verdict import Check, Verdict
from facesent.registry import runs
from facesent.registry.artifacts import GATE
from facesent.registry.client import mlflow_answers
from facesent.registry.lineage import CHANGES_TAG, COMMIT_TAG, DATA_TAG, FLOW_RUN_TAG, PRESET_TAG

# Tags of a run, as people read them.
_LINEAGE = {
    PRESET_TAG: "Settings",
    COMMIT_TAG: "Commit",
    CHANGES_TAG: "Code changed since that commit",
    DATA_TAG: "Data (DVC)",
    FLOW_RUN_TAG: "Prefect flow run",
}


@mlflow_answers()
def report(
    project: Project, candidate: Candidate, verdict: Verdict, promotion: Promotion, canary: CanaryReport
) -> Path:
    """Write the judged report and add it to the candidate's run as ``gate/report.html``; returns the file.

    Args:
        project: whose stage ``evaluate`` ran.
        candidate: what the report is about.
        verdict: the gate's.
        promotion: what is served now.
        canary: what the real server gave.

    Raises:
        FacesentError: the stage ``evaluate`` has not run.
    """
    judgement = Judgement(
        outcome=verdict.outcome,
        reason=verdict.reason,
        candidate=verdict.candidate,
        champion=verdict.champion,
        champion_accuracy=verdict.champion_accuracy,
        served=promotion.champion,
        differences=list(_differences(verdict.comparison)) if verdict.comparison else [],
        checks=[_row(check) for check in verdict.checks],
        cost=dict(_cost(canary)),
        problems=list(canary.problems),
        lineage=_lineage(candidate),
        settings=runs.params_of(candidate.run_id),
    )
    page = _write_page(project, judgement)
    runs.log_files(candidate.run_id, [page], GATE)
    return page


def _lineage(candidate: Candidate) -> dict[str, str]:
    """Names and values that lead back to version, run, flow run, commit and data."""
    tags, trained = runs.run_tags(candidate.run_id), runs.when(candidate.run_id)
    return {
        "Version": str(candidate.version),
        "Trained": f"{trained:%Y-%m-%d %H:%M} UTC",
        "MLflow run": candidate.run_id,
        **{name: tags[tag] for tag, name in _LINEAGE.items() if tags.get(tag)},
    }


def _write_page(project: Project, judgement: Judgement) -> Path:
    """Beside the verdict."""
    stored = project.report
    if not stored.is_file():
        raise FacesentError(f"Expected the report of the stage evaluate. Received: no {stored}. Run: dvc repro")
    page = project.judged_page
    page.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = Report.from_json(stored.read_bytes())
    except ValidationError:
        raise FacesentError(
            f"Expected a report of the current format in {stored}. Received: an older one. Run: dvc repro evaluate"
        ) from None
    page.write_text(render(written, judgement), encoding="utf-8")
    return page


def _differences(comparison: Comparison) -> Iterator[DifferenceRow]:
    macro = comparison.macro_recall
    yield DifferenceRow("macro recall", macro.estimate, macro.low, macro.high)
    for label, change in comparison.classes.items():
        yield DifferenceRow(f"recall of {label}", change.estimate, change.low, change.high)


def _row(check: Check) -> Row:
    metric, value, threshold, _, note = check.row()
    return Row(metric, value, threshold, check.passed, note)


def _cost(canary: CanaryReport) -> Iterator[tuple[str, str]]:
    # What a server that cannot serve measures says nothing.
    if canary.passed:
        yield "Time for one photo over HTTP, 95th percentile", f"{canary.latency_p95_ms:.0f} ms"
        yield "Memory of the server", f"{canary.memory_mb:,.0f} MB"
        yield "Size of the version’s files", f"{canary.size_mb:,.1f} MB"
