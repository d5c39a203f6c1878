"""Each benchmark runs, on next to nothing: its figures then mean nothing, but code that it calls has not moved away."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures are drawn once for all."""
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_in_its_smallest_size_and_no_peer_that_is_installed_drops_out(name: str, scratch: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", name, "--small", "--scratch", str(scratch)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    rows = rows_of(done.stdout)
    assert rows
    assert {row["benchmark"] for row in rows} == {name}
    assert all(row["ours"] for row in rows)
    assert [row for row in rows if row["theirs"].startswith(("failed", "died", "its server"))] == [], done.stderr
    assert not any("lost something" in row["ours"] for row in rows), done.stdout


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("home")
def test_a_teams_log_of_answers_and_its_token_have_nothing_to_do_with_a_benchmark(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESENT_ANSWERS_URI", f"sqlite:///{tmp_path}/team.db")
    monkeypatch.setenv("FACESENT_TOKEN", "of-the-team")
    command = [sys.executable, "-m", "benchmarks", "serving", "--small", "--scratch", str(scratch)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "team.db").exists()


def rows_of(text: str) -> list[dict[str, str]]:
    head, _, *rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [dict(zip([cell.strip() for cell in head], [cell.strip() for cell in row], strict=True)) for row in rows]
