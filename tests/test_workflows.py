"""What GitHub runs, as far as it runs here."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.documents import ROOT, Scratch

FOLDER = ROOT / ".github"
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((FOLDER / "workflows").glob("*.yml"))}
ENVIRONMENT = yaml.safe_load((FOLDER / "actions" / "environment" / "action.yml").read_text())


def steps() -> list[dict[str, Any]]:
    jobs = [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    return [step for job in jobs for step in job["steps"]]


def test_each_step_runs_what_there_is() -> None:
    for step in [*steps(), *ENVIRONMENT["runs"]["steps"]]:
        if command := step.get("run"):
            program, *arguments = command.split()
            if program == "make":
                assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            elif program not in ("echo", "touch"):
                assert os.access(ROOT / program, os.X_OK), command
        elif step["uses"].startswith("./"):
            assert (ROOT / step["uses"] / "action.yml").is_file()
            assert {*step["with"]} == {*ENVIRONMENT["inputs"]}
        else:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_the_cached_packages_are_those_of_the_lock() -> None:
    [cache] = [step for step in ENVIRONMENT["runs"]["steps"] if "cache@" in step.get("uses", "")]
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^\$\(STAMP\): requirements\.lock pyproject\.toml$", makefile, re.MULTILINE)
    assert "hashFiles('requirements.lock', 'pyproject.toml')" in cache["with"]["key"]
    assert "STAMP := $(VENV)/.installed" in makefile


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    subprocess.run(["actionlint"], cwd=ROOT, check=True)


@pytest.mark.slow
@pytest.mark.long
def test_a_pull_request_is_compared_with_its_base(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "project", tmp_path / "home")
    scratch.root.mkdir()
    scratch.home.mkdir()
    scratch.prepare()
    summary = tmp_path / "summary.md"
    base = scratch.run("git rev-parse HEAD").strip()
    with pytest.raises(AssertionError, match="Expected a fresh clone"):
        scratch.run(f".ci/compare {base}")
    scratch.run(
        "rm -r data && sed -i 's/  epochs: 1$/  epochs: 3/' params.yaml && git commit --quiet --all --message Longer"
    )
    printed = scratch.run(f"export GITHUB_STEP_SUMMARY={summary}\n.ci/compare {base}")
    page = summary.read_text()
    assert page in printed
    for part in (
        "### Compared with `base`",
        "Second, as run here",
        "Longer\n",
        "| `train.epochs` |",
        "### Verdict\n\n**",
    ):
        assert part in page
    assert "uncommitted" not in page
    assert "Out of date" not in page
    assert (scratch.root / "outputs" / "gate" / "report.html").is_file()
