"""Prefect over the functions of facesent: when things run, and what happens when they fail."""

import sys

from facesent.core.environment import name_user
from facesent.core.lifeline import exit_when_told

# So Python names itself while it looks for the module of `python -m flows.…`: Prefect takes seconds to import.
if sys.argv[0] == "-m":
    exit_when_told()
# Prefect asks for a home when it is imported.
name_user()
