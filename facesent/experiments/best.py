"""The best values, written where people use them: a settings file with its comments, and a DVC command."""

import shlex
from pathlib import Path

import yaml

from facesent.experiments.space import Values
from facesent.presets import rewritten, save


def write_best(params: Path, values: Values, path: Path) -> None:
    """Write the settings with the best values, comments kept.

    Args:
        params: the settings as they are.
        values: key to value.
        path: of the new file, which may be ``params`` itself.

    Raises:
        ParamsError: the settings are not valid with these values.
    """
    save(rewritten(params.read_text(encoding="utf-8"), values), path)


def dvc_command(values: Values) -> str:
    """The experiment with these values, to be pasted into a shell."""
    overrides = (f"-S {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in values.items())
    return " ".join(["dvc exp run", *overrides])


def _yaml(value: object) -> str:
    # A scalar alone is followed by the end of its document.
    return yaml.safe_dump(value, default_flow_style=True, width=4096).removesuffix("\n").removesuffix("\n...")
