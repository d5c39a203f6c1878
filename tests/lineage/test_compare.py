import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from facesent.cli import main
from facesent.promotion.verdict import Check, Verdict

ROOT = Path(__file__).parents[2]
# A network that gets a point better with each epoch.
MEASURE = """
import json, pathlib, yaml
epochs = yaml.safe_load(open("params.yaml"))["train"]["epochs"]
folder = pathlib.Path("outputs/evaluate")
folder.mkdir(parents=True, exist_ok=True)
(folder / "summary.json").write_text(json.dumps({"test": {"accuracy": epochs / 100, "images": 92}}))
"""
STAGES = {
    "stages": {
        "evaluate": {
            "cmd": f"{sys.executable} measure.py",
            "params": ["train.epochs"],
            "outs": ["outputs/evaluate"],
        }
    },
    "metrics": ["outputs/evaluate/summary.json"],
}


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], catch_exceptions=False)


def command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def commit(message: str) -> None:
    command("git", "add", "--all")
    command("git", "commit", "--quiet", "--message", message)


def set_epochs(count: int) -> None:
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  epochs: 30\n", f"  epochs: {count}\n"))


def repro() -> None:
    command(sys.executable, "-m", "dvc", "repro", "--quiet")


@pytest.fixture
def trained(project: Path) -> Path:
    """Two commits, each with the measures of its settings; the first one is tagged."""
    Path(".gitignore").write_text("/outputs\n/home\n")
    Path("measure.py").write_text(MEASURE)
    Path("dvc.yaml").write_text(yaml.safe_dump(STAGES))
    for epochs, message in ((30, "First"), (40, "More _epochs_ | rows")):
        set_epochs(epochs)
        repro()
        commit(message)
        if message == "First":
            command("git", "tag", "first")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("text", ["train: [", "- a list", "\udcff"], ids=["no-yaml", "no-mapping", "no-text"])
def test_settings_of_a_commit_that_are_none_are_named(project: Path, text: str) -> None:
    Path("dvc.yaml").write_text(yaml.safe_dump(STAGES))
    Path("params.yaml").write_bytes(text.encode(errors="surrogateescape"))
    commit("Odd")
    result = compare("HEAD")
    assert result.exit_code == 1
    assert "Error: Expected" in result.output, result.output


@pytest.mark.slow
def test_a_commit_beside_the_folder(trained: Path) -> None:
    result = compare("first")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "Compared with `first`" in lines
    assert "| `train.epochs` | 30 | 40 |" in lines
    assert "| test.accuracy | 0.3 | 0.4 | +0.1 |" in lines
    assert "1 measure is the same." in lines
    assert "The gate has not judged here yet" in result.output
    assert not any(word in result.output for word in ("uncommitted", "Out of date", "images differ"))

    check = Check.of("accuracy", "share", 0.9, "at least", 0.6)
    trained.joinpath("outputs", "gate").mkdir()
    Path("outputs/gate/verdict.json").write_text(
        Verdict("VALIDATED", "All checks passed.", 3, None, (check,)).to_json()
    )
    Path("data.dvc").write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    set_epochs(50)
    result = compare("HEAD", "--markdown")
    assert result.output.startswith("### Compared with `HEAD`\n\n- `HEAD`: ")
    for part in (
        r"More \_epochs\_ \| rows, with uncommitted changes",
        "The images differ",
        "Out of date here: evaluate.",
        "### Settings\n\n| setting",
        "### Measures\n\n2 measures are the same.",
        "### Verdict\n\n**VALIDATED**: version 3. All checks passed.",
    ):
        assert part in result.output
    Path("outputs/gate/verdict.json").write_text("{}")
    assert "of another release" in compare("HEAD").output


@pytest.mark.slow
def test_what_cannot_be_compared_is_one_line(trained: Path) -> None:
    def refused(ref: str) -> str:
        result = compare(ref)
        assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
        return result.output

    for ref in ("nope", "HEAD~9", "HEAD:dvc.yaml", "first..HEAD", ""):
        assert f"Expected a branch, a tag or a commit of this repository. Received: {ref}." in refused(ref)
    root = subprocess.run(
        ["git", "rev-list", "--max-parents=0", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert "Expected params.yaml" in refused(root)
    shutil.rmtree("outputs")
    Path("dvc.lock").rename("lock")
    assert "Expected the outputs of this folder. Received: no " in refused("first")
    Path("lock").rename("dvc.lock")
    shutil.rmtree(".dvc/cache")
    said = refused("first")
    assert "Expected the outputs of first in DVC's cache. Received: no outputs/evaluate/summary.json." in said
    assert "dvc fetch --all-commits" in said


def test_without_git_it_says_so(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert "no repository around this folder" in compare("main").output
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git: not on PATH" in compare("main").output
