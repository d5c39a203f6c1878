"""A PostgreSQL server of the tests' own, with an empty database for each test."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from facesent.core.ports import free_port

_DEBIAN = Path("/usr/lib/postgresql")
_SECONDS = 60
# Tests need no safety from power cuts.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class Cluster:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        password: of the user ``facesent``; empty where it needs none.
        numbers: of its databases.
    """

    port: int
    password: str
    numbers: "count[int]"

    def database(self, template: str = "template1") -> str:
        """The address of a new database, as MLflow and the log of answers take it; a copy of another one."""
        name = f"facesent_{next(self.numbers)}"
        engine = create_engine(self.address("postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self.address(name)

    def address(self, database: str) -> str:
        """The address of a database."""
        user = f"facesent:{quote(self.password)}" if self.password else "facesent"
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"


@contextmanager
def running_cluster(password: str = "") -> Iterator[Cluster]:
    """A server while the block runs; skips the test where PostgreSQL's programs or its driver are missing.

    Args:
        password: that its clients have to give.
    """
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -e '.[postgres]'")
    programs = _programs()
    # As root it does not run.
    user = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    # Nobody may enter the folder that a test run has for its files.
    place = "/var/tmp" if user else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="facesent-postgres-", dir=place, ignore_cleanup_errors=True) as name:
        word = Path(name, "word")
        word.write_text(password or "none")
        word.chmod(0o644)
        data = Path(name, "data")
        if user:
            shutil.chown(name, "nobody")
        made = [
            programs / "initdb",
            "-A",
            "password" if password else "trust",
            "-U",
            "facesent",
            "--pwfile",
            word,
            "--no-sync",
            "-D",
            data,
        ]
        subprocess.run(made, check=True, cwd=name, stdout=subprocess.DEVNULL, **user)
        port = free_port()
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        with Path(name, "log").open("w") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", name, "-h", "127.0.0.1", "-p", str(port), *options],
                cwd=name, stdout=log, stderr=log, **user,
            )  # fmt: skip
            try:
                _wait_until_ready(programs, port, process, Path(name, "log"))
                yield Cluster(port, password, count(1))
            finally:
                # Fast: it does not wait for clients.
                process.send_signal(signal.SIGINT)
                process.wait(_SECONDS)


def _programs() -> Path:
    found = sorted(
        [*filter(None, [shutil.which("initdb")]), *map(str, _DEBIAN.glob("*/bin/initdb"))],
        key=lambda path: [int(part) for part in Path(path).parts if part.isdigit()],
    )
    if not found:
        pytest.skip("PostgreSQL's programs are not on this machine: apt-get install postgresql")
    return Path(found[-1]).resolve().parent


def _wait_until_ready(programs: Path, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if not subprocess.run(
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
        ).returncode:
            return
        time.sleep(0.1)
    pytest.fail(log.read_text())
