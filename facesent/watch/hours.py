"""The log of answers, hour by hour: what the watch compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import answers

LEAST_ANSWERS = 10
"""Hours with fewer say too little, and are left out."""

_CERTAIN = 1e-3
_COLUMNS = ("id", "time", "label", "confidence", "brightness", "sharpness", "client", "photo")


@dataclass(frozen=True)
class Hours:
    """The means of hours with enough answers, in their order.

    Attributes:
        starts: of the hours, in UTC.
        answers: how many there were in each.
        means: ``(hours, features)``; each client counts once an hour, however much it asked.
        names: of the features.
    """

    starts: Sequence[datetime]
    answers: Sequence[int]
    means: NDArray[np.float64]
    names: Sequence[str]

    def after(self, moment: datetime) -> "Hours":
        """Those that began after ``moment``."""
        kept = [place for place, start in enumerate(self.starts) if start > moment]
        return Hours(
            [self.starts[place] for place in kept],
            [self.answers[place] for place in kept],
            self.means[kept],
            self.names,
        )


def answers_of(store: Store, version: int) -> pd.DataFrame:
    """The answers that a version gave over HTTP, the oldest first.

    Args:
        store: the opened log.
        version: its number.
    """
    chosen = (
        select(*(answers.c[name] for name in _COLUMNS))
        .where(answers.c.version == version, answers.c.source == "server")
        .order_by(answers.c.time)
    )
    with store.reading() as connection:
        rows = pd.DataFrame(connection.execute(chosen).all(), columns=list(_COLUMNS))
    return rows.assign(time=pd.to_datetime(rows["time"], utc=True))


def features(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """What the watch sees of each answer: light, sharpness, certainty, and which label, a column each.

    Args:
        rows: as ``answers_of`` gives them.
        labels: all that count; their shares add up to one, so that the last is left out.
    """
    certain = rows["confidence"].astype(float).clip(_CERTAIN, 1 - _CERTAIN)
    seen = {
        "brightness": rows["brightness"].astype(float),
        "sharpness": np.log1p(rows["sharpness"].astype(float)),
        "certainty": np.log(certain / (1 - certain)),
        **{f"share of {label}": (rows["label"] == label).astype(float) for label in labels[:-1]},
    }
    return pd.DataFrame(seen, index=rows.index)


def finished(rows: pd.DataFrame) -> pd.DataFrame:
    """The answers of hours that are over: the first minutes of one vary more than an hour does.

    Args:
        rows: as ``answers_of`` gives them.
    """
    return rows[rows["time"] < pd.Timestamp.now("UTC").floor("h")]


def hours_of(rows: pd.DataFrame, labels: Sequence[str]) -> Hours:
    """Answers by hour.

    Args:
        rows: as ``answers_of`` gives them.
        labels: the classes of the version.
    """
    seen = features(rows, labels)
    # A version from before the log knew them says nothing of light and sharpness.
    seen = seen.loc[:, seen.notna().any()].fillna(seen.mean())
    hour = rows["time"].dt.floor("h")
    counts = rows.groupby(hour)["id"].size()
    enough = counts[counts >= LEAST_ANSWERS]
    clients = seen.groupby([hour, rows["client"].fillna("")]).mean()
    means = clients.groupby(level=0).mean().loc[enough.index] if len(enough) else seen.iloc[:0]
    return Hours(
        [start.to_pydatetime() for start in enough.index],
        enough.tolist(),
        means.to_numpy(np.float64),
        list(map(str, seen.columns)),
    )
