import subprocess
from pathlib import Path

import pytest

from facesent.lineage.git import ReproductionError, worktree


def worktrees() -> int:
    return len(subprocess.run(["git", "worktree", "list"], capture_output=True, check=True).stdout.splitlines())


def left(project: Path) -> list[str]:
    return [path.name for path in (project / ".dvc" / "tmp").glob("reproduce-*")]


def test_the_checkout_vanishes_whatever_happens(project: Path) -> None:
    def interrupted() -> None:
        with worktree(project, "HEAD") as tree:
            assert (tree.project / ".dvc" / "config").is_file()
            assert worktrees() == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert worktrees() == 1
    assert left(project) == []


def test_what_a_kill_left_is_removed_by_the_next_run(project: Path) -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    (project / ".dvc" / "tmp" / f"reproduce-{done.pid}-killed").mkdir(parents=True)
    with worktree(project, "HEAD") as tree:
        assert left(project) == [tree.scratch.name]


def test_two_at_once_leave_each_other_alone(project: Path) -> None:
    with worktree(project, "HEAD") as one, worktree(project, "HEAD") as other:
        assert one.project.is_dir()
        assert one.project != other.project


def test_the_hooks_of_the_repository_do_not_run(project: Path) -> None:
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {project}/ran\n")
    hook.chmod(0o755)
    with worktree(project, "HEAD"):
        assert not (project / "ran").exists()


def test_a_commit_that_is_not_there_says_what_to_do(project: Path) -> None:
    with pytest.raises(ReproductionError, match="git fetch"), worktree(project, "f" * 40):
        pass
    assert left(project) == []


def test_no_repository(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ReproductionError, match="git repository"), worktree(tmp_path, "HEAD"):
        pass
