"""A process of `facesent serve` for the length of a block, with a model that no registry has to know."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from socket import create_server

from facesent.serving.gateway.settings import GatewaySettings, LogSettings
from facesent.serving.server import HOST
from facesent.serving.workers import worker_command, worker_environment

_BOUNDS = GatewaySettings(
    max_body_bytes=32_000_000, max_rows=256, max_requests=64, request_seconds=120, hosts=(), state_file=""
)
_KEPT = LogSettings(photos=False, keep_days=30, embeddings=False, audit_share=0.02, queue=10_000, corrections=20)


@contextmanager
def live(uri: str, folder: Path, *, log: bool) -> Iterator[int]:
    """Serve a model; the port.

    Args:
        uri: MLflow's.
        folder: in which it runs, keeps its counts and its log; is made.
        log: whether answers are logged.
    """
    (metrics := folder / "metrics").mkdir(parents=True)
    settings = replace(_BOUNDS, state_file=str(folder / "state.json"), log=_KEPT if log else None)
    with (
        create_server((HOST, 0)) as listener,
        subprocess.Popen(
            worker_command(listener, settings),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=worker_environment(folder, metrics),
            pass_fds=[listener.fileno()],
        ) as process,
    ):
        try:
            _say(process, load=uri)
            said = json.loads((process.stdout and process.stdout.readline()) or "{}")
            if "asked_at" not in said:
                raise RuntimeError(f"Expected a server. Received: {said.get('failed')}")
            _say(process, accept=True)
            yield listener.getsockname()[1]
        finally:
            _say(process, end=True)


def _say(process: "subprocess.Popen[str]", **words: object) -> None:
    if process.stdin:
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
