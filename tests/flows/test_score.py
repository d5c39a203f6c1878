"""The flow on a network of eight numbers: started, killed, gone on with, and on Dask workers."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pandas as pd
import psutil
import pytest
from distributed import LocalCluster
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.settings import PREFECT_API_URL

from facesent.core.paths import Project
from facesent.scoring.plan import PlannedVersion
from facesent.scoring.shards import score as score_one
from flows.score import main, score
from flows.shards import Progress
from tests.helpers.object_storage import Storage
from tests.helpers.processes import survivors
from tests.helpers.scored import draw_photos, plan, version_of
from tests.helpers.trained_project import write_model
from tests.helpers.working_folders import working_folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

PHOTOS = 640
KILLS = 10
SECONDS = 300
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def root(own_home: Path, tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Iterator[Path]:
    """The working folder."""
    root = tmp_path_factory.mktemp("scored")
    with working_folder(root, empty_mlflow_database):
        draw_photos(root / "photos", PHOTOS)
        yield root


@pytest.fixture(scope="module")
def version(root: Path) -> PlannedVersion:
    return version_of(Project(root))


@pytest.fixture(scope="module")
def uninterrupted(root: Path, version: PlannedVersion) -> pd.DataFrame:
    """What one run without Prefect answers."""
    target = root / "uninterrupted"
    for number in range(plan(target, "photos", version).shards):
        score_one(root, target, number)
    return pd.read_parquet(target)


@pytest.fixture(scope="module")
def start(root: Path, prefect_server: None) -> Iterator[Start]:
    """Start the command in the project; what is left of it ends with the tests."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.score", *arguments],
            cwd=root,
            env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read_until(process: "subprocess.Popen[str]", pattern: str) -> None:
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if re.search(pattern, line):
            return
    raise AssertionError("".join(lines))


def test_each_shard_is_a_task_once(root: Path, version: PlannedVersion, uninterrupted: pd.DataFrame) -> None:
    plan(root / "tasks", "photos", version, shard_size=320)
    for shards in (["shard-00000", "shard-00001"], []):
        state = score("photos", "tasks", return_state=True)
        assert state.message == f"Version 1 answered {PHOTOS - 1} photos; 1 could not be read. See tasks"
        run = FlowRunFilter.model_validate({"id": {"any_": [state.state_details.flow_run_id]}})
        with get_client(sync_client=True) as client:
            assert sorted(task.name for task in client.read_task_runs(flow_run_filter=run)) == shards
    assert pd.read_parquet("tasks").equals(uninterrupted)


def test_a_kill_loses_no_finished_shard_and_the_next_run_ends_it(
    root: Path, version: PlannedVersion, start: Start, uninterrupted: pd.DataFrame
) -> None:
    plan(root / "killed", "photos", version, shard_size=32)
    process = start("photos", "killed")
    read_until(process, "Task run 'shard-.*Finished")
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert survivors(family) == []
    kept = {path.name: path.stat().st_mtime_ns for path in (root / "killed").glob("*.parquet")}
    assert 0 < len(kept) < PHOTOS / 32
    assert main(["photos", "killed"]) == 0
    after = {path.name: path.stat().st_mtime_ns for path in (root / "killed").glob("*.parquet")}
    assert kept.items() <= after.items()
    assert pd.read_parquet("killed").equals(uninterrupted)
    assert sorted(path.name for path in (root / "killed").iterdir()) == ["_plan", *sorted(after)]


@pytest.fixture
def bucket(root: Path, storage_server: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """An object storage that has the photos in a bucket."""
    from s3fs import S3FileSystem

    storage_server.use(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", storage_server.address)
    # It keeps its clients, and with them what the environment said.
    S3FileSystem.clear_instance_cache()
    client = storage_server.client()
    client.create_bucket(Bucket="photos")
    for photo in sorted((root / "photos").iterdir())[:64]:
        client.upload_file(str(photo), "photos", f"some/{photo.name}")
    yield storage_server
    S3FileSystem.clear_instance_cache()
    storage_server.empty()


def test_photos_in_an_object_storage_are_answered_as_those_in_a_folder(
    root: Path, version: PlannedVersion, bucket: Storage, uninterrupted: pd.DataFrame
) -> None:
    plan(root / "from-bucket", "s3://photos/some", version, shard_size=16)
    assert main(["s3://photos/some", "from-bucket"]) == 0
    answers = pd.read_parquet("from-bucket")
    assert list(answers["path"]) == [f"s3://photos/some/{Path(path).name}" for path in uninterrupted["path"][:64]]
    assert answers.drop(columns=["path", "error"]).equals(uninterrupted[:64].drop(columns=["path", "error"]))
    assert answers["error"].isna().equals(uninterrupted["error"][:64].isna())


def test_a_key_that_ends_is_no_fault_of_the_photos_and_the_next_run_ends_it(
    root: Path, version: PlannedVersion, bucket: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    from s3fs import S3FileSystem

    plan(root / "refused", "s3://photos/some", version, shard_size=16)
    score_one(root, root / "refused", 0)
    bucket.key()
    with bucket.asking_who_is_there():
        S3FileSystem.clear_instance_cache()
        assert main(["s3://photos/some", "refused"]) == 1
    said = capsys.readouterr().err
    assert "Expected s3://photos/some/" in said
    assert "Finished shards are kept" in said
    assert "Traceback" not in said
    assert len(list((root / "refused").glob("*.parquet"))) == 1
    S3FileSystem.clear_instance_cache()
    assert main(["s3://photos/some", "refused"]) == 0
    assert len(pd.read_parquet("refused")) == 64


def test_progress_says_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    now = iter([0.0, 1.0, 10.0, 20.0])
    monkeypatch.setattr("flows.shards.time.monotonic", lambda: next(now))
    progress = Progress(told.append, kept=1000, photos=7000)
    for done in (1100, 3000, 7000):
        progress.tell(done)
    assert told == [
        "1,000 of 7,000 photos are kept from an earlier run",
        "3,000 of 7,000 photos, 200 a second, 20 s left",
        "7,000 of 7,000 photos, 300 a second",
    ]


def test_what_is_missing_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photos", "unused"]) == 1
    said = capsys.readouterr().err
    assert "Expected a champion of facesent. Received: none" in said
    assert "Traceback" not in said


@pytest.mark.long
def test_killed_ten_times_at_random_every_row_is_there_once_and_equal(
    root: Path, version: PlannedVersion, start: Start, uninterrupted: pd.DataFrame
) -> None:
    random = Random(7)  # noqa: S311
    # So many shards that ten runs do not end them, however quick the machine.
    plan(root / "campaign", "photos", version, shard_size=2)
    done = [0]
    for _ in range(KILLS):
        process = start("photos", "campaign")
        if random.random() < 0.7:
            read_until(process, "Task run 'shard-.*Finished")
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        printed = process.communicate(timeout=SECONDS)[0]
        assert "Traceback" not in printed, printed
        done.append(len(list((root / "campaign").glob("*.parquet"))))
    assert done == sorted(done)
    assert 0 < done[-1] < PHOTOS / 2
    assert main(["photos", "campaign"]) == 0
    assert pd.read_parquet("campaign").equals(uninterrupted)


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=pytest.mark.long, id=each.name) for each in (signal.SIGTERM, signal.SIGINT)]
)
def test_ended_from_outside_it_takes_everything_along(
    root: Path, version: PlannedVersion, start: Start, number: signal.Signals
) -> None:
    target = f"ended-{number.name}"
    plan(root / target, "photos", version, shard_size=8)
    process = start("photos", target, "--dask", "local")
    read_until(process, "Task run 'shard-.*Finished")
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 128 + number
    assert "Traceback" not in printed, printed
    assert family
    assert survivors(family) == []


@pytest.mark.long
def test_workers_of_a_cluster_give_the_same_answers(
    root: Path, version: PlannedVersion, uninterrupted: pd.DataFrame
) -> None:
    plan(root / "cluster", "photos", version, shard_size=160)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert main(["photos", "cluster", "--dask", cluster.scheduler_address]) == 0
    assert pd.read_parquet("cluster")["path"].equals(uninterrupted["path"])
    assert pd.read_parquet("cluster").equals(uninterrupted)


@pytest.mark.long
def test_a_network_that_diverged_fails_the_run_and_leaves_no_rows(
    root: Path, version: PlannedVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Project(root / "diverged")
    write_model(other, ("Dark", "Light"), float("nan"))
    plan(root / "no-answers", "photos", PlannedVersion(1, other.model, other.labels, 0.0), shard_size=64)
    assert main(["photos", "no-answers"]) == 1
    said = capsys.readouterr().err
    assert "Expected finite probabilities" in said
    assert not list((root / "no-answers").glob("*.parquet"))


def test_a_list_of_wrong_paths_does_not_end_as_if_it_were_answered(root: Path, version: PlannedVersion) -> None:
    (root / "wrong.txt").write_text("path\n/nowhere/a.jpg\n")
    plan(root / "wrong", "wrong.txt", version)
    state = score("wrong.txt", "wrong", return_state=True)
    assert state.is_failed()
    assert state.message == (
        "Expected photos that can be read. Received: 2, of which none can. The column error in wrong says why. "
        "Correct the source, and name another target."
    )
