import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from facesent.cli import main
from facesent.core.paths import Project
from facesent.params import load_params
from facesent.registry.lineage import lineage_tags

ROOT = Path(__file__).parents[2]


def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(main, ["lineage", *arguments], input=stdin, catch_exceptions=False)
    return result.exit_code, result.output


def lineage(what: str) -> dict[str, object]:
    code, output = run(what, "--json")
    assert code == 0, output
    found: dict[str, object] = json.loads(output)
    return found


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def run_id(project: Path, mlflow_store: Path) -> str:
    """A run at the last commit, with version 1, the champion; a second run is a training that failed."""
    import pandas as pd
    from mlflow.tracking import MlflowClient

    from facesent.registry import runs, versions
    from facesent.registry.recorder import begin_training

    (project / "presets").mkdir()
    (project / "presets" / "quick.yaml").write_bytes((ROOT / "presets" / "quick.yaml").read_bytes())
    text = (ROOT / "presets" / "quick.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("seed: 7", "seed: 8", 2))
    (project / "data.dvc").write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    git("add", "presets", "params.yaml", "data.dvc")
    git("commit", "--quiet", "--message", "Use seed 8")
    params = load_params(project / "params.yaml")
    frame = pd.DataFrame({"file_name": ["a.png"], "label": ["A"], "group": ["a"], "sha256": ["0"]})
    made, failed = (
        begin_training(Project(project), params, {"train": frame}, {"flow_run": "a-flow-run"}) for _ in range(2)
    )
    runs.tag_run(made, {runs.MODEL_TAG: "ab" * 32})
    runs.finish(made)
    runs.finish(failed, status="FAILED")
    client = MlflowClient()
    client.create_registered_model(versions.NAME)
    client.create_model_version(
        versions.NAME, str(project), made, tags=lineage_tags(Project(project), load_params(Project(project).params))
    )
    versions.set_alias("champion", 1)
    return made


@pytest.mark.slow
def test_every_name_leads_to_the_same_chain(run_id: str) -> None:
    answer = json.dumps({"label": "A", "confidence": 1.0, "version": "1"})
    chain = lineage("1")
    for name in ("champion", run_id, run_id[:12]):
        assert lineage(name) == chain
    code, output = run("-", stdin=answer)
    head = git("rev-parse", "HEAD")
    assert code == 0
    for part in (
        "1 (champion,",
        run_id,
        "a-flow-run",
        f"{head} Use seed 8",
        "0123.dir",
        "(1 images)",
        "preset quick, 2 settings differ:",
        "split.seed: 8 (preset: 7)",
        "ab" * 32,
    ):
        assert part in output


@pytest.mark.slow
def test_a_commit_leads_to_what_was_made_at_it(run_id: str) -> None:
    head = git("rev-parse", "HEAD")
    made = lineage(head[:10])
    assert made == lineage(head)
    chains = made["made"]
    assert isinstance(chains, list)
    assert [(chain["run"]["status"], len(chain["versions"])) for chain in chains] == [("FAILED", 0), ("FINISHED", 1)]
    assert run_id[:8] in run(head)[1]
    assert "No run was made at this commit" in run(git("rev-parse", "HEAD~1"))[1]


@pytest.mark.slow
def test_a_commit_that_git_has_lost_still_has_its_runs(run_id: str) -> None:
    head = git("rev-parse", "HEAD")
    git("update-ref", "-d", "HEAD")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    code, output = run(head[:8])
    assert code == 0
    assert f"{head} (not in this repository)" in output
    assert "(not in this repository)" in run("champion")[1]


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["missing", "refuses"])
def test_without_git_it_says_what_mlflow_knows(run_id: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git("rev-parse", "HEAD")
    if trouble == "missing":
        monkeypatch.setenv("PATH", "/nowhere")
    else:
        Path(".git/config").write_text("no settings")
    for name in (head[:8], "champion"):
        code, output = run(name)
        assert code == 0, output
        assert f"{head} (not in this repository)" in output


@pytest.mark.slow
def test_what_is_unknown_or_several_things_is_said(run_id: str) -> None:
    from mlflow.tracking import MlflowClient

    for name in ("nothing", "main", "HEAD~1", "abcd"):
        code, output = run(name)
        assert code == 1
        assert f"(1 champion) or an alias of one. Received: {name}, which is not a run or commit" in output
    assert run("-", stdin='{"label": "A", "version": "9"}')[1].endswith("Received: 9\n")
    experiment = MlflowClient().get_run(run_id).info.experiment_id
    for end in "12":
        MlflowClient().create_run(experiment, tags={"git_commit": "abcde" + end * 35})
    code, output = run("abcde")
    assert (code, output.count("\n")) == (1, 1)
    assert f"commit abcde{'1' * 35}" in output
    assert f"commit abcde{'2' * 35}" in output


@pytest.mark.usefixtures("mlflow_store")
def test_a_photo_in_the_place_of_its_answer(project: Path) -> None:
    code, output = run("a.jpg")
    assert code == 1
    assert "facesent predict PHOTO --json | facesent lineage -" in output


@pytest.mark.usefixtures("mlflow_store")
def test_a_photo_on_standard_input_is_no_answer(project: Path) -> None:
    result = CliRunner().invoke(main, ["lineage", "-"], input=b"\xff\xd8\xff\xe0", catch_exceptions=False)
    assert result.exit_code == 1
    assert "invalid JSON" in result.output


@pytest.mark.usefixtures("mlflow_store")
def test_before_anything_was_trained(project: Path) -> None:
    code, output = run("champion")
    assert code == 1
    assert "facesent promote" in output
