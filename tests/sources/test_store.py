"""New content takes the old one's place, or nothing changes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.core.files import FilesError, replaced
from facesent.dataset.files import describe
from facesent.sources import dvc, store
from facesent.sources.store import alone, install, recover_after_kill, staging

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def fill(folder: Path, text: str) -> Path:
    for label in ("A", "B"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / "1.jpg").write_text(f"{label} {text}")
    return folder


def bring(data: Path, text: str, *, replace: bool = False) -> store.Installed:
    with staging(data) as incoming:
        return install(fill(incoming, text), data, replace=replace)


def names(folder: Path) -> list[str]:
    """What an installation may leave behind, beside what git and DVC have, and without DVC its lock."""
    others = (".git", ".gitignore", ".dvc", ".dvcignore", ".data-lock")
    return sorted(path.name for path in folder.iterdir() if path.name not in others)


@pytest.fixture
def plain(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without DVC."""
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_installs_where_nothing_is(project: Path) -> None:
    installed = bring(Path("data"), "new")
    assert (installed.changed, installed.tracked, installed.way_back) == (True, True, None)
    assert installed.contents == describe(Path("data"))
    assert dvc.matches(Path("data"))
    assert names(project) == ["data", "data.dvc"]


def test_refuses_to_destroy_and_says_what_is_there(plain: Path) -> None:
    fill(Path("data"), "old")
    with pytest.raises(DataError, match=r"Received: 2 images \(A 1, B 1\)\..*--replace"):
        bring(Path("data"), "new")
    assert Path("data/A/1.jpg").read_text() == "A old"
    assert names(plain) == ["data"]


def test_a_table_of_people_alone_is_content_too(plain: Path) -> None:
    Path("data").mkdir()
    Path("data/metadata.csv").write_text("file_name,group\nA/1.jpg,ann\n")
    with pytest.raises(DataError, match=r"Received: no images, but metadata\.csv\..*--replace"):
        bring(Path("data"), "new")
    assert bring(Path("data"), "new", replace=True).way_back
    assert Path("data.old/metadata.csv").is_file()


def test_what_only_the_pointer_describes_can_be_gone_back_to(project: Path) -> None:
    bring(Path("data"), "old")
    shutil.rmtree("data")
    installed = bring(Path("data"), "new")
    assert installed.way_back
    for command in installed.way_back.split(" && "):
        words = command.split()
        subprocess.run([sys.executable, "-m", *words] if words[0] == "dvc" else words, check=True)
    assert Path("data/A/1.jpg").read_text() == "A old"


def test_the_old_content_comes_back_from_the_cache(project: Path) -> None:
    fill(Path("data"), "old")
    installed = bring(Path("data"), "new", replace=True)
    assert Path("data/A/1.jpg").read_text() == "A new"
    assert installed.way_back is not None
    command = installed.way_back.replace("dvc checkout", f"{sys.executable} -m dvc checkout")
    subprocess.run(["sh", "-ec", command], check=True)
    assert Path("data/A/1.jpg").read_text() == "A old"


def test_without_dvc_the_old_content_is_kept_beside(plain: Path) -> None:
    bring(Path("data"), "first")
    bring(Path("data"), "second", replace=True)
    installed = bring(Path("data"), "third", replace=True)
    assert not installed.tracked
    assert names(plain) == ["data", "data.old", "data.old1"]
    assert Path("data.old1/A/1.jpg").read_text() == "A second"
    assert installed.way_back == "mv data data.new && mv data.old1 data"


def test_the_same_content_changes_nothing(plain: Path) -> None:
    bring(Path("data"), "same")
    inode = Path("data").stat().st_ino
    assert not bring(Path("data"), "same").changed
    assert Path("data").stat().st_ino == inode
    assert names(plain) == ["data"]


def test_one_other_byte_is_a_change(plain: Path) -> None:
    bring(Path("data"), "abc")
    with pytest.raises(DataError, match="--replace"):
        bring(Path("data"), "abd")


def test_when_dvc_refuses_all_is_as_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(Path("data"), "old")
    before = Path("data.dvc").read_bytes()
    real, calls = dvc.track, 0

    def fail_the_second_time(data_dir: Path) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DataError("no space left")
        return real(data_dir)

    monkeypatch.setattr(dvc, "track", fail_the_second_time)
    with pytest.raises(DataError, match="no space"):
        bring(Path("data"), "new", replace=True)
    assert Path("data/A/1.jpg").read_text() == "A old"
    assert Path("data.dvc").read_bytes() == before
    assert names(project) == ["data", "data.dvc"]


def test_a_failure_while_building_leaves_nothing(plain: Path) -> None:
    def build() -> None:
        with staging(Path("data")) as incoming:
            fill(incoming, "half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        build()
    assert names(plain) == []


@pytest.mark.parametrize(
    "step", [pytest.param("before", marks=pytest.mark.long), "between", pytest.param("after", marks=pytest.mark.long)]
)
def test_a_kill_at_any_step_leaves_the_old_or_the_new(project: Path, step: str) -> None:
    bring(Path("data"), "old")
    _bring_and_die(step)
    recover_after_kill(Path("data"))
    assert Path("data/A/1.jpg").read_text() == "A old"
    assert dvc.matches(Path("data"))
    bring(Path("data"), "new", replace=True)
    assert Path("data/A/1.jpg").read_text() == "A new"
    assert names(project) == ["data", "data.dvc"]


def test_a_kill_after_dvc_has_it_keeps_the_new(project: Path) -> None:
    bring(Path("data"), "old")
    _bring_and_die("tracked")
    recover_after_kill(Path("data"))
    assert Path("data/A/1.jpg").read_text() == "A new"
    assert dvc.matches(Path("data"))
    assert ".data-outgoing" not in names(project)


def test_a_kill_while_the_old_is_removed_never_brings_half_of_it_back(project: Path) -> None:
    bring(Path("data"), "old")
    _bring_and_die("removing")
    # What a person does then is a reason to take the old content for the one that counts.
    Path("data/A/2.jpg").write_text("added")
    with alone(Path("data")):
        pass
    assert Path("data/A/1.jpg").read_text() == "A new"
    assert Path("data/A/2.jpg").read_text() == "added"
    assert names(project) == ["data", "data.dvc"]


def _bring_and_die(step: str) -> None:
    """Install in another process that kills itself before, between or after the renames, or once DVC has it."""
    child = os.fork()
    if child:
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        return
    try:
        _die_at(step)
        bring(Path("data"), "new", replace=True)
    finally:
        os._exit(1)


def _die_at(step: str) -> None:
    counts = {"rename": 0, "track": 0}
    rename, track, remove = Path.rename, dvc.track, shutil.rmtree

    def die(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted_rename(source: Path, target: Path) -> Path:
        die(("before", "between")[counts["rename"]] if counts["rename"] < 2 else "")
        counts["rename"] += 1
        return rename(source, target)

    def counted_track(data_dir: Path) -> bool:
        counts["track"] += 1
        die("after" if counts["track"] == 2 else "")
        done = track(data_dir)
        die("tracked" if counts["track"] == 2 else "")
        return done

    def half_a_removal(folder: Path) -> None:
        if (folder / "A").exists():
            (folder / "A" / "1.jpg").unlink()
            die("removing")
        remove(folder)

    Path.rename = counted_rename  # type: ignore[assignment,method-assign]
    dvc.track = counted_track
    store.shutil.rmtree = half_a_removal  # type: ignore[assignment]


def test_what_a_kill_left_of_a_table_is_never_data(project: Path) -> None:
    """As `facesent forget` writes it."""
    for name in (".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, ".")
    bring(Path("data"), "old")
    pointer, data = Path("data.dvc").read_bytes(), describe(Path("data"))
    child = os.fork()
    if not child:
        with replaced(Path("data/metadata.csv")) as draft:
            draft.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    [left] = Path("data").glob(".draft-*")
    assert describe(Path("data")) == data
    dvc.track(Path("data"))
    assert Path("data.dvc").read_bytes() == pointer
    shutil.copytree(left, left.name)
    said = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    assert left.name not in said
    with alone(Path("data")):
        assert not left.exists()


def test_only_one_at_a_time(plain: Path) -> None:
    with staging(Path("data")), pytest.raises(FilesError, match="another `facesent data`"), staging(Path("data")):
        pass


@pytest.mark.parametrize("kind", ["file", "."])
def test_what_cannot_be_a_data_folder_is_refused(plain: Path, kind: str) -> None:
    if kind == "file":
        Path("data").touch()
    with pytest.raises(DataError, match="Expected a folder"), staging(Path("." if kind == "." else "data")):
        pass


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("big faces", "Take its images in: rm data && facesent data import '{target}' --link$"),
        ("gone", "where no folder is. Remove it: rm data$"),
    ],
)
def test_a_link_is_refused_with_what_to_do_about_it(plain: Path, target: str, advice: str) -> None:
    Path("big faces").mkdir()
    Path("data").symlink_to(target)
    said = f"Expected a folder for the images in data. Received: a link to .*{advice.format(target=plain / target)}"
    with pytest.raises(DataError, match=said), staging(Path("data")):
        pass


IN_A_MOUNT = """
from pathlib import Path
from facesent.core.errors import DataError
from facesent.sources.store import alone, staging

try:
    with staging(Path("data")):
        print("staged")
except DataError as error:
    print(error)
with alone(Path("data")):
    print("alone")
"""


@pytest.mark.parametrize("place", ["data", "data/A"])
@pytest.mark.parametrize("mount", ["mount -t tmpfs none", "mount --bind elsewhere"])
def test_where_a_disk_is_mounted_nothing_is_begun(plain: Path, mount: str, place: str) -> None:
    fill(Path("data"), "old")
    Path("elsewhere").mkdir()
    # In a mount namespace of its own.
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if subprocess.run([*inside, f"{mount} {place}"], capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")
    command = f'{mount} {place}; exec "$0" "$@"'
    done = subprocess.run([*inside, command, sys.executable, "-c", IN_A_MOUNT], capture_output=True, text=True)
    refused, other = done.stdout.splitlines()
    assert refused.startswith("Expected data to be a plain folder, whose place new content can take. Received: a disk")
    assert f"mounted at {plain / place}. Mount one at a folder above" in refused
    # Who forgets a person removes files, and needs no other folder.
    assert other == "alone"
    assert names(plain) == ["data", "elsewhere"]


BRING = """
import sys
from pathlib import Path
from facesent.core.errors import DataError
from facesent.sources.store import install, recover_after_kill, staging

try:
    recover_after_kill(Path("data"))
    with staging(Path("data")) as incoming:
        (incoming / "A").mkdir(parents=True)
        (incoming / "A" / "1.jpg").write_text(sys.argv[1])
        install(incoming, Path("data"), replace=True)
except DataError as error:
    print(error)
"""


def bring_as_one_whom_modes_bind(text: str) -> str:
    """What it says; root is bound by them without its capabilities."""
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if without and subprocess.run([*without, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets root give up no capabilities")
    command = [*without, sys.executable, "-c", BRING, text]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_read_only_class_folders_are_replaced_and_leave_nothing(project: Path) -> None:
    fill(Path("data"), "old")
    subprocess.run(["chmod", "-R", "a-w", "data"], check=True)
    assert bring_as_one_whom_modes_bind("new") == ""
    assert Path("data/A/1.jpg").read_text() == "new"
    assert names(project) == ["data", "data.dvc"]


def test_what_may_not_be_removed_is_named_with_the_way_to_do_it(project: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    bring(Path("data"), "old")
    Path("data/A").chmod(0o755)
    os.chown("data/A", 65534, 65534)
    said = bring_as_one_whom_modes_bind("new")
    assert said.startswith("Expected to remove .data-incoming, which is not used any more. Received: ")
    assert said.endswith("Remove it: sudo rm -r .data-incoming\n")
    subprocess.run(["rm", "-r", ".data-incoming"], check=True)
    assert bring_as_one_whom_modes_bind("newer") == ""


def test_any_folder_of_the_repository_will_do(project: Path) -> None:
    bring(Path("sets/faces"), "new")
    assert dvc.matches(Path("sets/faces"))
    assert Path("sets/faces.dvc").is_file()
    assert names(Path("sets")) == ["faces", "faces.dvc"]
