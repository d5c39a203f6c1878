"""What keeps the project from working on a machine is one line before work is done."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
from zc.lockfile import LockFile

from facesent.core import preflight
from facesent.core.errors import FacesentError


def conflict(project: Path) -> None:
    (project / "dvc.lock").write_text("schema: '2.0'\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")


def half_an_rwlock(project: Path) -> None:
    (project / ".dvc" / "tmp").mkdir()
    (project / ".dvc" / "tmp" / "rwlock").write_text('{"x')


def empty_rwlock(project: Path) -> None:
    half_an_rwlock(project)
    (project / ".dvc" / "tmp" / "rwlock").write_text("")


def links_to_the_cache(project: Path) -> None:
    cached = project / ".dvc" / "cache" / "files" / "md5" / "ab" / "cdef"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"an image")
    (project / "data" / "Happy").mkdir(parents=True)
    (project / "data" / "Happy" / "a.png").symlink_to(cached)


def a_pipe_among_images(project: Path) -> None:
    (project / "data" / "Happy").mkdir(parents=True)
    os.mkfifo(project / "data" / "Happy" / "a.png")


def no_repository(project: Path) -> None:
    (project / ".git").rename(project / "git")


def broken_repository(project: Path) -> None:
    (project / ".git" / "config").write_text("[core")


def half_of_dvcs_settings(project: Path) -> None:
    (project / ".dvc" / "config.local").write_text("[core]\n[cor")


def conflict_in_dvcs_settings(project: Path) -> None:
    (project / ".dvc" / "config").write_text("<<<<<<< HEAD\n[core]\n=======\n>>>>>>> other\n")


def settings_of_dvc_in_latin_1(project: Path) -> None:
    (project / ".dvc" / "config.local").write_text("[core]\nremote = café\n", encoding="latin-1")


def index_that_a_killed_git_locked(project: Path) -> None:
    (project / ".git" / "index.lock").touch()


def index_that_a_crash_left_empty(project: Path) -> None:
    (project / ".git" / "index").write_text("")


def head_that_a_crash_left_empty(project: Path) -> None:
    (project / ".git" / "HEAD").write_text("")


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (index_that_a_crash_left_empty, "Make it anew: rm .git/index && git reset"),
        (head_that_a_crash_left_empty, "is no repository any more, perhaps since a crash. If .git/HEAD is empty: echo"),
        (index_that_a_killed_git_locked, "If none runs: rm .git/index.lock"),
        (conflict, "dvc.lock: git's conflict markers, from line 2. Take one side"),
        (links_to_the_cache, "dvc checkout --relink data.dvc"),
        (a_pipe_among_images, "'data/Happy/a.png' is a pipe"),
        (no_repository, "git init"),
        (broken_repository, "git status"),
        (half_of_dvcs_settings, ".dvc/config.local: expected settings of DVC. Received: Invalid line ('[cor')"),
        (conflict_in_dvcs_settings, ".dvc/config: expected settings of DVC. Received: Invalid line ('<<<<<<< HEAD')"),
        (settings_of_dvc_in_latin_1, ".dvc/config.local: expected settings of DVC. Received: 'utf-8' codec"),
    ],
)
def test_a_project_that_cannot_work_is_refused_with_the_way_out(
    project: Path, break_it: Callable[[Path], None], named: str
) -> None:
    preflight.require(Path())
    break_it(project)
    with pytest.raises(FacesentError) as refused:
        preflight.require(Path())
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("break_it", [half_an_rwlock, empty_rwlock])
@pytest.mark.parametrize("name", ["lock", "rwlock.lock"])
def test_a_broken_lock_file_is_removed_unless_a_dvc_command_runs(
    project: Path, break_it: Callable[[Path], None], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(project)
    lock = LockFile(str(project / ".dvc" / "tmp" / name))
    with pytest.raises(FacesentError, match=r"rm \.dvc/tmp/rwlock"):
        preflight.require(Path())
    lock.close()
    assert [trouble.subject for trouble in preflight.troubles(Path())] == ["DVC's lock file"], "doctor sees it"
    preflight.require(Path())
    assert not (project / ".dvc" / "tmp" / "rwlock").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_lock_file_that_dvc_wrote_is_none_of_our_business(project: Path) -> None:
    half_an_rwlock(project)
    (project / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"read": {}, "write": {}}))
    preflight.require(Path())


def test_without_git_the_line_says_what_it_is_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(FacesentError, match="git: not on PATH"):
        preflight.require(Path())


def test_a_lock_that_an_editor_holds_for_a_moment_is_waited_for(project: Path) -> None:
    lock = project / ".git" / "index.lock"
    lock.touch()
    with subprocess.Popen(["sh", "-c", "read _; rm .git/index.lock"], stdin=subprocess.PIPE) as editor:
        Timer(0.2, editor.communicate, [b"\n"]).start()
        preflight.require(Path())
    assert not lock.exists()


def test_a_worktree_has_an_index_of_its_own(project: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a", "--allow-empty"], check=True
    )
    subprocess.run(["git", "worktree", "add", "-q", str(tmp_path / "tree")], check=True)
    (project / ".git" / "worktrees" / "tree" / "index.lock").touch()
    assert not list(preflight.index_troubles(project))
    (trouble,) = preflight.index_troubles(tmp_path / "tree")
    assert trouble.advice.endswith("worktrees/tree/index.lock")


@pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"])
def test_a_variable_that_would_cut_trainings_short_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(FacesentError, match=f"{name}: cuts every training short, here to 1. Unset it"):
        preflight.require(Path())


def test_git_is_understood_in_any_language(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".git").rename(project / "no git")
    git = project / "bin" / "git"
    git.parent.mkdir()
    said = "[ $LC_ALL = C ] && echo 'fatal: not a git repository' || echo 'Kein Git-Repository'"
    git.write_text(f"#!/bin/sh\n({said}) >&2\nexit 128\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(project / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(FacesentError, match="git init"):
        preflight.require(Path())


def test_a_checkout_of_another_user_is_told_how_to_trust_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As git's own tests do, since this process may not give files away.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(FacesentError, match=f"safe.directory '{project}'"):
        preflight.require(Path())


@pytest.mark.parametrize("backend", ["theano", "tensorflow-metal"])
def test_a_backend_of_another_project_is_named(project: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(FacesentError, match=f"KERAS_BACKEND: expected .* Received: {backend}. Unset it"):
        preflight.require(Path())


def test_in_a_folder_of_the_project_its_root_is_named(project: Path) -> None:
    (project / "notebooks").mkdir()
    with pytest.raises(FacesentError, match=f"root folder: {project}$"):
        preflight.require(project / "notebooks")


@pytest.mark.slow
@pytest.mark.long
def test_a_user_id_without_a_name_runs_flows_and_commands(project: Path) -> None:
    (project / "dvc.yaml").write_text('stages: {first: {cmd: "touch one", outs: [one]}}')
    # In a user namespace of its own, so that it may be any id.
    (project / "prefect.toml").write_bytes((Path(__file__).parents[2] / "prefect.toml").read_bytes())
    nameless = ["unshare", "--user", "--map-user=12345", "env", "--unset=HOME", "--unset=USER", "--unset=LOGNAME"]
    if subprocess.run([*nameless, "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no user namespaces")
    python = [*nameless, sys.executable, "-m"]
    asked = subprocess.run([*python, "facesent.cli", "models"], capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "No version is registered yet" in asked.stdout
    flow = subprocess.run([*python, "flows.pipeline"], capture_output=True, text=True)
    assert (project / "one").exists(), flow.stderr
    assert "Traceback" not in flow.stderr


@pytest.mark.slow
def test_mlflows_database_lies_in_the_projects_folder_whatever_that_is_called(project: Path) -> None:
    folder = project.parent / "Größe & más #1 100% it's" / "a b?"
    folder.parent.mkdir()
    project.rename(folder)
    before = sorted(path.name for path in project.parent.iterdir())
    # The working folder was moved too.
    subprocess.run([sys.executable, "-m", "facesent.cli", "models"], cwd=folder, check=True)
    assert (folder / "mlflow.db").is_file()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(path.name for path in project.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("variable", "value", "refused"),
    [
        ("PYTHONOPTIMIZE", "2", True),
        ("PYTHONOPTIMIZE", "1", False),
        ("PYTHONWARNINGS", "error", True),
        ("PYTHONWARNINGS", "default,error::DeprecationWarning", True),
        ("PYTHONWARNINGS", "ignore,error::UserWarning:mine", False),
    ],
)
def test_what_libraries_end_at_when_they_are_imported_is_told(
    project: Path, variable: str, value: str, refused: bool
) -> None:
    command = [sys.executable, "-m", "facesent.run", "validate"]
    done = subprocess.run(
        command, env={**os.environ, variable: value}, capture_output=True, text=True, check=False, cwd=project
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {variable}: expected ") == refused
    assert done.stderr.count("\n") == 1
