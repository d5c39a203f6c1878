"""Prefect over the functions of facesent: when things run, and what happens when they fail."""

import os
import sys
from contextlib import redirect_stderr
from io import StringIO
from itertools import chain
from pathlib import Path

from facesent.core import certificates
from facesent.core.environment import draw_unseen, name_user
from facesent.core.lifeline import exit_when_told
from facesent.core.preflight import python_troubles
from facesent.doctor.prefect_settings import SettingsError, settings
from facesent.registry.credentials import encoding_troubles


def _import_prefect() -> None:
    """End with one line where Prefect does not take its settings, as it reads them when it is imported."""
    # It says there what it then ends with.
    said = StringIO()
    try:
        with redirect_stderr(said):
            import prefect.context  # noqa: F401
    except Exception:
        try:
            settings(Path())
        except SettingsError as error:
            sys.exit(f"Error: {error}")
        raise
    sys.stderr.write(said.getvalue())


# So Python names itself while it looks for the module of `python -m flows.…`: Prefect takes seconds to import.
_STARTS = sys.argv[0] == "-m"
if _STARTS:
    exit_when_told()
    # Prefect reads these when it is imported, and would end with a traceback.
    address = encoding_troubles("PREFECT_API_URL", os.environ.get("PREFECT_API_URL", ""))
    for trouble in chain(python_troubles(), address, certificates.troubles(certificates.OF_PREFECT)):
        sys.exit(f"Error: {trouble}")
# Prefect asks for a home when it is imported.
name_user()
draw_unseen()
if _STARTS:
    _import_prefect()
