"""Prefect's settings from all its sources: variables, .env, prefect.toml, and the project's profiles."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.trouble import Trouble
from facesent.registry.credentials import without_credentials

# A setting may have names of old, and a file of profiles that is broken is only named where it is known.
_ASKED = """
import json, os
from pydantic import AliasChoices, ValidationError

def classes(of):
    return [of, *(each for below in of.__subclasses__() for each in classes(below))]

def names(title, field):
    of = next(each for each in classes(base.PrefectBaseSettings) if each.__name__ == title)
    alias = of.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [of.model_config["env_prefix"] + field]
    return [name.upper() for name in choices if isinstance(name, str)]

subject, said = ["Prefect"], {}
try:
    import prefect.settings as s
    from prefect.settings import base
    found = s.Settings()
    subject = [str(found.profiles_path)]
    s.load_profiles()
    said["settings"] = found.to_environment_variables()
except ValidationError as error:
    first = error.errors()[0]
    shown = first["input"] if isinstance(first["input"], str) else ""
    subject = names(error.title, str(first["loc"][0])) if first["loc"] else subject
    said["wrong"] = {"names": subject, "message": first["msg"], "value": shown}
except Exception as error:
    said["wrong"] = {"names": subject, "message": str(error), "value": ""}
print(json.dumps(said))
"""
_SECONDS = 60
_INPUT = "Input should be "
_SOURCES = "Correct it where it is set: a variable, .env, prefect.toml or .prefect/profiles.toml"


class SettingsError(FacesentError):
    """Prefect does not take its settings.

    Attributes:
        trouble: which one, why, and what to do.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


def settings(root: Path) -> Mapping[str, str]:
    """What flows in ``root`` run with, by the names of the variables; passwords too.

    Raises:
        SettingsError: a value or a file is wrong.
    """
    # In a process of its own, as importing Prefect changes the one that does.
    command = [sys.executable, "-P", "-c", _ASKED]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        what = f"expected its settings within {_SECONDS} s. Received: nothing"
        raise SettingsError(Trouble("Prefect", what, _SOURCES)) from None
    if done.returncode:
        last = without_credentials(done.stderr.strip().split("\n")[-1])
        what = f"expected a Prefect that starts. Received: {last}"
        raise SettingsError(Trouble("Prefect", what, "Install it again: make setup"))
    said = json.loads(done.stdout.splitlines()[-1])
    if wrong := said.get("wrong"):
        raise SettingsError(_trouble(wrong["names"], wrong["message"], wrong["value"]))
    found: dict[str, str] = said["settings"]
    # It was made by the import; one with something in it stays.
    with suppress(OSError):
        (root / found["PREFECT_HOME"]).rmdir()
    return found


def _trouble(names: list[str], message: str, value: str) -> Trouble:
    set_here = next((name for name in names if name in os.environ), "")
    said = without_credentials(" ".join(message.split())).rstrip(".")
    if message.startswith(_INPUT):
        what = f"expected {said.removeprefix(_INPUT)}. Received: {without_credentials(value) or 'something else'}"
    else:
        what = f"expected what Prefect can read. Received: {said}"
    if names[0].endswith(".toml"):
        return Trouble(names[0], what, f"Correct it by hand, or move it away: mv {names[0]} {names[0]}.old")
    return Trouble(set_here or names[0], what, f"Correct it, or unset it: unset {set_here}" if set_here else _SOURCES)
