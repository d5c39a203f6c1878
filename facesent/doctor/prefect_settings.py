"""Prefect's settings from all its sources: variables, .env, prefect.toml, and the project's profiles."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.registry.credentials import without_credentials

_ASKED = "import json, prefect.settings as s; print(json.dumps(s.Settings().to_environment_variables()))"
_SECONDS = 60


class SettingsError(FacesentError):
    """Prefect does not take its settings; the message says why."""


def settings(root: Path) -> Mapping[str, str]:
    """What flows in ``root`` run with, by the names of the variables; passwords too.

    Raises:
        SettingsError: a value is wrong.
    """
    # In a process of its own, as importing Prefect changes the one that does.
    command = [sys.executable, "-P", "-c", _ASKED]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SettingsError(f"Prefect does not tell its settings within {_SECONDS} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith((" ", "Traceback"))]
        raise SettingsError(f"expected settings that it takes. Received: {without_credentials(' '.join(said[-2:]))}")
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    # It was made by the import; one with something in it stays.
    with suppress(OSError):
        (root / found["PREFECT_HOME"]).rmdir()
    return found
