"""DVC's view of a data folder, with the real DVC."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.dataset.files import class_folders
from facesent.sources.dvc import (
    Tracking,
    has_remote,
    matches,
    repository,
    shares_files_with_cache,
    track,
    tracking,
    way_back,
)

pytestmark = pytest.mark.slow


def fill(folder: Path, text: str = "x") -> Path:
    for label in ("A", "B"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / "1.jpg").write_text(f"{label} {text}")
    return folder


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True)


def test_the_same_content_leaves_the_pointer_as_it_is(project: Path) -> None:
    data = fill(Path("data"))
    assert tracking(data) is Tracking.UNTRACKED
    assert track(data)
    before = Path("data.dvc").read_bytes()
    assert matches(data)
    shutil.rmtree(data)
    assert tracking(data) is Tracking.MISSING
    track(fill(data))
    assert Path("data.dvc").read_bytes() == before


def test_a_change_is_seen(project: Path) -> None:
    data = fill(Path("sub/photos"))
    track(data)
    (data / "A" / "2.jpg").write_text("new")
    assert tracking(data) is Tracking.DIFFERS


def test_content_that_is_not_in_the_cache_yet_matches(project: Path) -> None:
    data = fill(Path("data"))
    track(data)
    shutil.rmtree(".dvc/cache")
    assert matches(data)


def test_settings_that_dvc_refuses_are_told_with_their_files(project: Path) -> None:
    assert not has_remote(project)
    (project / ".dvc" / "config.local").write_text("[core]\nno_such_setting = 1\n")
    with pytest.raises(DataError, match=r"config\.local beside it.*no_such_setting"):
        has_remote(project)


def test_without_a_repository_nothing_is_done(home: Path, tmp_path: Path) -> None:
    data = fill(tmp_path / "data")
    assert repository(data) is None
    assert not track(data)
    assert tracking(data) is Tracking.NO_DVC
    assert not shares_files_with_cache(data)
    assert [path.name for path in tmp_path.iterdir() if path != home] == ["data"]


def test_a_failure_gives_dvcs_reason_and_leaves_the_pointer(project: Path) -> None:
    data = fill(Path("data"))
    track(data)
    before = Path("data.dvc").read_bytes()
    fill(data, "other")
    # A file where DVC needs a folder of its cache, as a full disk that works as root.
    digest = hashlib.md5((data / "A" / "1.jpg").read_bytes(), usedforsecurity=False).hexdigest()
    Path(".dvc/cache/files/md5", digest[:2]).write_text("")
    with pytest.raises(DataError, match=r"dvc add data.*Received: ERROR: .*Not a directory"):
        track(data)
    assert Path("data.dvc").read_bytes() == before


@pytest.mark.parametrize("committed", [True, False])
def test_the_way_back_leads_back(project: Path, committed: bool) -> None:
    data = fill(Path("data"), "old")
    track(data)
    if committed:
        subprocess.run(["git", "add", "data.dvc"], check=True)
        subprocess.run(["git", "commit", "--quiet", "--message", "Old"], check=True)
    command = way_back(data)
    assert command.startswith("git checkout" if committed else "cp ")
    track(fill(data, "new"))
    if committed:
        subprocess.run(["git", "commit", "--quiet", "--all", "--message", "New"], check=True)
    # As a person would, in a shell.
    subprocess.run(["sh", "-ec", command.replace("dvc checkout", f"{sys.executable} -m dvc checkout")], check=True)
    assert (data / "A" / "1.jpg").read_text() == "A old"


def test_a_hard_linked_cache_is_known(project: Path) -> None:
    assert not shares_files_with_cache(Path("data"))
    dvc("config", "cache.type", "hardlink,copy")
    assert shares_files_with_cache(Path("data"))


def test_a_name_that_is_not_utf8_is_named_before_dvc_dies_of_it(project: Path) -> None:
    data = fill(Path("data"))
    track(data)
    try:
        Path(os.fsdecode(b"data/Fr\xf6hlich")).mkdir()
        Path(os.fsdecode(b"data/Fr\xf6hlich/1.jpg")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"UTF-8 in data\. Received: Fr\\udcf6hlich\. Rename"):
        class_folders(Path("data"))
    for ask in (track, tracking):
        with pytest.raises(DataError, match=r"UTF-8 in data\. Received: Fr\\udcf6hlich/1\.jpg\. Rename"):
            ask(data)
