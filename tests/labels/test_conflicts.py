"""Contents under several labels: found, queued, decided and put right by `relabel`."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.core.errors import DataError
from facesent.core.files import sha256
from facesent.dataset.metadata import read_metadata
from facesent.labels import relabel as relabelling
from facesent.labels.conflicts import Rule, decided, find_conflicts, write_conflicts
from facesent.labels.queue import Queued
from facesent.labels.relabel import preview, relabel
from facesent.labels.review import read_decisions

# Two contents that stand twice or more, and images of no other place.
COPIES = {"Angry/a~angry.png": ("Sad/b.png", "Sad/c.png"), "Happy/d.png": ("Sad/d.png",)}
ALONE = ("Angry/1.png", "Angry/2.png", "Happy/1.png", "Happy/2.png", "Sad/1.png", "Sad/2.png")


@pytest.fixture
def data(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in (*COPIES, *ALONE):
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    for name, copies in COPIES.items():
        for copy in copies:
            shutil.copy(Path("data", name), Path("data", copy))
    return Path("data")


def queue(data: Path, rule: Rule | None = None, hidden: tuple[str, ...] = ()) -> Queued:
    found = find_conflicts(data, max_pixels=1000)
    return write_conflicts(decided(found, rule), data, Path("out"), hidden=hidden)


def rows(queued: Queued) -> list[dict[str, str]]:
    with queued.file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def names(data: Path) -> set[str]:
    return {path.relative_to(data).as_posix() for path in data.rglob("*.png")}


def test_one_row_a_content_with_all_its_places(data: Path) -> None:
    queued = queue(data)
    assert [(row["file_name"], row["given"]) for row in rows(queued)] == [
        ("Angry/a~angry.png", "Angry, Sad"),
        ("Happy/d.png", "Happy, Sad"),
    ]
    assert rows(queued)[0]["places"].split("\n") == ["Angry/a~angry.png", "Sad/b.png", "Sad/c.png"]
    assert {row["decision"] for row in rows(queued)} == {""}
    with Image.open(queued.pages[0]) as page:
        assert page.getextrema() != ((255, 255),) * 4


def test_no_picture_of_a_hidden_class_is_shown(data: Path) -> None:
    shown = queue(data).pages[0].read_bytes()
    assert queue(data, hidden=("Angry",)).pages[0].read_bytes() != shown


def test_a_class_with_a_comma_in_its_name_is_one_class(data: Path) -> None:
    (data / "Angry").rename(data / "Sad, crying")
    shown = queue(data).pages[0].read_bytes()
    assert queue(data, hidden=("Sad, crying",)).pages[0].read_bytes() != shown
    assert rows(queue(data, Rule("Sad, crying/*", "Sad, crying")))[1]["decision"] == "Sad, crying"


def test_a_rule_decides_for_many_and_relabel_leaves_each_content_once(data: Path) -> None:
    queued = queue(data, Rule("*~angry*", "Angry"))
    assert [row["decision"] for row in rows(queued)] == ["Angry", ""]
    plan, installed = relabel(queued.file, data)
    assert installed
    assert plan.drops == ("Sad/b.png", "Sad/c.png")
    assert names(data) == {"Angry/a~angry.png", "Happy/d.png", "Sad/d.png", *ALONE}
    assert find_conflicts(data, max_pixels=1000)["file_name"].tolist() == ["Happy/d.png"]
    # It is done, and a new queue may be written.
    again = preview(queued.file, data)
    assert not again.changes
    assert rows(queue(data))[0]["file_name"] == "Happy/d.png"


def test_drop_drops_every_copy_and_another_class_takes_one(data: Path) -> None:
    queued = queue(data, Rule("*", "Sad"))
    text = queued.file.read_text(encoding="utf-8")
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("Sad/d.png"))
    lines[at] = lines[at].replace(",Sad,", ",drop,")
    queued.file.write_text("\n".join(lines), encoding="utf-8")
    relabel(queued.file, data)
    assert names(data) == {"Sad/b.png", *ALONE}
    assert not preview(queued.file, data).changes


def test_the_copy_that_stays_inherits_what_only_the_others_had(data: Path) -> None:
    (data / "metadata.csv").write_text("file_name,group,split,note\nSad/b.png,ann,test,x\nHappy/1.png,bob,,\n")
    relabel(queue(data, Rule("*~angry*", "Angry")).file, data)
    said = {row["file_name"]: row for row in read_metadata(data / "metadata.csv", names(data)).rows}
    assert said["Angry/a~angry.png"] == {"file_name": "Angry/a~angry.png", "group": "ann", "split": "test", "note": "x"}
    assert said["Happy/1.png"]["group"] == "bob"


def test_copies_of_two_people_are_left_to_a_person(data: Path) -> None:
    (data / "metadata.csv").write_text("file_name,group\nSad/b.png,ann\nAngry/a~angry.png,bob\n")
    with pytest.raises(DataError, match=r"ann for Sad/b.png, which is dropped, and bob for Angry/a~angry.png"):
        relabel(queue(data, Rule("*~angry*", "Angry")).file, data)
    assert "Sad/b.png" in names(data)


def test_keep_says_nothing_of_a_content_under_two_labels(data: Path) -> None:
    queued = queue(data, Rule("*", "Sad"))
    queued.file.write_text(queued.file.read_text(encoding="utf-8").replace(",Sad,", ",keep,"), encoding="utf-8")
    with pytest.raises(DataError, match="keep is unclear"):
        relabel(queued.file, data)


@pytest.mark.parametrize(
    ("rule", "message"), [(Rule("*none*", "Sad"), "matches none"), (Rule("*~angry*", "Happy"), "do not have")]
)
def test_a_rule_that_cannot_be_meant_is_refused(data: Path, rule: Rule, message: str) -> None:
    with pytest.raises(DataError, match=message):
        queue(data, rule)


def test_images_of_one_size_are_read_once_however_many_contents_are_decided(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    for number in range(20):
        picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        for label in ("Angry", "Sad"):
            # Bitmaps are all equally long.
            picture.save(data / label / f"{number}.bmp")
    decisions = read_decisions(queue(data, Rule("*.bmp", "drop")).file)
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(relabelling, "sha256", counted)
    assert sum(row.file_name.endswith(".bmp") for row in relabelling.expanded(decisions, data)) == 40
    assert len(read) == len(set(read))
