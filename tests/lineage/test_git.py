"""What git says is read whatever its user set."""

import subprocess
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.lineage.git import changed_files, commits_naming, commits_starting, text_at
from facesent.registry.lineage import _git_state


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("setting", ["color.ui=always", "core.pager=false", "grep.lineNumber=true"])
def test_commits_are_named_without_colours(project: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    git("config", "--global", name, value)
    (project / "facesent").mkdir()
    (project / "facesent" / "code.py").write_text("one = 1\n")
    (project / "people.csv").write_text("anna\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "People")
    commit = git("rev-parse", "HEAD")
    (project / "facesent" / "code.py").write_text("one = 2\n")
    (project / "facesent" / "new.py").touch()
    assert commits_naming(project, ["anna"], ["people.csv"]) == [commit[:8]]
    assert [found.sha for found in commits_starting(project, commit[:8])] == [commit]
    assert changed_files(project) == ["facesent/code.py"]
    assert text_at(project, "HEAD", "people.csv") == "anna\n"
    state = _git_state(Project(project).root)
    assert state == {
        "git_commit": commit,
        "git_dirty": "true",
        "git_changes": "facesent/code.py",
        "git_untracked": "facesent/new.py",
    }
