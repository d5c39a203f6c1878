import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from flows.clusters import ClusterError, cancelled_in_dask, task_runner

pytestmark = pytest.mark.slow


def wait_until_unwanted(folder: Path) -> None:
    """What a fold's task does in a worker: look now and then whether its flow still wants it."""
    unwanted = cancelled_in_dask()
    (folder / "started").write_text(str(unwanted()))
    while not unwanted():
        time.sleep(0.05)
    (folder / "noticed").touch()


def appears(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


@pytest.fixture(scope="module")
def cluster() -> LocalCluster:
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster


def test_a_task_learns_that_it_is_cancelled(cluster: LocalCluster, tmp_path: Path) -> None:
    with Client(cluster, set_as_default=False) as client:
        future = client.submit(wait_until_unwanted, tmp_path)
        assert appears(tmp_path / "started")
        assert (tmp_path / "started").read_text() == "False"
        future.cancel()
        assert appears(tmp_path / "noticed")


def test_a_task_learns_that_its_client_is_gone(cluster: LocalCluster, tmp_path: Path) -> None:
    client = Client(cluster, set_as_default=False)
    future = client.submit(wait_until_unwanted, tmp_path)
    assert appears(tmp_path / "started")
    client.close()
    assert future.client is client
    assert appears(tmp_path / "noticed")


def test_outside_a_cluster_a_task_is_always_wanted() -> None:
    assert not cancelled_in_dask()()


def test_a_cluster_without_workers_is_named() -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(ClusterError, match=r"Expected workers .*Received: none.*dask worker"),
    ):
        task_runner(empty.scheduler_address, jobs=1)
