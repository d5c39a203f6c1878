"""`facesent serve` as people start it."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.processes import ended_with_block


@contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The command in a folder, untouched until the block ends; its address."""
    command = [sys.executable, "-m", "facesent.cli", "serve", "--port", "0"]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        reader = threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")))
        reader.start()
        try:
            with ended_with_block(process):
                wait_until(
                    lambda: "Documentation" in "".join(said) or process.poll() is not None, lambda: "".join(said)
                )
                assert process.poll() is None, "".join(said)
                [address] = re.findall(r"answers at (http://[\d.]+:\d+)", "".join(said))
                yield address
        finally:
            reader.join()


def wait_until(so: Callable[[], bool], why: Callable[[], str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, why()
        time.sleep(0.3)
