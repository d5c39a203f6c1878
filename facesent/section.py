"""What a section of ``params.yaml`` is, and how a stage reads only the sections that it declares."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from facesent.core.errors import FacesentError, in_words

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
# As many as every library takes.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
# Of a file's content; empty where there is no file.
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]

Value = TypeVar("Value")


class ParamsError(FacesentError):
    """``params.yaml`` is missing, is not YAML, or holds a key or a value that is not understood."""


class Section(BaseModel):
    """A group of settings; unknown keys are errors, so that a typo never trains silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_word_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name is not None:
            _refuse_word(value, cls.model_fields[info.field_name].annotation)
        return value


def _refuse_word(value: Any, kind: Any) -> None:
    """Refuse yes, no, on and off where a number is expected: YAML makes them true and false, and those are 1 and 0."""
    kinds = set(_kinds(kind))
    if not kinds & {int, float} or kinds & {bool, Any}:
        return
    if isinstance(value, bool) or (isinstance(value, list) and any(isinstance(each, bool) for each in value)):
        expected = "numbers" if isinstance(value, list) else "a number"
        or_null = " or null" if type(None) in kinds else ""
        raise PydanticCustomError("number_expected", f"Expected {expected}{or_null}")


def _kinds(kind: Any) -> Iterator[Any]:
    """A type, or the types of which it is made."""
    if isinstance(kind, type) or kind is Any:
        yield kind
    for inner in get_args(kind):
        yield from _kinds(inner)


# Octal and sexagesimal numbers of YAML 1.1.
_OTHERWISE_ELSEWHERE = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9]+)+)")

# libyaml's parser is ten times as fast; PyYAML can be built without it.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(_Loader):  # type: ignore[misc,valid-type]
    """YAML would let the last of two equal keys win without a word, and take 010 for 8, where DVC takes it for 10."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked = set[yaml.MappingNode]()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Afterwards a node has the keys of what it merges too, which its own may replace.
        if node not in self._checked:
            self._checked.add(node)
            _refuse_twice([key for key, _ in node.value])
        super().flatten_mapping(node)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        if _OTHERWISE_ELSEWHERE.fullmatch(node.value):
            what = f"{node.value}, which readers take for different numbers: write it in decimals, or in quotes,"
            raise yaml.constructor.ConstructorError(problem=what, problem_mark=node.start_mark)
        return int(super().construct_yaml_int(node))


_Plain.add_constructor("tag:yaml.org,2002:int", _Plain.construct_number)


def _refuse_twice(keys: Iterable[yaml.Node]) -> None:
    seen = set()
    for key in keys:
        if str(key.value) in seen:
            raise yaml.constructor.ConstructorError(problem=f"{key.value} twice", problem_mark=key.start_mark)
        seen.add(str(key.value))


def parse_yaml(text: str) -> Any:
    """What ``text`` says.

    Raises:
        yaml.YAMLError: it is no YAML, or has a key twice.
    """
    try:
        return yaml.load(text, _Plain)  # noqa: S506  # a safe loader
    except ValueError as error:
        # Of a date such as 2026-02-30.
        raise yaml.YAMLError(str(error)) from None


def read_yaml(path: Path) -> Any:
    """What ``path`` holds, unchecked.

    Raises:
        ParamsError: there is no such file, it cannot be read, or it is no YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"Expected the settings in {path}. Received: no such file. Run this in the project's root folder."
        ) from None
    except OSError as error:
        raise ParamsError(f"Expected the settings in {path}. Received: {in_words(error)}.") from None
    except UnicodeDecodeError as error:
        raise ParamsError(
            f"Expected UTF-8 in {path}. Received: other bytes, from the one with the number {error.start} on. Save the "
            "file in UTF-8."
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"Expected YAML in {path}. Received: {' '.join(str(error).split())}") from None


def section(path: Path, key: str, kind: type[Value]) -> Value:
    """One section of the settings, or one key of a section.

    Args:
        path: of ``params.yaml``; what else it holds is not looked at.
        key: such as ``train`` or ``serve.min_confidence``, as ``dvc.yaml`` declares it.
        kind: what it has to be, such as ``Train`` or ``float``.

    Raises:
        ParamsError: it is missing, or not of this kind.
    """
    value = read_yaml(path)
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ParamsError(f"{path} is not valid:\n  {key}: Field required.")
        value = value[name]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ParamsError(f"{path} is not valid:\n{explained(error, kind, key)}") from None


def explained(error: ValidationError, kind: Any, prefix: str = "") -> str:
    """A line for each key that was refused, with its full name, what was received, and for what it may be a typo.

    Args:
        error: of the validation.
        kind: that was validated, such as ``Train``.
        prefix: full name of the section.
    """
    lines = []
    known = [".".join(filter(None, [prefix, name])) for name in _keys(kind)]
    for item in error.errors():
        key = ".".join([*filter(None, [prefix]), *map(str, item["loc"])]) or "(the file)"
        # What lies around a missing key is no news.
        received = "" if item["type"] == "missing" else f" Received: {_shown(item['input'])}"
        meant = _alike(key, known) if item["type"] == "extra_forbidden" else []
        question = f". Did you mean {' or '.join(meant)}?" if meant else ""
        lines.append(f"  {key}: {item['msg']}.{received}{question}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    """A value as people may have written it."""
    if isinstance(value, bool):
        return "true, yes or on" if value else "false, no or off"
    return f"{value!r:.80}"


def _keys(kind: Any) -> Iterator[str]:
    """The keys of a section as the file has them, those of sections inside with their full names."""
    if not (isinstance(kind, type) and issubclass(kind, Section)):
        for inner in get_args(kind):
            yield from _keys(inner)
        return
    for name, found in kind.model_fields.items():
        yield found.alias or name
        yield from (f"{found.alias or name}.{inner}" for inner in _keys(found.annotation))


def _alike(key: str, known: list[str]) -> list[str]:
    """Those elsewhere that end as ``key`` does; else the one beside it that is spelt much like it."""
    parent, _, name = key.rpartition(".")
    elsewhere = [other for other in known if other.rpartition(".")[2] == name]
    beside = [other for other in known if other.rpartition(".")[0] == parent]
    return elsewhere or get_close_matches(key, beside, n=1, cutoff=0.8)
