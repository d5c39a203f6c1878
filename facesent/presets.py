"""Presets: ``quick`` is complete, the others override it; and how settings differ from a preset."""

import ast
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from yaml import YAMLError

from facesent.core.files import replaced
from facesent.core.nested import flatten, with_values
from facesent.core.paths import Project
from facesent.params import Params, load_params
from facesent.section import ParamsError, parse_yaml, read_yaml

if TYPE_CHECKING:
    from ruamel.yaml import YAML

# Never the params.yaml of the moment: what a preset says must not depend on the one before.
BASE = "quick"
_ABSENT = object()


def presets(root: Path) -> dict[str, str]:
    """Name to the whole settings, as text with comments, of each preset of the project in ``root``, sorted.

    A project without a folder ``presets/`` has those that came with the package. What cannot be read is left out.
    """
    return whole({name: _text_of(path) for name, path in files(root).items()})


def files(root: Path) -> dict[str, Path]:
    """Name to file of each preset, readable or not, sorted; editors and macOS write hidden files beside them."""
    return {path.stem: path for path in sorted(Project(root).presets.glob("[!.]*.yaml"))}


def preset(root: Path, name: str) -> str:
    """One of ``presets``.

    Raises:
        ParamsError: there is none of that name, or it cannot be read.
    """
    known = presets(root)
    if name in known:
        return known[name]
    there = files(root)
    for path in filter(None, [there.get(name), there.get(BASE)] if name in there else []):
        _require_settings(path)
    raise ParamsError(f"Expected one of the presets {', '.join(known) or '(none here)'}. Received: {name}")


def description(name: str, text: str) -> str:
    """The first sentence of a preset's comment."""
    head = " ".join(line.lstrip("# ").rstrip() for line in _split_head(text)[0].splitlines())
    return head.removeprefix(f'Preset "{name}": ').partition(". ")[0].rstrip(".") + "."


def whole(texts: Mapping[str, str | None]) -> dict[str, str]:
    """The files in ``presets/`` laid over the base; one that is whole stays what it says.

    None stands for one that cannot be read; it is left out, as what is no settings. All are where the base is such.
    """
    known = {name: text for name, text in sorted(texts.items()) if text is not None and _is_settings(text)}
    if BASE in texts and BASE not in known:
        return {}
    base = known.get(BASE, "")
    return {name: text if name == BASE else _over(base, text) for name, text in known.items()}


def load_preset(root: Path, name: str) -> Params:
    """The settings of a preset, checked."""
    return Params.model_validate(parse_yaml(preset(root, name)))


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """YAML with the values of some dotted keys replaced, and all else as it was, comments too."""
    writer = _comments_kept()
    return _dumped(writer, with_values(writer.load(text), values))


def write_values(params: Path, values: Mapping[str, Any], path: Path) -> None:
    """Write settings with other values of some dotted keys, comments kept.

    Args:
        params: the settings as they are.
        values: key to value.
        path: of the new file, which may be ``params`` itself.

    Raises:
        ParamsError: the settings are not valid with these values.
    """
    save(rewritten(params.read_text(encoding="utf-8"), values), path, str(params))


def save(text: str, path: Path, source: str = "") -> None:
    """Write settings, if they are valid; ``path`` never holds others, nor half of them.

    Args:
        text: the settings.
        path: of the file.
        source: where they are from, for a person to correct them there; by default ``path``.

    Raises:
        ParamsError: they are not valid.
    """
    with replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")
        try:
            load_params(draft)
        except ParamsError as error:
            raise ParamsError(str(error).replace(str(draft), source or str(path))) from None


def files_of(root: Path, name: str) -> str:
    """The files that a preset of the project in ``root`` is made of: its own, over that of the base."""
    known = files(root)
    return " over ".join(str(known[each]) for each in dict.fromkeys((name, BASE)) if each in known)


@dataclass(frozen=True)
class Change:
    """One setting that is not the preset's; None for one that the preset, or the run, does not have."""

    key: str
    preset: str | None
    run: str | None


@dataclass(frozen=True)
class Settings:
    """The nearest preset and what differs from it."""

    preset: str
    changes: tuple[Change, ...]


def nearest_preset(params: Mapping[str, Any], known: Mapping[str, str]) -> Settings | None:
    """Compare settings with presets.

    Args:
        params: dotted key to value, or to its text.
        known: as ``presets`` gives them; those of another release may have other keys.

    Returns:
        the preset with the fewest differences, the first of equals; None without presets or settings.
    """
    if not params:
        return None
    compared = (Settings(name, differences(_flat_preset(text, params), params)) for name, text in known.items())
    return min(compared, key=lambda settings: len(settings.changes), default=None)


def differences(preset: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs between two tables of settings; 1, 1.0 and their texts are the same."""
    keys = [key for key in dict.fromkeys((*preset, *run)) if _value(preset, key) != _value(run, key)]
    return tuple(Change(key, _text(preset, key), _text(run, key)) for key in keys)


def literal(text: str) -> Any:
    """What a setting was before MLflow made it text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _flat_preset(text: str, params: Mapping[str, Any]) -> dict[str, Any]:
    nested = parse_yaml(text) or {}
    given = flatten(nested)
    try:
        known = Params.model_validate(nested).flat()
    except ValidationError:
        return given
    # A run of a release that did not know a key differs in nothing from one that leaves it at its default.
    return {key: value for key, value in known.items() if key in given or key in params}


def _value(settings: Mapping[str, Any], key: str) -> Any:
    value = settings.get(key, _ABSENT)
    return literal(value) if isinstance(value, str) else value


def _text(settings: Mapping[str, Any], key: str) -> str | None:
    return str(settings[key]) if key in settings else None


def _text_of(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return None


@cache
def _is_settings(text: str) -> bool:
    try:
        return isinstance(parse_yaml(text) or {}, Mapping)
    except YAMLError:
        return False


def _require_settings(path: Path) -> None:
    if not isinstance(read_yaml(path) or {}, Mapping):
        raise ParamsError(f"Expected settings, KEY: VALUE in each line, in {path}. Received: something else.")


@cache
def _over(base: str, text: str) -> str:
    """``text`` laid over ``base``: under the first lines of ``text``, with the comments of ``base``."""
    writer = _comments_kept()
    settings = writer.load(_split_head(base)[1]) or {}
    _lay(writer.load(text) or {}, settings)
    return f"{_split_head(text)[0]}\n{_dumped(writer, settings)}"


def _split_head(text: str) -> tuple[str, str]:
    """The first comment lines, and the rest."""
    lines = text.splitlines(keepends=True)
    head = list(takewhile(lambda line: line.startswith("#"), lines))
    return "".join(head), "".join(lines[len(head) :])


def _lay(overlay: Mapping[str, Any], settings: MutableMapping[str, Any]) -> None:
    for name, value in overlay.items():
        if _is_section(value) and _is_section(settings.get(name)):
            _lay(value, settings[name])
        else:
            settings[name] = value


def _is_section(value: Any) -> bool:
    # What sweep.space holds are keys of other sections: a space is one value.
    return isinstance(value, Mapping) and bool(value) and not any("." in str(name) for name in value)


def _comments_kept() -> "YAML":
    from ruamel.yaml import YAML

    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 4096  # no line is broken that was whole
    # ruamel would leave the place of a null empty.
    writer.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return writer


def _dumped(writer: "YAML", settings: Any) -> str:
    written = StringIO()
    writer.dump(settings, written)
    return written.getvalue()
