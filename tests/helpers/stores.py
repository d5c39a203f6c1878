"""What a project has in its databases, made and read in full."""

import math
from typing import Any

from mlflow.tracking import MlflowClient
from sqlalchemy import JSON, MetaData, Text, cast, create_engine, select

from facesent.registry import runs
from facesent.registry.schema import table_names
from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.log import AnswerLog
from facesent.serving.gateway.answers.rows import AnsweredRequest
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, Store
from facesent.serving.gateway.answers.tables import metadata
from tests.helpers import promoters
from tests.helpers.answering import KEPT

ANSWER = {"label": "Happy", "confidence": 0.75, "probabilities": {"Happy": 0.75, "Sad": 0.25}, "version": 2}
_LONG = 2500


def fill_mlflow() -> str:
    """Runs with children, curves, odd metrics, images and files; versions, aliases and two promotions; a run's id."""
    parent = runs.begin(
        "3 folds", {"train.epochs": 2, "model.blocks": "[{'filters': 8}, {'filters': 16}]"}, fingerprint="a"
    )
    for fold in range(3):
        child = runs.begin(f"fold {fold}", {"fold": fold}, fingerprint=f"fold {fold}", parent=parent)
        runs.log_history(child, [{"val_loss": 1 / (epoch + 1)} for epoch in range(4)])
        runs.finish(child, {"recall/Ängste": 0.5, "none": math.nan, "most": math.inf})
    runs.log_bytes(parent, "summary.md", "1 ± 0".encode())
    MlflowClient().log_batch(parent, metrics=[_metric(step) for step in range(_LONG)])
    promoters.make_versions(3)
    promoters.promote(1)
    promoters.promote(2)
    runs.finish(parent)
    return parent


def fill_answers() -> None:
    """Answers, of which one has a box and another a correction that waits."""
    log = AnswerLog(KEPT, lambda: Store(DEFAULT_ADDRESS))
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    seen = {"embedding": [0.5, -2.0], "brightness": 1.5}
    ids = [
        *log.put(AnsweredRequest([ANSWER, {**ANSWER, "box": box}], ["eA==", "eA=="], [seen, seen], subject="p-7")),
        *log.put(AnsweredRequest([ANSWER], client="10.0.0.1")),
    ]
    log.close(30)
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        correct(connection, Correction(ids[0], "Sad", "weint"), "client")
    store.close()


def rows_in(address: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a database, by table, in an order of their own."""
    engine = create_engine(address)
    found = MetaData()
    found.reflect(engine, only=lambda name, _: name in (*table_names(), *metadata.tables))
    with engine.connect() as connection:
        rows = {}
        for name, table in found.tables.items():
            # The log knows the zone of its times.
            table = metadata.tables.get(name, table)
            columns = sorted(table.columns, key=lambda column: column.name)
            plain = [cast(each, Text) if isinstance(each.type, JSON) else each for each in columns]
            rows[name] = sorted(map(tuple, connection.execute(select(*plain))), key=repr)
    engine.dispose()
    return rows


def _metric(step: int) -> Any:
    from mlflow.entities import Metric

    return Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step)
