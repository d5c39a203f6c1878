"""The flow ``facesent-distillation``: teachers on folds of the training images, each a task.

``python -m flows.distillation`` runs it once; a further run goes on with the teachers that are left.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from facesent.core.paths import Project
from facesent.registry.client import prepare
from flows import artifacts
from flows.clusters import task_runner
from flows.command import Ready, run_flow
from flows.cross_validation import add_options, show_folds, train_folds
from flows.failures import failed
from flows.killed import mark_crashed

if TYPE_CHECKING:
    from facesent.experiments.distillation import SoftTargets

NAME = "facesent-distillation"

_HELP = """\
Train teachers for distillation. Divides the images of train into folds, stratified by class; a person is never in two
folds. For each fold, one teacher is trained without it: the next fold decides when to stop, and the others are trained
on. soft_targets.csv then has the out-of-fold probabilities of each image. Images of val and test are not used.

It prints the settings for the student, or writes them with --apply. `dvc repro` then trains the student on the labels
and these probabilities. The teachers use the settings in params.yaml; the student may have another preset.

Writes outputs/distillation/ and one MLflow run per teacher, under a run with mean and standard deviation. Each teacher
takes the time and memory of `dvc repro train`. On a cluster, all machines must see this folder under the same name and
reach the servers that PREFECT_API_URL and MLFLOW_TRACKING_URI name.
"""
_EPILOG = """\
Run it again after a kill or a failure, and it continues. If the training images, their labels or groups change, run
`dvc repro split`, then this again: training refuses soft targets of other images or labels.

examples:
  python -m flows.distillation            train the teachers and write soft_targets.csv
  python -m flows.distillation --apply    also write the settings into params.yaml
"""


@flow(name=NAME, task_runner=task_runner(None, jobs=1))
def distillation(folds: int | None = None, apply: bool = False) -> "State[Any]":
    """Train the teachers, and write their out-of-fold probabilities of the images of train.

    Runs in the project's root folder. It completes with what was written, or fails with what failed.

    Args:
        folds: how many; by default ``cross_validation.folds`` of ``params.yaml``.
        apply: write the settings that learn from it into ``params.yaml``.
    """
    from facesent.experiments import distillation
    from facesent.presets import write_values

    prepare()
    # It imports MLflow.
    from facesent.registry import runs

    mark_crashed()
    project = Project(Path.cwd())
    try:
        planned = distillation.plan_teachers(project, folds, flow_run=str(flow_run.id))
        with runs.recorded(planned.parent_id):
            train_folds(project, planned)
            found = distillation.conclude(project, planned)
        if apply:
            write_values(project.params, found.values, project.params)
    except Exception as error:
        return failed(error)
    artifacts.publish("distillation", artifacts.stage_report(project.distillation))
    return Completed(message=_sentence(found), data=found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow and say how it ended; the exit status."""
    options = _parser().parse_args(arguments)

    def run(ready: Ready) -> "State[Any]":
        # While Prefect's temporary server starts.
        for module in ("facesent.experiments.distillation", "facesent.registry.runs", "sklearn.model_selection"):
            import_module(module)
        ready()
        chosen = distillation.with_options(task_runner=task_runner(options.dask, options.jobs))
        return chosen(options.folds, options.apply, return_state=True)

    status, found = run_flow(NAME, run, again="Run it again to go on: finished teachers and epochs are kept.")
    if found:
        _print(found, applied=options.apply)
    return status


def _sentence(found: "SoftTargets") -> str:
    return f"soft targets of {found.images} images. Teachers on held-out images, {found.summary.sentence}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.distillation",
        description=_HELP,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--apply", action="store_true", help="write the settings into params.yaml")
    return parser


def _print(found: "SoftTargets", *, applied: bool) -> None:
    from rich.console import Console

    console = Console()
    show_folds(console, NAME, found.summary)
    console.print(f"Wrote {Project().soft_targets}: {_sentence(found)}.", highlight=False, soft_wrap=True)
    if applied:
        console.print("params.yaml now names this file and its SHA-256.")
    else:
        console.print("Write these lines into params.yaml, under train.distillation:")
        for key, value in found.values.items():
            console.print(f"  {key.rpartition('.')[2]}: {value}", markup=False, highlight=False, soft_wrap=True)
    console.print("Next:")
    # Committed before the training: its run names the commit, which has what it learns from.
    for command in ("git add soft_targets.csv params.yaml && git commit -m 'Soft targets'", "dvc repro"):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
