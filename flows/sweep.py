"""The flow ``facesent-sweep``: trials of the settings under ``sweep`` in ``params.yaml``, one task a trial.

``python -m flows.sweep`` runs it once, here.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from facesent.core.paths import Project
from facesent.experiments.settings import METRICS, Metric
from facesent.experiments.space import check_space
from facesent.experiments.trial_process import TrialFailedError
from facesent.params import Params, load_params
from facesent.registry.client import prepare
from facesent.section import ParamsError
from flows import artifacts, tasks
from flows.command import Ready, positive, run_flow
from flows.failures import failed
from flows.killed import mark_crashed, tasks_without_process

if TYPE_CHECKING:
    from optuna.trial import Trial

    from facesent.experiments.sweep import Ended, OpenSweep
    from facesent.experiments.sweep_results import SweepResults

NAME = "facesent-sweep"
_METRIC: Metric = "val_accuracy"

# What fails three times in a row is rarely the drawn values' fault.
_MOST_FAILURES = 3

_HELP = """\
Search for better settings in params.yaml with Optuna: try values, train, and stop trials that do worse than the median.

The section `sweep` of params.yaml defines the search:

  sweep:
    trials: 20                # trainings in all
    warmup_epochs: 5          # of a trial before it can be ended
    seed: 7
    space:                    # keys of model and train
      train.optimizer.learning_rate: {low: 0.0001, high: 0.003, log: true}
      train.batch_size: {choices: [16, 32, 64]}

The first trial is params.yaml as it is, if the space holds its values. Trials are compared on the validation split;
the test split is not read.
Run this again to continue an interrupted sweep. A different space, different data, or other settings of model and
train start a new sweep. outputs/sweep/ then holds best.yaml, trials.csv, importance.png and history.png.
"""
_EPILOG = """\
examples:
  python -m flows.sweep                      what params.yaml says
  python -m flows.sweep --trials 40          continue until 40 trials are finished
  python -m flows.sweep --apply              and write the best values into params.yaml; next: dvc repro
  mlflow ui                                  the trials, nested under the sweep's run
"""


@flow(name=NAME)
def sweep(trials: int | None = None, metric: Metric = _METRIC, apply: bool = False) -> "State[Any]":
    """Run the trials that are missing, and show what they found.

    Args:
        trials: how many in all; by default what ``params.yaml`` says.
        metric: what is optimised, on the validation split.
        apply: write the best values into ``params.yaml``.
    """
    prepare()
    mark_crashed()
    project = Project()
    try:
        with tasks_without_process():
            results = _search(project, _params(project, trials, metric), metric)
        if apply:
            _apply(project, results)
    except Exception as error:
        return failed(error)
    artifacts.publish("sweep", results.to_markdown())
    return Completed(message=results.sentence, data=results)


@task(cache_policy=NO_CACHE)
def run_trial(sweep: "OpenSweep", trial: "Trial") -> "Ended":
    """Train one trial in a process of its own, until its training or the pruner ends it."""
    logger = get_run_logger()
    ended = sweep.run(trial, logger.info)
    logger.info("trial %d: %s after %d epochs", ended.number, ended.state, ended.epochs)
    artifacts.publish(f"trial-{trial.number}", artifacts.table({**sweep.values(trial), **vars(ended)}))
    return ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow and say how it ended; the exit status."""
    options = _parser().parse_args(arguments)

    def run(ready: Ready) -> "State[Any]":
        _params(Project(), options.trials, options.metric)  # before Prefect's server takes its seconds
        ready()
        return sweep(options.trials, options.metric, options.apply, return_state=True)

    status, results = run_flow(NAME, run, again="Run it again to go on: finished trials and epochs are kept.")
    if results:
        _print(results, _same_search(options), applied=options.apply)
    return status


def _params(project: Project, trials: int | None, metric: Metric) -> Params:
    params = load_params(project.params)
    if trials is not None:
        params = params.model_copy(update={"sweep": params.sweep.model_copy(update={"trials": trials})})
    check_space(params, metric)
    return params


def _search(project: Project, params: Params, metric: Metric) -> "SweepResults":
    from facesent.experiments import sweep_results
    from facesent.experiments.sweep import sweeping
    from facesent.registry.lineage import FLOW_RUN_TAG

    tasks.run_stage.with_options(name="split", task_run_name="split")("split", project)
    with sweeping(project, params, metric, {FLOW_RUN_TAG: str(flow_run.id)}) as opened:
        _run_missing(opened)
        return sweep_results.finish(opened)


def _run_missing(opened: "OpenSweep") -> None:
    failures = 0
    # One that failed is tried anew with other values.
    while opened.missing:
        trial = opened.next_trial()
        name = f"trial-{trial.number}"
        try:
            run_trial.with_options(name=name, task_run_name=name)(opened, trial)
            failures = 0
        except (TrialFailedError, ParamsError):
            # A space may hold values that do not fit into memory; the other trials are worth having all the same.
            failures += 1
            if failures == _MOST_FAILURES:
                raise


def _apply(project: Project, results: "SweepResults") -> None:
    from facesent.presets import write_values

    write_values(project.params, results.best, project.params)


def _same_search(options: argparse.Namespace) -> str:
    """The command that finds these trials again: another metric is another search."""
    trials = "" if options.trials is None else f" --trials {options.trials}"
    metric = "" if options.metric == _METRIC else f" --metric {options.metric}"
    return f"python -m flows.sweep{trials}{metric}"


def _print(results: "SweepResults", search: str, *, applied: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    header, *rows = results.shown()
    shown = Table(*header, title=f"{NAME}: {results.sentence}", title_justify="left")
    for row in rows:
        shown.add_row(*row)
    console = Console()
    console.print(shown, markup=False)
    console.print("Written: " + ", ".join(map(str, results.files)), highlight=False, soft_wrap=True)
    console.print("params.yaml holds the best values now. Next:" if applied else "Next:")
    # DVC's experiments are commits.
    tried = [results.command] if Path(".git").exists() else []
    for command in ("dvc repro",) if applied else (*tried, f"{search} --apply && dvc repro"):
        # No wrapping or markup: a command has to survive copy and paste.
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m flows.sweep", description=_HELP, epilog=_EPILOG, formatter_class=as_written
    )
    parser.add_argument("--trials", type=positive, help="finished trials in all; by default sweep.trials")
    parser.add_argument("--metric", choices=METRICS, default=_METRIC, help="of the best epoch; by default %(default)s")
    parser.add_argument("--apply", action="store_true", help="write the best values into params.yaml")
    return parser


if __name__ == "__main__":
    sys.exit(main())
