"""Prefect's API for one flow: the server that PREFECT_API_URL names, or a temporary one that ends with this process.

Prefect can start one itself, but that one gets the terminal's Ctrl-C before the flow has told it how it ended, outlives
a flow that is killed, and is waited for in silence, also where it has died.
"""

import atexit
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO

import prefect
import psutil
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

from facesent.core.errors import FacesentError
from facesent.core.ports import HOST, free_port
from facesent.core.programs import Process, child_environment, end_all, process_group, python, tied
from facesent.core.trouble import refuse
from facesent.doctor import prefect_home
from facesent.registry.credentials import without_credentials

_SECONDS_WITHOUT_A_SIGN = 30.0
_SECONDS_IN_SILENCE = 5.0
_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_OF_AN_END = 0.5
_SHOWN_LINES = 5
_AGAIN = "Run it again: finished stages are cached, and an interrupted training resumes."
# As Prefect starts its own.
_TEMPORARY = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


class ServerError(FacesentError):
    """There is no API of Prefect to be had; the message says why, and what to do."""


@contextmanager
def prefect_api() -> Iterator[Callable[[], None]]:
    """Let a block speak to Prefect's API.

    Yields:
        what waits until the temporary server answers; it starts while the block does something else.

    Raises:
        FacesentError: an address or a database that cannot be right.
        ServerError: in the block, a server that does not start.
    """
    settings = get_current_settings()
    refuse(prefect_home.profile_troubles(Path(), settings.to_environment_variables()))
    if address := PREFECT_API_URL.value():
        refuse(prefect_home.address_troubles(address))
        yield lambda: None
        return
    refuse(prefect_home.troubles(Path(), settings.to_environment_variables()))
    port = free_port()
    url = f"http://{HOST}:{port}/api"
    env = child_environment({**_TEMPORARY, **settings.to_environment_variables(exclude_unset=True)})
    with ExitStack() as begun:
        log = begun.enter_context(TemporaryFile())
        group = process_group(tied(_command(port)), Path(), env, lifeline=True, stdout=log, grace_seconds=1)
        server = begun.enter_context(group)
        # The last lines of a flow's log are sent when this process ends.
        atexit.register(begun.pop_all().close)
    over = Event()
    atexit.register(over.set)

    def ready() -> None:
        _wait(server, f"{url}/health", log)
        Thread(target=_end_with, args=[server, log, over], name="server's end", daemon=True).start()

    # A server that ends with the flow looks for no signs of its life; at its end they take up to a second.
    with temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield ready


def _command(port: int) -> list[str]:
    app = ("--app-dir", str(prefect.__module_path__.parent), "--factory", "prefect.server.api.server:create_app")
    return python("uvicorn", *app, "--host", HOST, "--port", str(port), "--log-level", "error")


def _wait(server: Process, health: str, log: IO[bytes]) -> None:
    import httpx

    begun = heard = time.monotonic()
    spent, told = 0.0, False
    with httpx.Client(trust_env=False) as client:
        while True:
            with suppress(httpx.TransportError):
                if client.get(health).is_success:
                    return
            now = time.monotonic()
            if not told and now - begun > _SECONDS_IN_SILENCE:
                told = True
                print("Waiting for Prefect's temporary server; the first start takes about 20 s.", file=sys.stderr)
            if server.poll() is not None:
                raise ServerError(_failed(f"it ended with status {server.returncode}", log))
            # Migrating its database, or loading its packages, it computes.
            if (computed := _seconds_computed(server)) > spent:
                spent, heard = computed, now
            if now - heard > _SECONDS_WITHOUT_A_SIGN:
                raise ServerError(_failed(f"no sign of life for {_SECONDS_WITHOUT_A_SIGN:.0f} s", log))
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _end_with(server: Process, log: IO[bytes], over: Event) -> None:
    """End this process if the server ends before it: Prefect would try to reach it for many minutes."""
    status = server.wait()
    # Whoever interrupts this process may end the server a moment earlier.
    if over.wait(_SECONDS_OF_AN_END):
        return
    what = f"it ended with status {status} while the flow was running"
    print(
        "\n".join([f"\nExpected Prefect's temporary server to keep running. Received: {what}.", *_said(log), _AGAIN]),
        file=sys.stderr,
    )
    end_all()
    sys.stderr.flush()
    os._exit(1)


def _seconds_computed(server: Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(server.pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _failed(what: str, log: IO[bytes]) -> str:
    expected = f"Expected Prefect's temporary server to start. Received: {what}."
    advice = prefect_home.advice(Path(), get_current_settings().to_environment_variables())
    return "\n".join([expected, *_said(log), advice])


def _said(log: IO[bytes]) -> list[str]:
    log.seek(0)
    said = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    # Tracebacks are for those who write it; the last line of one says what happened.
    told = [line for line in said if not line.startswith((" ", "Traceback"))]
    return [without_credentials(line) for line in told[-_SHOWN_LINES:]]
