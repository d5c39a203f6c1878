"""The flow ``facesent-cross-validation``: each fold a task, then what they have in common.

``python -m flows.cross_validation`` runs it once; a further run goes on with the folds that are left.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed

from facesent.core.errors import FacesentError, to_put_right
from facesent.core.paths import Project
from facesent.core.programs import ended_together
from facesent.registry.client import prepare
from flows import artifacts
from flows.clusters import LOCAL, task_runner
from flows.command import Ready, positive, run_flow
from flows.failures import failed
from flows.folds import passed_on, train_fold
from flows.killed import mark_crashed, tasks_without_process
from flows.summary import open_mlflow

if TYPE_CHECKING:
    from rich.console import Console

    from facesent.experiments.cross_validation import PlannedFolds
    from facesent.experiments.summary import FoldsSummary

NAME = "facesent-cross-validation"


class FoldError(FacesentError):
    """Folds failed; the message has what each of them printed last."""


@flow(name=NAME, task_runner=task_runner(None, jobs=1))
def cross_validation(folds: int | None = None) -> "State[Any]":
    """Hold each image of train and val out once, and measure the networks that never saw it.

    Runs in the project's root folder. It completes with mean and deviation as its message, or fails with what failed.

    Args:
        folds: how many; by default ``cross_validation.folds`` of ``params.yaml``.
    """
    from facesent.experiments import cross_validation

    prepare()
    # It imports MLflow.
    from facesent.registry import runs

    mark_crashed()
    project = Project(Path.cwd())
    try:
        planned = cross_validation.plan_folds(project, folds, flow_run=str(flow_run.id))
        with runs.recorded(planned.parent_id):
            train_folds(project, planned)
            summary = cross_validation.conclude(project, planned)
    except Exception as error:
        return failed(error)
    artifacts.publish("cross-validation", artifacts.stage_report(project.cross_validation))
    return Completed(message=summary.sentence, data=summary)


def train_folds(project: Project, planned: "PlannedFolds") -> list[str]:
    """Train each fold as a task of its own; "trained" or "kept" for each.

    Raises:
        FoldError: some failed; the others are finished.
    """
    with tasks_without_process(), ended_together():
        return _outcomes([_submit(project, planned, fold) for fold in range(1, len(planned.fingerprints) + 1)])


def _submit(project: Project, planned: "PlannedFolds", fold: int) -> "PrefectFuture[Any]":
    named = train_fold.with_options(name=f"fold-{fold}", task_run_name=f"fold-{fold}")
    key = planned.fingerprints[fold - 1]
    return named.submit(project.root, planned.folder, fold, key, planned.parent_id, passed_on())


def _outcomes(futures: Sequence["PrefectFuture[Any]"]) -> list[str]:
    """Wait for all: one that fails leaves the others their time."""
    outcomes, failures = list[str](), list[str]()
    for future in futures:
        try:
            outcomes.append(str(future.result()))
        except Exception as error:
            failures.append(to_put_right(error) or str(error) or repr(error))
    if failures:
        raise FoldError(
            f"{len(failures)} of {len(futures)} folds failed; the others are kept for the next run.\n"
            + "\n".join(failures)
        )
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow and say how it ended; the exit status."""
    options = _parser().parse_args(arguments)

    def run(ready: Ready) -> "State[Any]":
        # While Prefect's temporary server starts.
        for module in ("facesent.experiments.cross_validation", "facesent.registry.runs", "sklearn.model_selection"):
            import_module(module)
        ready()
        chosen = cross_validation.with_options(task_runner=task_runner(options.dask, options.jobs))
        return chosen(options.folds, return_state=True)

    status, summary = run_flow(NAME, run, again="Run it again to go on: finished folds and epochs are kept.")
    if summary:
        _print(summary)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.cross_validation",
        description=(
            "Cross-validation: how good are these settings, and how much of that is chance? Divides the images of "
            "train and val into folds, stratified by class; a person is never in two folds. Each fold is held out "
            "once: the next one decides when to stop, and the others are trained on. Test images stay untouched. "
            "Writes outputs/cross_validation/ and one MLflow run per fold, under a run with mean and standard "
            "deviation."
        ),
        epilog=(
            "Run it again after a kill or a failure, and it continues: finished folds are kept, and an interrupted "
            "fold resumes at its last saved epoch. It takes the time and memory of `dvc repro train` for each fold. "
            "On a cluster, all machines must see this folder under the same name and reach the servers that "
            "PREFECT_API_URL and MLFLOW_TRACKING_URI name."
        ),
    )
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those that say how many folds there are and where they are trained."""
    parser.add_argument(
        "--folds", type=int, help="how many, 3 or more (default: cross_validation.folds in params.yaml)"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=1,
        help="folds to train at once on this machine (default: 1, because one training already uses all cores or the "
        "whole GPU; more is faster for a small network on many cores)",
    )
    parser.add_argument(
        "--dask",
        metavar="local|ADDRESS",
        help=f"train in Dask workers: {LOCAL} starts --jobs of them here; tcp://HOST:8786 names the scheduler of a "
        "cluster, whose workers should run one fold each: dask worker tcp://HOST:8786 --nthreads 1",
    )


def show_folds(console: "Console", title: str, summary: "FoldsSummary") -> None:
    """A table of the folds on the terminal."""
    from rich.table import Table

    head, *rows = summary.rows()
    shown = Table(*head, title=title, title_justify="left")
    for row in rows:
        shown.add_row(*row, end_section=row[0] == str(len(summary.folds)))
    console.print(shown, markup=False)


def _print(summary: "FoldsSummary") -> None:
    """The folds, with what to try next."""
    from rich.console import Console

    console = Console()
    show_folds(console, NAME, summary)
    console.print("Next:")
    # Models that tell nothing apart say nothing about labels.
    commonest = max(of_class.support for of_class in summary.pooled.classes.values())
    labels = ["facesent data label-issues"] if summary.pooled.accuracy > commonest / summary.pooled.images else []
    for command in (*open_mlflow(Project()), "cat outputs/cross_validation/summary.md", *labels):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
