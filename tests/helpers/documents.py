"""The blocks of commands in the README and the docs, and a project of its own to run them in.

A comment above a block says what becomes of it: ``<!-- run -->``, ``<!-- tested in: FILE -->`` or
``<!-- not run: REASON -->``.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import yaml

from facesent.core.ports import HOST, free_port
from facesent.sources.drawn_faces.dataset import draw_dataset
from tests.helpers.small_network import SMALL_NETWORK

ROOT = Path(__file__).parents[2]
# In the order in which they run: training replaces the model that the others serve.
PAGES = [
    "README.md", "docs/index.md", "docs/data.md", "docs/deployments.md", "docs/containers.md", "docs/serving.md",
    "docs/live.md", "docs/scoring.md", "docs/storage.md", "docs/install.md", "docs/team.md", "docs/forget.md",
    "docs/tracking.md", "docs/training.md", "docs/results.md", "docs/design.md", "docs/structure.md",
    "benchmarks/README.md",
]  # fmt: skip

_FENCE = re.compile(r"^(?:<!-- (?P<mark>.*?) -->\n)?```(?P<language>\S*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_SMALL = {
    "validate": {"min_images_per_class": 3, "max_quarantined": 0.2, "min_side": 16},
    "model": SMALL_NETWORK,
    # Little patience: the docs ask for 40 epochs once.
    "train": {"epochs": 1, "early_stopping": {"monitor": "val_loss", "patience": 1}},
    "gate": {"min_accuracy": 0.0, "min_class_recall": 0.0, "max_latency_ms": None},
}
# Once done they take long to find out that there is nothing to do.
_ONCE = ("facesent promote", "python -m flows.pipeline")
_PATIENCE = 240.0
_GRACE = 20.0
_FOREIGN = ("DVC_", "FACESENT_", "GIT_", "MLFLOW_", "PREFECT_")


@dataclass(frozen=True)
class Server:
    """A command that does not end: where it answers, what it is asked, and what a test adds to it."""

    command: str
    address: str
    question: str
    options: str = ""


_SERVERS = (
    Server("mlflow ui", "127.0.0.1:5000", "/health", "--workers 1"),
    Server("mlflow models serve", "127.0.0.1:5000", "/ping"),
    Server("facesent serve", "127.0.0.1:5000", "/ping"),
    Server("facesent app", "127.0.0.1:8501", "/_stcore/health", "--no-browser"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: the page and line where it starts, the comment above it, its language and its text."""

    page: str
    line: int
    mark: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its lines without comments, continued ones joined."""
        joined = re.sub(r"\\\n|(?<=\|)\n", " ", self.code)
        lines = (re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start()].count("\n") + 1, found["mark"] or "", found["language"], found["code"])
        for found in _FENCE.finditer(text)
    ]


@dataclass
class Scratch:
    """A copy of the project with few and small images, in which blocks run without a net."""

    root: Path
    home: Path
    asked: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        """Copy the project, draw people, and commit twice."""
        listed = _output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT)
        for name in listed.splitlines():
            # These describe other images.
            if name.startswith(("tests/", "docs/pictures/")) or name in ("assignment.csv", "dvc.lock", "data.dvc"):
                continue
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        for section, values in _SMALL.items():
            params[section].update(values)
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        draw_dataset(self.home / "my-faces", persons=24, image_size=32, workers=1)
        self._make_environment()
        photo = min((self.home / "my-faces" / "Happy").iterdir())
        shutil.copy(photo, self.root / "party.jpg")
        self.run("git init --quiet && git add --all && git commit --quiet --message First")
        self.run("facesent data import ~/my-faces")
        self.run("git add --all && git commit --quiet --message Second")

    def _make_environment(self) -> None:
        """A `.venv` that is the running one, up to date in make's eyes; and a stand-in for the desktop."""
        environment = self.root / ".venv"
        environment.mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name != ".installed":
                (environment / path.name).symlink_to(path)
        (environment / ".installed").touch()
        opener = self.home / "bin" / "xdg-open"
        opener.parent.mkdir()
        opener.write_text('#!/bin/sh\ntest -s "$1"\n')
        opener.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """Of a terminal in the project, with the environment on PATH."""
        known = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        path = os.pathsep.join([str(self.home / "bin"), str(self.root / ".venv" / "bin"), os.environ["PATH"]])
        nowhere = "http://127.0.0.1:9"
        return {
            **known,
            "PATH": path,
            "HOME": str(self.home),
            "PYTHONPATH": str(self.root),
            "DVC_SITE_CACHE_DIR": str(self.home / "site"),
            **{f"GIT_{role}_{what}": "test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
        }

    def run_block(self, block: Block) -> str:
        """Run a block's commands in their order; what they printed. Servers answer until the block ends."""
        commands, printed, addresses = block.commands(), list[str](), dict[str, str]()
        # Each part is a shell of its own, and knows what was exported and activated before.
        prelude, part = ["set -euo pipefail"], list[str]()
        with ExitStack() as servers:
            for command in commands:
                for usual, actual in addresses.items():
                    command = command.replace(usual, actual)
                server = next((server for server in _SERVERS if server.command in command), None)
                if command in _ONCE and command in self.asked:
                    continue
                if server is None:
                    self.asked.add(command)
                    part.append(command)
                    continue
                printed.append(self.run("\n".join([*prelude, *part])))
                prelude += [line for line in part if line.startswith(("export ", "source "))]
                part = []
                if command not in self.asked or any(server.address in other for other in commands):
                    self.asked.add(command)
                    addresses[server.address] = servers.enter_context(self._serving(server, [*prelude, command]))
            printed.append(self.run("\n".join([*prelude, *part])))
        return "".join(printed)

    def run(self, script: str) -> str:
        """Run a script of bash; what it printed.

        Raises:
            AssertionError: it failed.
        """
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.root, env=self.environment(), text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}"
        return done.stdout

    @contextmanager
    def _serving(self, server: Server, lines: list[str]) -> Iterator[str]:
        """Run a server on a free port until the block ends; its address, once it answered."""
        address = f"{HOST}:{free_port()}"
        script = "\n".join(lines) + f" --port {address.partition(':')[2]} {server.options}"
        with TemporaryFile() as log:
            process = subprocess.Popen(
                ["bash", "-c", script], cwd=self.root, env=self.environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                if not _answers(process, f"http://{address}{server.question}"):
                    log.seek(0)
                    raise AssertionError(f"{script}\n{log.read()[-4000:].decode(errors='replace')}")
                yield address
            finally:
                _end(process)


def _answers(process: "subprocess.Popen[bytes]", address: str) -> bool:
    due = time.monotonic() + _PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < due and process.poll() is None:
        try:
            with opener.open(address, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With the workers that it started, which are of its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _output(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
