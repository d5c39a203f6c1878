"""Decisions on labels under DVC: what they change comes back."""

import subprocess
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.labels.relabel import build, preview, refuse_to_lose_decisions, relabel
from facesent.labels.review import read_record, record_of
from facesent.sources import dvc, store
from tests.helpers.relabelling import apply, contents, fill, go_back, queue

pytestmark = pytest.mark.slow


@pytest.fixture
def tracked(project: Path) -> Path:
    """Two classes, five images and metadata, tracked and committed."""
    folder = fill(Path("data"))
    dvc.track(folder)
    for command in (["add", "data.dvc", ".gitignore"], ["commit", "--quiet", "--message", "Images"]):
        subprocess.run(["git", *command], check=True)
    return folder


def test_the_way_back_restores_every_byte_and_the_queue_applies_again(tracked: Path) -> None:
    before, pointer = contents(tracked), Path("data.dvc").read_bytes()
    file = queue(tracked, {"Happy/1.jpg": "Sad", "Sad/4.jpg": "drop"})
    _, installed = relabel(file, tracked)
    after, record = contents(tracked), record_of(file).read_bytes()
    assert after != before
    assert dvc.matches(tracked)
    assert installed is not None
    go_back(installed)
    assert contents(tracked) == before
    assert Path("data.dvc").read_bytes() == pointer
    relabel(file, tracked)
    assert contents(tracked) == after
    assert record_of(file).read_bytes() == record


def test_what_dvc_had_not_seen_comes_back_too(tracked: Path) -> None:
    (tracked / "Happy" / "new.jpg").write_text("not in data.dvc yet")
    before = contents(tracked)
    go_back(apply(tracked, {"Happy/1.jpg": "Sad"}))
    assert contents(tracked) == before


def test_images_are_shared_with_the_old_folder_but_never_the_metadata(project: Path) -> None:
    data = fill(Path("data"))
    build(preview(queue(data, {"Happy/3.jpg": "drop"}), data), data, Path("incoming"))
    links = {name: Path("incoming", name).stat().st_nlink for name in ("Happy/1.jpg", "metadata.csv")}
    assert links == {"Happy/1.jpg": 2, "metadata.csv": 1}


def test_when_dvc_refuses_all_is_as_it_was(tracked: Path) -> None:
    file = queue(tracked, {"Happy/1.jpg": "Sad"})
    before, pointer = contents(tracked), Path("data.dvc").read_bytes()
    Path(".dvc/config").write_text("[core\n")
    with pytest.raises(DataError, match="dvc add"):
        relabel(file, tracked)
    assert contents(tracked) == before
    assert Path("data.dvc").read_bytes() == pointer
    assert not record_of(file).exists()


def test_what_ends_it_while_the_old_images_are_removed_leaves_the_record_of_what_was_applied(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = queue(tracked, {"Happy/1.jpg": "Sad", "Happy/2.jpg": "keep", "Sad/4.jpg": "drop"})

    def told_to_end(*_: Path) -> None:
        raise SystemExit(130)

    with monkeypatch.context() as patched:
        patched.setattr(store, "_discard", told_to_end)
        with pytest.raises(SystemExit):
            relabel(file, tracked)
    refuse_to_lose_decisions(file, tracked)
    assert (tracked / "Sad" / "1.jpg").is_file()
    again, installed = relabel(file, tracked)
    assert (again.done, again.kept, again.changes, installed) == (2, 1, False, None)
    assert {row.file_name for row in read_record(record_of(file))} == {"Happy/1.jpg", "Happy/2.jpg", "Sad/4.jpg"}
