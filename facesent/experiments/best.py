"""The best values, written where people use them: a settings file with its comments, and a DVC command."""

import shlex
from io import StringIO
from pathlib import Path

import yaml
from ruamel.yaml import YAML

from facesent.core.files import replaced
from facesent.experiments.space import Values
from facesent.params import load_params


def write_best(params: Path, values: Values, path: Path) -> None:
    """Write the settings with the best values, comments kept.

    Args:
        params: the settings as they are.
        values: key to value.
        path: of the new file, which may be ``params`` itself.

    Raises:
        ParamsError: the settings are not valid with these values.
    """
    text = with_values_in(params.read_text(encoding="utf-8"), values)
    with replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")
        load_params(draft)


def with_values_in(text: str, values: Values) -> str:
    """YAML with some values replaced, and all else as it was."""
    reader = YAML()
    reader.preserve_quotes = True
    reader.width = 4096  # no line is broken that was whole
    # ruamel would leave the place of a null empty.
    reader.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    settings = reader.load(text)
    for key, value in values.items():
        *sections, name = key.split(".")
        section = settings
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    written = StringIO()
    reader.dump(settings, written)
    return written.getvalue()


def dvc_command(values: Values) -> str:
    """The experiment with these values, to be pasted into a shell."""
    overrides = (f"-S {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in values.items())
    return " ".join(["dvc exp run", *overrides])


def _yaml(value: object) -> str:
    # A scalar alone is followed by the end of its document.
    return yaml.safe_dump(value, default_flow_style=True, width=4096).removesuffix("\n").removesuffix("\n...")
