"""Processes that hand an address on to each other, with a model that takes over every second."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from facesent.serving.gateway.settings import GatewaySettings

pytestmark = [pytest.mark.slow, pytest.mark.long]

CHANGES = 15
CLIENTS = 4
PROGRAM = """
import sys
from mlflow.models import Model
from facesent.registry.packaging import signature
from facesent.serving.gateway import worker

class Constant:
    metadata = Model(signature=signature(0.0))

    def predict(self, data, params=None):
        return [{"label": "Dark", "confidence": 1.0, "probabilities": {"Dark": 1.0}, "version": 1}] * len(data)

worker._loaded = lambda dialogue: Constant()
worker.main(sys.argv[1:])
"""
BODY = json.dumps({"inputs": {"image": ["AAAA"]}})
SETTINGS = GatewaySettings(1_000_000, 10, 64, 30, (), "")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener


def start(listener: socket.socket, folder: Path) -> "subprocess.Popen[str]":
    (folder / "state.json").write_text("{}")
    settings = replace(SETTINGS, state_file=str(folder / "state.json")).to_json()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(listener.fileno()), settings],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[listener.fileno()],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )  # fmt: skip
    assert process.stdout
    assert "asked_at" in json.loads(process.stdout.readline())
    return process


def tell(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin
    process.stdin.write(json.dumps({word: True}) + "\n")
    process.stdin.flush()


def asking(port: int, stop: threading.Event, keep: bool) -> Counter[int]:
    """Statuses of requests over one connection that is kept, or over a new one each."""
    statuses: Counter[int] = Counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    while not stop.is_set():
        connection.request("POST", "/invocations", BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        statuses[response.status] += 1
        if not keep:
            connection.close()
    return statuses


def test_no_connection_is_lost_while_processes_take_over(listener: socket.socket, tmp_path: Path) -> None:
    stop, port = threading.Event(), listener.getsockname()[1]
    current = start(listener, tmp_path)
    tell(current, "accept")
    with ThreadPoolExecutor(2 * CLIENTS) as pool:
        clients = [pool.submit(asking, port, stop, keep) for keep in [True, False] * CLIENTS]
        try:
            for _ in range(CHANGES):
                following = start(listener, tmp_path)
                tell(following, "accept")
                tell(current, "drain")
                assert current.wait(60) == 0
                current = following
        finally:
            stop.set()
        for client in clients:
            statuses = client.result()
            assert set(statuses) == {200}
            assert statuses.total() > CHANGES
        tell(current, "end")
        assert current.wait(60) == 0
