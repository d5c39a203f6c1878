import csv
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.core.errors import DataError
from facesent.labels.issues import PredictionsError
from facesent.labels.queue import Queued, write_queue
from facesent.labels.relabel import relabel

COLOURS = {
    "Happy/1.png": (255, 0, 0),
    "Happy/2.png": (0, 255, 0),
    "Sad/3.png": (0, 0, 255),
    "Ahegao/4.png": (255, 255, 0),
}


@pytest.fixture
def data(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of one colour each, two a class."""
    monkeypatch.chdir(tmp_path)
    for name, colour in COLOURS.items():
        for file in (Path("data", name), Path("data", name).with_name("other.png")):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), colour).save(file)
    return Path("data")


def issues() -> pd.DataFrame:
    """An issue for each image of ``COLOURS``, in their order."""
    names = list(COLOURS)
    given = [name.split("/")[0] for name in names]
    other = ["Sad", "Angry", "Happy", "Sad"]
    return pd.DataFrame(
        {
            "file_name": names, "given": given, "suggested": other, "confidence": [0.98766, 0.9, 0.8, 0.7],
            "self_confidence": [0.01, 0.02, 0.03, 0.04],
        }
    )  # fmt: skip


def write(data: Path, found: pd.DataFrame | None = None, *, limit: int = 10, hidden: tuple[str, ...] = ()) -> Queued:
    return write_queue(issues() if found is None else found, data, Path("out"), limit=limit, hidden=hidden)


def rows(queued: Queued) -> list[dict[str, str]]:
    with queued.file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def decide(queued: Queued, file_name: str, decision: str) -> None:
    table = pd.read_csv(queued.file, dtype=str, keep_default_na=False)
    table.loc[table["file_name"] == file_name, "decision"] = decision
    table.to_csv(queued.file, index=False)


def colours(page: Path) -> set[tuple[int, ...]]:
    """The colours of ``COLOURS`` that are on the page."""
    on_page = np.unique(np.asarray(Image.open(page).convert("RGB")).reshape(-1, 3), axis=0)
    return {tuple(colour) for colour in on_page.tolist()} & set(COLOURS.values())


def test_the_queue_has_all_that_a_person_and_relabel_need(data: Path) -> None:
    queued = write(data)
    assert rows(queued)[0] == {
        "number": "1",
        "file_name": "Happy/1.png",
        "given": "Happy",
        "suggested": "Sad",
        "confidence": "0.9877",
        "self_confidence": "0.01",
        "decision": "",
        "sha256": hashlib.sha256((data / "Happy/1.png").read_bytes()).hexdigest(),
    }
    assert [row["number"] for row in rows(queued)] == ["1", "2", "3", "4"]
    assert colours(queued.pages[0]) == set(COLOURS.values())


def test_no_picture_of_a_hidden_class_is_shown_be_it_given_or_suggested(data: Path) -> None:
    queued = write(data, hidden=("Ahegao", "Angry"))
    assert len(rows(queued)) == 4
    assert colours(queued.pages[0]) == {COLOURS["Happy/1.png"], COLOURS["Sad/3.png"]}
    assert colours(write(data, hidden=("Ahegao", "Happy", "Sad")).pages[0]) == set()


def test_the_limit_takes_the_worst_and_leaves_no_page_of_an_earlier_queue(data: Path) -> None:
    many = pd.concat([issues()] * 11, ignore_index=True)
    assert [page.name for page in write(data, many, limit=44).pages] == ["queue-01.png", "queue-02.png"]
    queued = write(data, limit=1)
    assert [row["file_name"] for row in rows(queued)] == ["Happy/1.png"]
    assert sorted(file.name for file in Path("out").iterdir()) == ["queue-01.png", "queue.csv"]


def test_the_same_issues_give_the_same_bytes(data: Path) -> None:
    first = [file.read_bytes() for file in (write(data).file, *write(data).pages)]
    assert [file.read_bytes() for file in (write(data).file, *write(data).pages)] == first


def test_no_issues_are_an_empty_queue(data: Path) -> None:
    queued = write(data, issues().head(0))
    assert (queued.images, queued.pages, rows(queued)) == (0, (), [])


def test_predictions_about_other_images_are_refused(data: Path) -> None:
    (data / "Sad" / "3.png").unlink()
    with pytest.raises(PredictionsError, match=r"1 for others, such as Sad/3\.png\. Run"):
        write(data)
    assert not Path("out").exists()


def test_open_decisions_are_not_overwritten(data: Path) -> None:
    queued = write(data)
    decide(queued, "Happy/1.png", "Sad")
    before = queued.file.read_bytes()
    with pytest.raises(DataError, match="open decisions"):
        write(data)
    assert queued.file.read_bytes() == before


def test_what_a_person_has_settled_is_not_asked_again(data: Path) -> None:
    queued = write(data)
    decide(queued, "Happy/1.png", "keep")
    decide(queued, "Happy/2.png", "Sad")
    relabel(queued.file, data)
    # The model still disagrees with both labels.
    again = issues().replace({"file_name": {"Happy/2.png": "Sad/2.png"}})
    again.loc[1, ["given", "suggested"]] = ("Sad", "Happy")
    queued = write(data, again)
    assert [row["file_name"] for row in rows(queued)] == ["Sad/3.png", "Ahegao/4.png"]
    assert queued.kept == 2
