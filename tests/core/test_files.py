import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from facesent.core.files import (
    FilesError,
    images_alone,
    images_in_use,
    locked,
    locked_in_turn,
    replaced,
    require_room,
    sha256,
)


def test_a_hash_is_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\0" * 3_000_000 + b"end")
    assert sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_is_replaced_by_what_the_block_wrote_in_a_folder_that_is_made(tmp_path: Path) -> None:
    file = tmp_path / "new" / "model.keras"
    for content in ("one", "two"):
        with replaced(file) as draft:
            assert draft.suffix == ".keras"
            draft.with_name("other").write_text("not wanted in the end")
            draft.write_text(content)
        assert file.read_text() == content
        assert list(file.parent.iterdir()) == [file]


def test_a_replaced_file_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with replaced(tmp_path / "file") as draft:
        draft.write_text("")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fail() -> None:
        with replaced(file) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    child = os.fork()
    if not child:
        with replaced(file) as draft:
            draft.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert file.read_text() == "old"


def test_one_that_is_locked_out_says_so_once_and_has_its_turn(tmp_path: Path) -> None:
    path, busy, inside = tmp_path / "new" / "lock", Event(), list[str]()

    def wait() -> None:
        with locked_in_turn(path, busy.set):
            inside.append("other")

    other = Thread(target=wait)
    with locked_in_turn(path, pytest.fail):
        other.start()
        assert busy.wait(60)
        inside.append("first")
    other.join(60)
    assert inside == ["first", "other"]


def test_one_that_is_locked_out_may_refuse_to_wait(tmp_path: Path) -> None:
    path, busy = tmp_path / "lock", BlockingIOError()
    with locked(path, busy), pytest.raises(BlockingIOError), locked(path, busy, seconds=0.01):
        pytest.fail("two at a time")
    with locked(path, busy):
        pass


READER = """
import sys
from pathlib import Path
from facesent.core.files import images_in_use

with images_in_use(Path(sys.argv[1])):
    print("reading", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("under_dvc", [True, False])
def test_images_are_read_by_many_and_changed_by_one_alone_also_after_a_kill(tmp_path: Path, under_dvc: bool) -> None:
    data = tmp_path / "data"
    if under_dvc:
        (tmp_path / ".dvc").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == b"reading\n"
        with images_in_use(data), images_in_use(data):
            pass
        with pytest.raises(FilesError, match=r"to write the images in .*data\. Received: .*Wait"), images_alone(data):
            pytest.fail("changed while they are read")
        reader.kill()
    with images_alone(data):
        for way in (images_in_use, images_alone):
            with pytest.raises(FilesError, match=r"Received: they are .*`facesent data`"), way(data):
                pytest.fail("used while they are changed")
    with images_in_use(data):
        pass
    assert (tmp_path / ".data-lock").exists() is not under_dvc


def test_a_disk_without_room_is_named_with_what_for(tmp_path: Path) -> None:
    require_room(tmp_path, 0, "nothing")
    with pytest.raises(FilesError, match=rf"1,000,000,000,000\.0 MB of free disk space in {tmp_path} for a state\."):
        require_room(tmp_path, 10**18, "a state")
