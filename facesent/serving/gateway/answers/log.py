"""The log's writer: answers are handed over in a moment, and a thread puts them into the database."""

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import Any
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from .. import metrics
from ..settings import LogSettings
from .rows import AnsweredRequest, drop_photos, know_version, rows_of
from .store import AnswersError, Store, reason
from .tables import answers

_log = logging.getLogger(__name__)

_BATCH_ROWS = 500
# Answers of so long share a transaction.
_TURN_SECONDS = 0.1
_IDLE_SECONDS = 5.0
_LEAST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 1.0, 30.0
_FORGET_SECONDS = 3600.0
# Of photos that wait to be written; more answers are written without theirs.
_MAX_PHOTO_BYTES = 128_000_000


class AnswerLog:
    """Takes answers from the thread that serves, and writes them in another; it never raises and never waits.

    Args:
        settings: what is kept.
        opened: opens the database; called in the writer's thread, again after a failure.
    """

    def __init__(self, settings: LogSettings, opened: Callable[[], Store]) -> None:
        self._settings, self._opened = settings, opened
        self._queue: Queue[AnsweredRequest] = Queue()
        self._lock = Lock()
        self._rows = self._photo_bytes = 0
        self._store: Store | None = None
        self._folder: Path | None = None
        self._known: set[int] = set()
        self._classes: tuple[str, ...] = ()
        self._failed = self._full = False
        self._left_out = False
        self._forget_at = 0.0
        self._closing = Event()
        # Shown from the beginning, as what a rule counts has to be.
        for what in ("answer", "photo"):
            metrics.log_dropped.labels(what)
        self._thread = Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def learn(self, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Note the classes of the version from answers about all of them, as its trial's are."""
        for prediction in predictions:
            if len(prediction.get("probabilities", ())) > len(self._classes):
                self._classes = tuple(prediction["probabilities"])

    def put(self, answered: AnsweredRequest) -> tuple[str, ...]:
        """Hand over the answers of a request; their ids, none if they were dropped as too many wait."""
        rows = len(answered.predictions)
        wanted = self._settings.photos or self._settings.embeddings
        photos = answered.photos if wanted else ()
        size = sum(len(photo) for photo in photos if isinstance(photo, str))
        with self._lock:
            if self._rows + rows > self._settings.queue:
                metrics.log_dropped.labels("answer").inc(rows)
                self._say_full()
                return ()
            if self._photo_bytes + size > _MAX_PHOTO_BYTES:
                metrics.log_dropped.labels("photo").inc(len(photos))
                photos, size = (), 0
            self._rows += rows
            self._photo_bytes += size
        ids = tuple(uuid4().hex for _ in range(rows))
        self._queue.put(replace(answered, photos=photos, ids=ids))
        return ids

    def close(self, seconds: float) -> None:
        """Write what waits, for at most so long."""
        self._closing.set()
        self._queue.put(AnsweredRequest(predictions=()))
        self._thread.join(seconds)

    def _work(self) -> None:
        pause = _LEAST_PAUSE_SECONDS
        # At first the database is opened, so that what is wrong with it is said before there are answers.
        batch: list[AnsweredRequest] = []
        while True:
            try:
                self._turn(batch)
            except (DatabaseError, AnswersError, OSError) as error:
                self._fail(error)
                if self._closing.wait(pause):
                    self._drop_all(batch)
                    return
                pause = min(2 * pause, _MOST_PAUSE_SECONDS)
                continue
            self._say_works()
            pause = _LEAST_PAUSE_SECONDS
            if self._closing.is_set() and self._queue.empty():
                return
            batch = self._next_batch()

    def _next_batch(self) -> list[AnsweredRequest]:
        """What waits; nothing after a while without answers."""
        try:
            batch = [self._queue.get(timeout=_IDLE_SECONDS)]
        except Empty:
            return []
        self._closing.wait(_TURN_SECONDS)
        rows = len(batch[0].predictions)
        while rows < _BATCH_ROWS:
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
            rows += len(batch[-1].predictions)
        return batch

    def _turn(self, batch: list[AnsweredRequest]) -> None:
        if self._store is None:
            self._store, self._known = self._opened(), set()
            self._folder = self._store.folder
        if batch:
            self._write(self._store, batch)
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET_SECONDS
            self._clean(self._store)

    def _clean(self, store: Store) -> None:
        """Delete what is too old; a failure keeps no answer from being written."""
        try:
            store.forget_older(self._settings.keep_days)
        # SQLite's own is of a statement that goes around SQLAlchemy.
        except (DatabaseError, sqlite3.Error, OSError) as error:
            metrics.log_failures.inc()
            _log.error("What is too old stays in the log of answers for another hour: %s", _why(error))

    def _write(self, store: Store, batch: list[AnsweredRequest]) -> None:
        """Write a batch, which is empty then; what fails and may pass stays in it, to be tried again.

        What can never be written is dropped.
        """
        try:
            self._insert(store, batch)
        except Exception as error:
            if _may_pass(error):
                raise
            if len(batch) > 1:
                # What is written is not tried again, whatever comes of those after it.
                while batch:
                    self._write(store, batch[:1])
                    del batch[0]
                return
            self._leave_out(store, batch[0], error)
        self._release(batch)
        batch.clear()

    def _leave_out(self, store: Store, answered: AnsweredRequest, error: Exception) -> None:
        # Its rows are there already, if nothing but the database's word of that was lost.
        if not isinstance(error, IntegrityError):
            drop_photos(store.folder, answered.ids)
        metrics.log_dropped.labels("answer").inc(len(answered.predictions))
        if not self._left_out:
            self._left_out = True
            # Without the message, which may quote the answer.
            _log.error("An answer cannot be logged and is left out, like others of its kind: %s.", type(error).__name__)

    def _insert(self, store: Store, batch: list[AnsweredRequest]) -> None:
        rows = [row for answered in batch for row in rows_of(answered, self._settings, store.folder)]
        new = {row["version"]: row["probabilities"] for row in rows if row["version"] not in self._known}
        with store.writing() as connection:
            for version, probabilities in new.items():
                know_version(connection, version, self._classes or tuple(probabilities))
            if rows:
                connection.execute(insert(answers), rows)
        self._known.update(new)

    def _release(self, batch: list[AnsweredRequest]) -> None:
        with self._lock:
            for answered in batch:
                self._rows -= len(answered.predictions)
                self._photo_bytes -= sum(len(photo) for photo in answered.photos if isinstance(photo, str))
            self._full &= 2 * self._rows > self._settings.queue

    def _drop_all(self, batch: list[AnsweredRequest]) -> None:
        if self._folder:
            drop_photos(self._folder, chain.from_iterable(answered.ids for answered in batch))
        while not self._queue.empty():
            batch.append(self._queue.get_nowait())
        metrics.log_dropped.labels("answer").inc(sum(len(answered.predictions) for answered in batch))

    def _fail(self, error: Exception) -> None:
        """Count a failure, say the first one, and open the database anew next time."""
        if self._store:
            self._store.close()
            self._store = None
        metrics.log_failures.inc()
        if not self._failed:
            self._failed = True
            _log.error("The log of answers cannot be written; trying again: %s", _why(error))

    def _say_full(self) -> None:
        if not self._full:
            self._full = True
            _log.error("%d answers wait to be logged, as many as log.queue; further ones are dropped.", self._rows)

    def _say_works(self) -> None:
        if self._failed:
            self._failed = False
            _log.warning("The log of answers can be written again.")


def _why(error: Exception) -> str:
    return reason(error) if isinstance(error, DatabaseError) else str(error)


def _may_pass(error: Exception) -> bool:
    """Whether a write may succeed later: the database or its disk refused, and not what was written."""
    unfit = isinstance(error, DataError | IntegrityError | ProgrammingError)
    return isinstance(error, DatabaseError | OSError) and not unfit
