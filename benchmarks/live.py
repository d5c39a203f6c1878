"""A process of `facesent serve` for the length of a block, with a model that no registry has to know."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import create_server

from facesent.core.ports import HOST
from facesent.serving.gateway.settings import GatewaySettings, LogSettings
from facesent.serving.workers import worker_command, worker_environment

_BOUNDS = GatewaySettings(
    max_body_bytes=32_000_000, max_rows=256, max_requests=64, request_seconds=120, hosts=(), state_file=""
)
_KEPT = LogSettings(photos=False, keep_days=30, embeddings=False, audit_share=0.02, queue=10_000, corrections=20)


@dataclass(frozen=True)
class Live:
    """The process.

    Attributes:
        port: where it is asked.
        pid: its id.
    """

    port: int
    pid: int

    def memory(self, field: str = "VmRSS") -> int:
        """Resident bytes; ``VmHWM`` for their peak since ``forget_peak``."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition(f"\n{field}:")[2].split(maxsplit=1)[0]) * 1024

    def forget_peak(self) -> None:
        """The peak begins anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")


@contextmanager
def live(uri: str, folder: Path, *, log: bool) -> Iterator[Live]:
    """Serve a model.

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
            # Its log is in the folder, not where a team's is, and nobody needs the team's token.
            env=worker_environment(folder, metrics, without=("FACESENT_",)),
            pass_fds=[listener.fileno()],
        ) as process,
    ):
        try:
            _say(process, load=uri)
            said = json.loads((process.stdout and process.stdout.readline()) or "{}")
            if "asked_at" not in said:
                raise RuntimeError(f"Expected a server. Received: {said.get('failed')}")
            _say(process, accept=True)
            yield Live(listener.getsockname()[1], process.pid)
        finally:
            _say(process, end=True)


def _say(process: "subprocess.Popen[str]", **words: object) -> None:
    if process.stdin:
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
