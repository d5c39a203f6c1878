"""The flow ``facesent-score``: many photos to a folder of answers, one task a shard.

``python -m flows.score SOURCE TARGET`` runs it once; a further run goes on with the shards that are left.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field, PositiveInt

from facesent.core.console import progress_of
from facesent.core.cropping import CROPS, DEFAULT_CROP, Crop
from facesent.core.markdown import table
from facesent.registry.client import prepare
from flows import artifacts
from flows.clusters import LOCAL, task_runner, threads_of
from flows.command import Ready, positive, run_flow
from flows.failures import failed
from flows.killed import mark_crashed, tasks_without_process
from flows.shards import Progress, submit_all

if TYPE_CHECKING:
    from facesent.scoring.plan import ScoringPlan

NAME = "facesent-score"

_JOBS = 2

_HELP = """\
Answer many photos with a version of the model, and write the answers as Parquet into the folder TARGET.

SOURCE is one of these:

  DIR                       every image under it
  FILE.txt                  paths or addresses of photos, one a line
  s3://BUCKET/PREFIX        every image under it (pip install -e '.[s3]'); also gs:// and what else fsspec reaches

The photos are listed once and cut into shards. Each shard is a task, and a file TARGET/shard-00000.parquet with one row
a photo: path, label, confidence, probabilities, box, version, error. A photo that cannot be read has a row with an
error.
"""
_EPILOG = """\
Run the same command again after a kill or a failure, and it goes on: finished shards are kept, others are done again.
The list of photos and the version stay as they were when TARGET was begun, also when another champion is promoted. For
new photos name another TARGET. To do a shard again, delete its file. pandas.read_parquet('TARGET') reads all of them.

On a cluster all machines must see TARGET, and photos that are no addresses, under the same name.

examples:
  python -m flows.score photos answers
  python -m flows.score photos answers --crop largest --jobs 4
  python -m flows.score s3://bucket/photos answers --dask tcp://HOST:8786
"""


@flow(name=NAME, task_runner=task_runner(None, jobs=_JOBS))
def score(
    source: str,
    target: str,
    version: str | None = None,
    crop: Crop | None = None,
    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = None,
    shard_size: PositiveInt | None = None,
    at_once: PositiveInt = _JOBS,
) -> "State[Any]":
    """Answer the photos of a source, and go on where an earlier run of the same target ended.

    Runs in the project's root folder. What is None is as planned for the target, or the default.

    Args:
        source: a folder, a text file of paths, or an address such as ``s3://bucket/photos``.
        target: a folder for the answers.
        version: a number or an alias; by default the champion.
        crop: "largest" to look at the largest face of a photo alone.
        min_confidence: below it the answer is "uncertain"; by default the version's own.
        shard_size: photos a task.
        at_once: shards that the task runner works on at once.
    """
    from facesent.scoring.opening import open_answers, target_folder
    from facesent.scoring.plan import Wanted, alone

    prepare()
    mark_crashed()
    try:
        folder = target_folder(target)
        wanted = Wanted(source, crop=crop, min_confidence=min_confidence, shard_size=shard_size)
        with alone(folder), tasks_without_process():
            with progress_of("Listing", unit="photos") as progress:
                plan = open_answers(folder, wanted, version, progress)
            counts = _score_all(folder, plan, at_once)
        _require_an_answer(counts, target)
    except Exception as error:
        return failed(error)
    artifacts.publish("score", table(("answer", "photos"), _rows(counts)))
    return Completed(message=_sentence(counts, plan, target), data=counts)


def _score_all(target: Path, plan: "ScoringPlan", at_once: int) -> Counter[str]:
    """Do the shards that are left, and count all answers by label."""
    from facesent.scoring.shards import finished, shards_of

    counts, left = Counter[str](), list[int]()
    for shard in shards_of(target, plan):
        if shard.counts is None:
            left.append(shard.number)
        else:
            counts.update(shard.counts)
    progress = Progress(get_run_logger().info, counts.total(), plan.photos)

    def done(number: int) -> None:
        counts.update(finished(target, plan, number))
        progress.tell(counts.total())

    submit_all(target, left, at_once, done)
    return counts


def _rows(counts: Counter[str]) -> list[tuple[str, str]]:
    from facesent.scoring.shards import ERRORS

    return [
        (label if label != ERRORS else "(could not be read)", f"{count:,}") for label, count in counts.most_common()
    ]


def _require_an_answer(counts: Counter[str], target: str) -> None:
    """Refuse a source of which nothing can be read, as a list of wrong paths is.

    Raises:
        ScoringError: if so.
    """
    from facesent.scoring.errors import ScoringError
    from facesent.scoring.shards import ERRORS

    if set(counts) == {ERRORS}:
        raise ScoringError(
            f"Expected photos that can be read. Received: {counts.total():,}, of which none can. The column error in "
            f"{target} says why. Correct the source, and name another target."
        )


def _sentence(counts: Counter[str], plan: "ScoringPlan", target: str) -> str:
    from facesent.scoring.shards import ERRORS

    unread = f"; {counts[ERRORS]:,} could not be read" if counts[ERRORS] else ""
    return f"Version {plan.version} answered {counts.total() - counts[ERRORS]:,} photos{unread}. See {target}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow and say how it ended; the exit status."""
    options = _parser().parse_args(arguments)

    def run(ready: Ready) -> "State[Any]":
        if options.dask is None:
            # While Prefect's temporary server starts.
            import_module("facesent.prediction.classifier")
        elsewhere = options.dask not in (None, LOCAL)
        at_once = threads_of(options.dask) if elsewhere else options.jobs
        ready()
        chosen = score.with_options(task_runner=task_runner(options.dask, options.jobs))
        return chosen(
            options.source, options.target, options.version, options.crop, options.min_confidence, options.shard_size,
            at_once, return_state=True,
        )  # fmt: skip

    status, counts = run_flow(NAME, run, again="Run it again to go on: finished shards are kept.")
    if counts:
        _print(counts, options.target)
    return status


def _confidence(text: str) -> float:
    if not 0 <= (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1. Received: {text}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.score",
        description=_HELP,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="a folder, a text file of paths, or an address")
    parser.add_argument("target", metavar="TARGET", help="a new folder, or one of an earlier run to go on with")
    parser.add_argument("--version", help="a registered version or an alias (default: champion)")
    parser.add_argument(
        "--crop", choices=CROPS, help=f"look at the largest face alone, if one is found (default: {DEFAULT_CROP})"
    )
    parser.add_argument(
        "--min-confidence", type=_confidence, help='say "uncertain" below it (default: the version\'s own)'
    )
    parser.add_argument(
        "--shard-size", type=positive, help="photos a task; what a kill costs at most, times --jobs (default: 1024)"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=_JOBS,
        help="shards at once, on this machine (default: %(default)s: one shard uses all cores, the second fills its "
        "gaps)",
    )
    parser.add_argument(
        "--dask",
        metavar="local|ADDRESS",
        help=f"work in Dask workers: {LOCAL} starts --jobs of them here; tcp://HOST:8786 names the scheduler of a "
        "cluster, which works on as many shards as its workers have threads",
    )
    return parser


def _print(counts: Counter[str], target: str) -> None:
    """The answers on the terminal, and how to read them all."""
    from rich.console import Console
    from rich.table import Table

    shown = Table("answer", "photos", title=NAME, title_justify="left")
    for row in _rows(counts):
        shown.add_row(*row)
    console = Console()
    console.print(shown, markup=False)
    console.print(f"In Python:\n  pandas.read_parquet({target!r})", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
