import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zc.lockfile

from flows.dvc_stages import (
    DvcBusyError,
    StageCrashedError,
    StageError,
    StageKilledError,
    StageResult,
    pipeline_stages,
    repro,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")]

PipelineOf = Callable[[Mapping[str, Mapping[str, Any]]], Path]


def copy(source: str, target: str) -> dict[str, Any]:
    """A stage that copies a file and says so."""
    code = f"import shutil; print(shutil.copy('{source}', '{target}'))"
    return {"cmd": f'python -c "{code}"', "deps": [source], "outs": [target]}


DIAMOND = {
    "last": copy("right", "end") | {"deps": ["left", "right"]},
    "right": copy("start", "right"),
    "left": copy("start", "left"),
    "first": copy("photo", "start"),
}


def test_stages_come_in_the_order_in_which_dvc_runs_them(pipeline_of: PipelineOf) -> None:
    root = pipeline_of(DIAMOND)
    (root / "photo").write_text("1")
    planned = pipeline_stages(root)
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=root, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("Running stage")]
    assert [line.split("'")[1] for line in lines] == planned
    assert sorted(planned) == sorted(DIAMOND)


def test_data_files_are_no_stages(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"first": copy("photo", "start")})
    (root / "photo").write_text("1")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "photo"], cwd=root, check=True)
    assert pipeline_stages(root) == ["first"]


def test_a_stage_of_a_subfolder_is_named_from_the_root_wherever_this_process_is(
    pipeline_of: PipelineOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pipeline_of({"first": copy("photo", "start")})
    (root / "photo").write_text("1")
    (root / "more").mkdir()
    (root / "dvc.yaml").rename(root / "more" / "dvc.yaml")
    (root / "photo").rename(root / "more" / "photo")
    monkeypatch.chdir(tmp_path)
    [stage] = pipeline_stages(root)
    assert stage == "more/dvc.yaml:first"
    assert repro(stage, root, print) is StageResult.RAN


@pytest.mark.parametrize("text", ["stages: {}", "stages: [", "stages: {a: {command: b}}"])
def test_a_pipeline_that_cannot_be_read_is_named(project: Path, text: str) -> None:
    (project / "dvc.yaml").write_text(text)
    with pytest.raises(StageError, match=r"Expected .*Received"):
        pipeline_stages(project)


def test_a_tab_in_the_settings_is_told_by_its_line(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"first": {"cmd": "true", "params": ["split.seed"]}})
    (root / "params.yaml").write_text("split:\n  val: 0.1\n\tseed: 7\n")
    with pytest.raises(StageError, match=r"params\.yaml.* line 3, column 1"):
        pipeline_stages(root)


def test_a_folder_without_dvc_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="Expected a DVC pipeline"):
        pipeline_stages(tmp_path)


def test_a_stage_ran_then_is_cached_and_restored(pipeline_of: PipelineOf) -> None:
    root = pipeline_of(DIAMOND)
    photo, printed = root / "photo", list[str]()
    photo.write_text("1")
    assert repro("first", root, printed.append) is StageResult.RAN
    assert "start" in printed, "what the stage prints arrives as lines"
    assert repro("first", root, print) is StageResult.CACHED
    photo.write_text("2")
    assert repro("first", root, print) is StageResult.RAN
    photo.write_text("1")
    assert repro("first", root, print) is StageResult.CACHED, "DVC has that result from the first run"
    assert (root / "start").read_text() == "1"


def test_what_ran_before_it_is_not_the_stages_own_run(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"first": copy("photo", "start"), "fir": copy("start", "end")})
    (root / "photo").write_text("1")
    for stage in ("first", "fir"):
        repro(stage, root, print)
    (root / "start").unlink()
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("print", "repr", 1))
    assert repro("fir", root, print) is StageResult.CACHED


def test_changed_data_is_taken_over(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"first": copy("photo", "start")})
    (root / "photo").write_text("1")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "photo"], cwd=root, check=True)
    before = (root / "photo.dvc").read_text()
    (root / "photo").write_text("2")
    assert repro("first", root, print) is StageResult.RAN
    assert (root / "photo.dvc").read_text() != before


def test_a_failure_says_what_the_stage_said(pipeline_of: PipelineOf) -> None:
    code = "import sys; print('scanning'); sys.exit('Expected a face. Received: a cow.')"
    root = pipeline_of({"look": {"cmd": f'python -c "{code}"'}})
    with pytest.raises(StageError) as failure:
        repro("look", root, print)
    assert not isinstance(failure.value, DvcBusyError)
    assert str(failure.value) == "Stage look failed. scanning\nExpected a face. Received: a cow."


def test_a_stages_own_message_is_what_it_failed_with(pipeline_of: PipelineOf) -> None:
    code = "print('| a table |'); print('Error: Expected a face. Received:'); print('  a cow'); raise SystemExit(1)"
    root = pipeline_of({"look": {"cmd": f'python -c "{code}"'}})
    with pytest.raises(StageError) as failure:
        repro("look", root, print)
    assert str(failure.value) == "Stage look failed. Expected a face. Received:\n  a cow"


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stage_that_a_signal_ended_says_so_with_its_last_lines(
    pipeline_of: PipelineOf, number: signal.Signals, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", shell)
    code = f"import os; print('epoch 1', flush=True); os.kill(os.getpid(), {number})"
    # Several commands: of a single one, bash says nothing, as it becomes that.
    root = pipeline_of({"look": {"cmd": f'true && python -c "{code}"; exit $?'}})
    with pytest.raises(StageKilledError, match=rf"^Stage look was ended by {number.name}: .*\nepoch 1(\n|$)"):
        repro("look", root, print)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL])
def test_a_stage_that_crashed_is_told_as_such(pipeline_of: PipelineOf, number: signal.Signals) -> None:
    root = pipeline_of({"look": {"cmd": f"echo epoch 1; kill -{number} $$"}})
    with pytest.raises(StageCrashedError, match=rf"^Stage look crashed with {number.name}, in a library .*\nepoch 1"):
        repro("look", root, print)


def test_a_kill_of_dvc_alone_is_named_too(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"look": {"cmd": "echo epoch 1; kill -9 $PPID"}})
    with pytest.raises(StageKilledError, match=r"^Stage look was ended by SIGKILL: "):
        repro("look", root, print)


def test_a_failure_without_words_names_dvcs_reason(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"look": {"cmd": "exit 3"}})
    with pytest.raises(StageError, match="exited with 3"):
        repro("look", root, print)


def test_an_unknown_stage_is_named(pipeline_of: PipelineOf) -> None:
    root = pipeline_of(DIAMOND)
    with pytest.raises(StageError, match="'middle' not found"):
        repro("middle", root, print)


def test_another_dvc_command_is_no_failure_of_the_stage(pipeline_of: PipelineOf) -> None:
    root = pipeline_of(DIAMOND)
    (root / "photo").write_text("1")
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    lock = zc.lockfile.LockFile(root / ".dvc" / "tmp" / "lock")
    try:
        with pytest.raises(DvcBusyError, match="another DVC process"):
            repro("first", root, print)
    finally:
        lock.close()
    assert repro("first", root, print) is StageResult.RAN


def test_a_stage_under_way_elsewhere_is_no_failure_of_the_stage(pipeline_of: PipelineOf) -> None:
    wait = "python -c \"import pathlib; print('started', flush=True); pathlib.Path('gate').read_text()\""
    root = pipeline_of({"first": {"cmd": wait, "outs": ["start"]}})
    subprocess.run(["mkfifo", root / "gate"], check=True)
    command = [sys.executable, "-m", "dvc", "repro", "first"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
        assert other.stdout
        next(line for line in other.stdout if line == "started\n")
        try:
            with pytest.raises(DvcBusyError, match=f"PID {other.pid}"):
                repro("first", root, print)
        finally:
            (root / "gate").write_text("")
