"""The watch as one HTML file: answers and sums over time, and the answers that are strangest."""

import base64
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from facesent.evaluation.report.charts import Axis
from facesent.evaluation.report.formats import FILTERS
from facesent.serving.answers.accuracy import InService
from facesent.watch.against_test import AgainstTest
from facesent.watch.hours import features
from facesent.watch.look import DriftStatus

STRANGEST = 12
_WIDTH, _HEIGHT = 480.0, 140.0


def strangest(
    rows: pd.DataFrame, labels: Sequence[str], look: DriftStatus, folder: Path, hidden: Sequence[str]
) -> list[dict[str, object]]:
    """The answers farthest from the baseline since it was accepted, with their photos where they are kept.

    Args:
        rows: of the log.
        labels: the classes of the version.
        look: what was seen.
        folder: of the kept photos.
        hidden: labels of which no photo is shown.
    """
    if look.baseline is None:
        return []
    recent = rows[rows["time"] > look.baseline.until]
    seen = features(recent, labels)[list(look.baseline.names)]
    seen = seen.fillna(seen.mean())
    distances = look.baseline.alarm.normal.lengths(seen.to_numpy(float))
    chosen = recent.assign(distance=distances).sort_values("distance", ascending=False, kind="stable").head(STRANGEST)
    return [
        {
            **{str(name): value for name, value in row.items()},
            "picture": None if _is_hidden(str(row["label"]), labels, hidden) else _picture(folder, row["photo"]),
        }
        for row in chosen.to_dict("records")
    ]


def _is_hidden(label: str, labels: Sequence[str], hidden: Sequence[str]) -> bool:
    """Also where the answer names no class: the photo may be of any."""
    return label in hidden or (bool(hidden) and label not in labels)


def render(
    look: DriftStatus,
    versions: Sequence[InService],
    strange: Sequence[dict[str, object]],
    tested: AgainstTest | None,
    made: datetime,
) -> str:
    """The page.

    Args:
        look: what was seen.
        versions: in service, the newest first.
        strange: the strangest answers.
        tested: how photos in service differ from the test set; None where that is not known.
        made: when.
    """
    environment = Environment(
        loader=PackageLoader("facesent.watch"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= FILTERS
    style = (Path(__file__).parents[1] / "evaluation" / "report" / "templates" / "style.css").read_text()
    since = look.hours.after(look.baseline.until).starts if look.baseline else []
    threshold = look.baseline.alarm.threshold if look.baseline else 0.0
    return environment.get_template("watch.html.j2").render(
        look=look, versions=versions, strange=strange, tested=tested, made=made, style=style,
        width=_WIDTH, height=_HEIGHT,
        answered=_line(look.hours.starts, list(map(float, look.hours.answers)), 0.0),
        sums=_line(since, list(look.sums), threshold), threshold=threshold,
        features=[
            (name, _line(look.hours.starts, look.hours.means[:, place].tolist(), None))
            for place, name in enumerate(look.hours.names)
        ],
    )  # fmt: skip


def _line(times: Sequence[datetime], values: Sequence[float], least_high: float | None) -> dict[str, object] | None:
    """The places of a line over time; it begins at 0 where ``least_high`` says what must be within it."""
    if len(times) < 2:
        return None
    low = min(values) if least_high is None else 0.0
    high = max(*values, least_high or low) * (1.05 if least_high is not None else 1.0)
    seconds = [time.timestamp() for time in times]
    x = Axis(seconds[0], seconds[-1], 48.0, _WIDTH - 8, ())
    y = Axis(low, high if high > low else low + 1, _HEIGHT - 24, 8.0, ())
    points = " ".join(f"{x.at(second)},{y.at(value)}" for second, value in zip(seconds, values, strict=True))
    return {"points": points, "x": x, "y": y, "first": times[0], "last": times[-1]}


def _picture(folder: Path, name: object) -> str | None:
    path = folder / str(name)
    if not isinstance(name, str) or not path.is_file():
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
