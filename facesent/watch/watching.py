"""One look at the log: compared, noted and shown."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from facesent.core.files import replaced
from facesent.registry.versions import version_named
from facesent.serving.answers.accuracy import in_service
from facesent.serving.answers.log import opened
from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import versions
from facesent.watch.against_test import against_test
from facesent.watch.cure import labelled
from facesent.watch.hours import answers_of
from facesent.watch.look import DriftStatus, WatchError, accept, look, note
from facesent.watch.page import render, strangest

if TYPE_CHECKING:
    from facesent.params import Params


def watching(params: "Params", page: Path, *, accepting: bool = False) -> DriftStatus:
    """Look at the champion's answers, and write the page.

    Args:
        params: sections ``log``, ``watch``, ``evaluate``, ``gate`` and ``report``.
        page: the HTML file.
        accepting: take the hours so far as usual first.

    Raises:
        WatchError: the champion answered nothing, or too little to accept.
        FacesentError: the log or the registry cannot be asked.
    """
    version = version_named().number
    with opened(params.log) as store:
        labels = _labels(store, version)
        seen = look(store, version, labels, params.watch)
        if accepting:
            accept(seen, params.watch)
            seen = look(store, version, labels, params.watch)
        if seen.since:
            gate = params.gate.confidence_level
            seen = replace(seen, labels=labelled(store, version, seen.since, params.watch.gain, gate))
        note(seen, store.folder)
        served = in_service(store, params.evaluate.confidence_level)
        rows = answers_of(store, version)
        strange = strangest(rows, labels, seen, store.folder, params.report.no_thumbnails)
        tested = against_test(rows, version, labels, params.watch.seed)
    with replaced(page) as draft:
        draft.write_text(render(seen, served, strange, tested, datetime.now(UTC)), encoding="utf-8")
    return seen


def _labels(store: Store, version: int) -> list[str]:
    with store.reading() as connection:
        classes = connection.execute(select(versions.c.classes).where(versions.c.version == version)).scalar()
    if classes is None:
        raise WatchError(f"Expected answers of version {version} in the log. Received: none. Start: facesent serve")
    return list(classes)
