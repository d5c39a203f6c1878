"""Shards: the photos of one are answered together, into one file that is whole or not there."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from facesent.asking.answers import BATCH, Answer
from facesent.images.reading import ImageError
from facesent.scoring.answers import Row, named_answers
from facesent.scoring.errors import ScoringError
from facesent.scoring.photos import check_source
from facesent.scoring.plan import ScoringPlan, labels_of, model_of, names_of, plan_of
from facesent.scoring.tables import Rows, write_parquet

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

ERRORS = ""
"""Stands for the label of photos that could not be read, in counts."""
_PLAN, _COUNTS = b"facesent.plan", b"facesent.counts"
_loading = Lock()
_ended = set[Path]()


class StoppedError(ScoringError):
    """Nobody wants this shard any more."""


@dataclass(frozen=True)
class Shard:
    """One shard of a folder of answers.

    Attributes:
        number: from 0.
        counts: photos by their answer, those that could not be read under ``ERRORS``; None where it is to be done.
    """

    number: int
    counts: Counter[str] | None


def path_of(target: Path, number: int) -> Path:
    """The file of a shard."""
    return target / f"shard-{number:05d}.parquet"


def shards_of(target: Path, plan: ScoringPlan) -> Iterator[Shard]:
    """All shards, by their files' footers; what is missing, broken, or of another plan is to be done."""
    return (Shard(number, counts_of(target, plan, number)) for number in range(plan.shards))


def counts_of(target: Path, plan: ScoringPlan, number: int) -> Counter[str] | None:
    """The answers of a finished shard, counted by label; None where it is to be done."""
    try:
        footer = pq.read_metadata(path_of(target, number))
        notes = footer.metadata or {}
        if notes.get(_PLAN) != plan.identity.encode() or footer.num_rows != plan.size_of(number):
            return None
        return Counter(json.loads(notes[_COUNTS]))
    except (OSError, pa.ArrowException, ValueError, KeyError):
        return None


def finished(target: Path, plan: ScoringPlan, number: int) -> Counter[str]:
    """The answers of a shard that has just been done, counted by label.

    Raises:
        ScoringError: it is not there, or not whole.
    """
    counts = counts_of(target, plan, number)
    if counts is None:
        raise ScoringError(
            f"Expected {path_of(target, number)} from the worker that did it. Received: no such shard. All machines "
            "must see that folder under the same name."
        )
    return counts


def begin(target: Path) -> None:
    """Let this process score shards of a folder of answers, also where an earlier run in it ended early."""
    _ended.discard(target)


def end(target: Path) -> None:
    """Let the threads of this process give up the shards of a folder of answers: they cannot be interrupted."""
    _ended.add(target)


def score(root: Path, target: Path, number: int, unwanted: Callable[[], bool] = lambda: False) -> None:
    """Answer the photos of a shard and write its file, in one step.

    Args:
        root: the folder that relative paths start from.
        target: the folder of answers, with its plan.
        number: of the shard.
        unwanted: asked between batches whether to give up.

    Raises:
        StoppedError: it was unwanted, or its run ended early.
        ScoringError: there is no plan, the version is not the planned one, or a store or the folder of the photos is
            away.
        NoAnswerError: the network gives no probabilities.
    """
    plan = plan_of(target)
    if plan is None:
        raise ScoringError(
            f"Expected the plan of a run in {target}. Received: none. All machines must see that folder."
        )
    found, names = list[Row](), names_of(target, number)
    with closing(named_answers(_classifier(target, plan), plan.version, names, plan.wish, root=root)) as rows:
        for row in rows:
            found.append(row)
            if len(found) % BATCH == 0 and (target in _ended or unwanted()):
                raise StoppedError(f"Expected answers of shard {number}. Received: the end of its run.")
    if unread := [name for name, answer in found if isinstance(answer, ImageError)]:
        check_source(root, plan.source, unread)
    write(found, target, plan, number)


def write(found: Rows, target: Path, plan: ScoringPlan, number: int) -> None:
    """Write the file of a shard, whole or not at all; its footer says what is in it.

    Args:
        found: the answers, in the order of the plan.
        target: the folder of answers.
        plan: its plan.
        number: of the shard.
    """
    counts = Counter(answer.label if isinstance(answer, Answer) else ERRORS for _, answer in found)
    notes = {_PLAN.decode(): plan.identity, _COUNTS.decode(): json.dumps(counts, sort_keys=True)}
    write_parquet(found, labels_of(target), plan.version, path_of(target, number), notes)


def _classifier(target: Path, plan: ScoringPlan) -> "Classifier":
    """One a process, that its threads share; the first of them loads it."""
    with _loading:
        return _load(target, plan)


@lru_cache(maxsize=1)
def _load(target: Path, plan: ScoringPlan) -> "Classifier":
    from facesent.prediction.classifier import Classifier

    return Classifier.load(*model_of(target, plan))
