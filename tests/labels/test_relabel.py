"""A person's decisions on labels reach the images: all of them, or none."""

import shutil
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.core.files import images_in_use
from facesent.dataset.files import METADATA, image_files
from facesent.dataset.metadata import read_metadata
from facesent.labels.relabel import RelabelPlan, plan, preview, refuse_to_lose_decisions, relabel
from facesent.labels.review import Decision, read_record, record_of
from tests.helpers.relabelling import apply, contents, fill, go_back, queue, sha256


@pytest.fixture
def data(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes, five images and metadata, without DVC."""
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return fill(Path("data"))


def decide(data: Path, *decisions: tuple[str, str]) -> RelabelPlan:
    return plan(data, [Decision(row, name, sha256(data / name), to) for row, (name, to) in enumerate(decisions, 2)])


def test_moves_and_drops_reach_the_files_and_the_metadata(data: Path) -> None:
    before = contents(data)
    apply(data, {"Happy/1.jpg": "Sad", "Sad/4.jpg": "drop", "Happy/3.jpg": "keep", "Happy/2.jpg": ""})
    after = contents(data)
    assert sorted(after) == ["Happy/2.jpg", "Happy/3.jpg", "Sad/1.jpg", "Sad/2.jpg", "metadata.csv"]
    assert after["Sad/1.jpg"] == before["Happy/1.jpg"]
    expected = 'file_name,group,note\nSad/1.jpg,ann,\nHappy/2.jpg,ann,"a, b"\nSad/2.jpg,bob,x\n'
    assert (data / "metadata.csv").read_text() == expected


def test_open_decisions_are_not_overwritten_nor_are_those_that_a_kill_kept_from_the_images(data: Path) -> None:
    path = Path("queue.csv")
    refuse_to_lose_decisions(path, data)
    moved, dropped = (
        Decision(row, name, sha256(data / name), "") for row, name in enumerate(("Happy/1.jpg", "Sad/4.jpg"), 2)
    )
    lines = [f"{moved.file_name},Sad,{moved.sha256}", f"{dropped.file_name},drop,{dropped.sha256}", "Happy/2.jpg,,22"]
    path.write_text("\n".join(["file_name,decision,sha256", *lines, ""]))
    with pytest.raises(DataError, match=r"Received: 2\. Apply them with"):
        refuse_to_lose_decisions(path, data)
    relabel(path, data)
    refuse_to_lose_decisions(path, data)
    # As after a kill between the record and the images.
    shutil.copytree("data.old", data, dirs_exist_ok=True)
    with pytest.raises(DataError, match=r"Received: 2\. Apply them with"):
        refuse_to_lose_decisions(path, data)


def test_without_dvc_the_old_folder_is_the_way_back_and_shares_no_file(data: Path) -> None:
    before = contents(data)
    installed = apply(data, {"Happy/1.jpg": "Sad"})
    (data / "Happy" / "2.jpg").write_text("edited in place")
    assert contents(Path("data.old")) == before
    go_back(installed)
    assert contents(data) == before


def test_a_queue_can_be_decided_bit_by_bit(data: Path) -> None:
    file = queue(data, {"Happy/1.jpg": "Sad", "Sad/4.jpg": "drop", "Happy/2.jpg": "", "Happy/3.jpg": "keep"})
    relabel(file, data)
    file.write_text(file.read_text().replace("Happy/2.jpg,", "Happy/2.jpg,drop"))
    intended, _ = relabel(file, data)
    assert (intended.drops, dict(intended.moves), intended.done, intended.kept) == (("Happy/2.jpg",), {}, 2, 1)
    names = {row.file_name: (row.decision, row.new_name) for row in read_record(record_of(file))}
    assert names == {
        "Happy/1.jpg": ("Sad", "Sad/1.jpg"),
        "Happy/2.jpg": ("drop", ""),
        "Happy/3.jpg": ("keep", "Happy/3.jpg"),
        "Sad/4.jpg": ("drop", ""),
    }


def test_a_name_that_another_image_took_since_does_not_open_a_decision_again(data: Path) -> None:
    file = queue(data, {"Happy/2.jpg": "drop", "Sad/2.jpg": ""})
    relabel(file, data)
    file.write_text(file.read_text().replace("Sad/2.jpg,", "Sad/2.jpg,Happy"))
    relabel(file, data)
    assert (data / "Happy/2.jpg").read_text() == "the content of Sad/2.jpg"
    assert preview(file, data).done == 2


def test_a_preview_changes_nothing(data: Path) -> None:
    file = queue(data, {"Happy/1.jpg": "Sad"})
    # Whoever looks at images leaves the file that it locked.
    with images_in_use(data):
        before = contents(Path())
    assert dict(preview(file, data).moves) == {"Happy/1.jpg": "Sad/1.jpg"}
    assert contents(Path()) == before


def test_decisions_to_keep_leave_the_folder_alone_and_are_recorded(data: Path) -> None:
    inode = data.stat().st_ino
    file = queue(data, {"Happy/1.jpg": "keep", "Happy/2.jpg": "Happy"})
    intended, installed = relabel(file, data)
    assert (intended.kept, intended.changes, installed) == (2, False, None)
    assert data.stat().st_ino == inode
    assert [row.file_name for row in read_record(record_of(file))] == ["Happy/1.jpg", "Happy/2.jpg"]


def test_a_taken_name_gets_the_start_of_the_hash(data: Path) -> None:
    (data / "Happy" / "4.JPG").write_text("differs in case alone")
    mine, other = sha256(data / "Happy/2.jpg")[:8], sha256(data / "Sad/2.jpg")[:8]
    intended = decide(data, ("Sad/2.jpg", "Happy"), ("Happy/2.jpg", "Sad"), ("Happy/4.JPG", "Sad"))
    digest = sha256(data / "Happy/4.JPG")[:8]
    assert dict(intended.moves) == {
        "Happy/2.jpg": f"Sad/2-{mine}.jpg",
        "Happy/4.JPG": f"Sad/4-{digest}.JPG",
        "Sad/2.jpg": f"Happy/2-{other}.jpg",
    }


def test_a_name_that_only_the_metadata_knows_is_taken_too(data: Path) -> None:
    with (data / "metadata.csv").open("a") as lines:
        lines.write("Sad/1.jpg,gone,\n")
    apply(data, {"Happy/1.jpg": "Sad"})
    metadata = read_metadata(data / METADATA, [image.name for image in image_files(data)])
    assert len(metadata.rows + metadata.unmatched) == 5


def test_the_new_names_do_not_depend_on_the_order_of_the_rows(data: Path) -> None:
    (data / "Angry").mkdir()
    (data / "Angry" / "0.jpg").touch()
    rows = [("Happy/2.jpg", "Angry"), ("Sad/2.jpg", "Angry")]
    moves = decide(data, *rows).moves
    assert moves == decide(data, *reversed(rows)).moves
    assert len(set(moves.values())) == 2


def test_every_wrong_row_is_named_and_nothing_is_changed(data: Path) -> None:
    decisions = {
        "Happy/1.jpg": "Sad",
        "Happy/2.jpg": "sad",
        "Happy/9.jpg": "drop",
        "Sad/2.jpg": "keep",
        "metadata.csv": "drop",
    }
    file = queue(data, decisions)
    file.write_text(file.read_text() + f"Happy/1.jpg,drop,{sha256(data / 'Happy/1.jpg')}\nSad/4.jpg,drop,\n")
    (data / "Sad" / "2.jpg").write_text("another picture")
    before = contents(data), contents(file.parent)
    with pytest.raises(DataError) as caught:
        relabel(file, data)
    assert str(caught.value).splitlines()[1:] == [
        "  row 2: Happy/1.jpg is decided 2 times",
        "  row 3: sad is no class in Happy, Sad",
        "  row 4: Happy/9.jpg is not an image in the data folder",
        "  row 5: Sad/2.jpg has changed since the queue was written",
        "  row 6: metadata.csv is not an image in the data folder",
        "  row 7: Happy/1.jpg is decided 2 times",
        "  row 8: Sad/4.jpg has no sha256 to identify its content",
    ]
    assert (contents(data), contents(file.parent)) == before


def test_a_class_folder_that_is_a_link_takes_no_part(data: Path) -> None:
    (data / "Linked").symlink_to("Happy")
    message = r"row 2: Linked/1.jpg must not be changed: a link\n  row 3: Linked is no class"
    with pytest.raises(DataError, match=message):
        decide(data, ("Linked/1.jpg", "drop"), ("Sad/2.jpg", "Linked"))


@pytest.mark.parametrize("name", ["../outside.jpg", "Happy/../../outside.jpg", "{outside}", "Happy/link.jpg", "Happy"])
def test_nothing_outside_of_the_data_folder_is_touched(data: Path, name: str) -> None:
    outside = Path("outside.jpg").resolve()
    outside.write_text("not yours")
    (data / "Happy" / "link.jpg").symlink_to(outside)
    name = name.format(outside=outside)
    decision = Decision(2, name, sha256(outside), "drop")
    with pytest.raises(DataError, match=r"row 2: .* (is not an image in the data folder|must not be changed)"):
        plan(data, [decision])
    assert outside.read_text() == "not yours"


def test_a_class_is_not_emptied_by_accident(data: Path) -> None:
    with pytest.raises(DataError, match="no image of Sad would be left"):
        decide(data, ("Sad/2.jpg", "drop"), ("Sad/4.jpg", "Happy"))
    assert decide(data, ("Sad/2.jpg", "drop"), ("Sad/4.jpg", "Happy"), ("Happy/1.jpg", "Sad")).changes


def test_a_class_called_drop_makes_the_word_unclear(data: Path) -> None:
    (data / "Drop").mkdir()
    with pytest.raises(DataError, match="row 2: drop is ambiguous, because there is a class Drop"):
        decide(data, ("Happy/1.jpg", "drop"))


def test_equal_content_in_two_classes_is_told(data: Path) -> None:
    for name in ("Happy/copy.jpg", "Sad/copy.jpg"):
        (data / name).write_bytes((data / "Happy/1.jpg").read_bytes())
    assert decide(data, ("Happy/1.jpg", "Sad")).conflicts == (("Sad/1.jpg", "Happy/copy.jpg"),)
    assert decide(data, ("Happy/1.jpg", "Sad"), ("Happy/copy.jpg", "drop")).conflicts == ()
