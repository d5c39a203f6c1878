"""A server's process around a model that needs no network, told on standard input as those of `facesent serve` are."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

from facesent.serving.gateway.settings import GatewaySettings, LogSettings

KEPT = LogSettings(photos=False, keep_days=30, embeddings=False, audit_share=0.5, queue=1000, corrections=3)
SETTINGS = GatewaySettings(
    max_body_bytes=1_000_000, max_rows=200, max_requests=64, request_seconds=20, hosts=(), state_file="none", log=KEPT
)
ROOT = Path(__file__).parents[2]


class Faces:
    """Answers every photo alike, and notes what it saw as a version does."""

    def __init__(self) -> None:
        from mlflow.models import Model

        from facesent.registry.packaging import signature

        self.metadata = Model(signature=signature(0.0))
        self._python_model = SimpleNamespace(observe=None)

    def unwrap_python_model(self) -> Any:
        return self._python_model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        seen = {"brightness": 90.5, "sharpness": 3.25, "width": 40, "height": 30, "embedding": [0.5, -2.0]}
        count = len(data["image"])
        if self._python_model.observe:
            self._python_model.observe([seen] * count)
        shares = {"Happy": 0.75, "Sad": 0.25}
        asked = dict(list(shares.items())[: (params or {}).get("top_k") or None])
        return [{"label": "Happy", "confidence": 0.75, "probabilities": asked, "version": 3, "box": None}] * count


class Answering:
    """The process and where it answers."""

    def __init__(self, process: subprocess.Popen[str], listener: socket.socket) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def ask(self, photos: int = 1, session: Any = requests, **headers: str) -> requests.Response:
        return session.post(
            f"{self.address}/invocations",
            json={"inputs": {"image": ["aGVsbG8="] * photos}},
            headers=headers,
            timeout=30,
        )

    def end(self) -> str:
        """Let it end as its starter would; what it wrote on stderr."""
        return self.process.communicate(timeout=60)[1]


@contextmanager
def answering(settings: GatewaySettings = SETTINGS, **variables: str) -> Iterator[Answering]:
    """Start it in the working folder; it was tried, and accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.answering", str(listener.fileno()), settings.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
                **variables,
            },
            pass_fds=[listener.fileno()],
        )
        try:
            port = json.loads(process.stdout.readline())["asked_at"]
            trial = requests.post(
                f"http://127.0.0.1:{port}/invocations", json={"inputs": {"image": ["eA=="]}}, timeout=30
            )
            assert trial.status_code == 200, trial.text
            process.stdin.write('{"accept": true}\n')
            process.stdin.flush()
            yield Answering(process, listener)
        finally:
            process.kill()
            process.communicate()


def main() -> None:
    from facesent.serving.gateway import worker

    worker._loaded = lambda dialogue: Faces()
    worker.main(sys.argv[1:])


if __name__ == "__main__":
    main()
