"""Prefect over the functions of facesent: when things run, and what happens when they fail."""

import os
import sys
from itertools import chain

from facesent.core import certificates
from facesent.core.environment import draw_unseen, name_user
from facesent.core.lifeline import exit_when_told
from facesent.core.preflight import python_troubles
from facesent.registry.credentials import encoding_troubles

# So Python names itself while it looks for the module of `python -m flows.…`: Prefect takes seconds to import.
if sys.argv[0] == "-m":
    exit_when_told()
    # Prefect reads these when it is imported, and would end with a traceback.
    address = encoding_troubles("PREFECT_API_URL", os.environ.get("PREFECT_API_URL", ""))
    for trouble in chain(python_troubles(), address, certificates.troubles(certificates.OF_PREFECT)):
        sys.exit(f"Error: {trouble}")
# Prefect asks for a home when it is imported.
name_user()
draw_unseen()
