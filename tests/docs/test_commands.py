"""Every command in the README and the docs exists, and runs here or says which test runs it or why none does."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from tests.helpers.documents import PAGES, ROOT, Block, Scratch, blocks

# The shell's own, and programs that others make.
_GIVEN = {
    "awk", "cat", "cd", "chmod", "createdb", "curl", "docker", "echo", "eval", "export", "git", "head", "mlflow",
    "prefect", "prometheus", "promtool", "source", "ulimit", "xdg-open",
}  # fmt: skip
_COMMANDS = [block for page in PAGES for block in blocks(page) if block.language != "text"]


def test_each_page_is_read() -> None:
    pages = {"README.md", "benchmarks/README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))}
    # It includes benchmarks/README.md.
    assert pages - {"docs/speed.md"} == set(PAGES)
    fences = {page: (ROOT / page).read_text().count("\n```") for page in PAGES}
    assert fences == {page: 2 * len(blocks(page)) for page in PAGES}


@pytest.mark.parametrize("block", _COMMANDS, ids=str)
def test_each_block_runs_or_says_why_not(block: Block) -> None:
    kind, _, reason = block.mark.partition(": ")
    assert block.language == "bash" or (block.language == "python" and kind == "tested in")
    match kind:
        case "run":
            assert not reason
        case "tested in":
            assert (ROOT / reason).is_file()
        case "not run":
            assert len(reason) > 10
        case _:
            pytest.fail(f"{block} says {block.mark!r} above it")


@pytest.mark.parametrize("block", [block for block in _COMMANDS if block.language == "bash"], ids=str)
def test_each_command_exists(block: Block) -> None:
    for words in _simple_commands(block):
        program, *arguments = words
        if program not in _GIVEN:
            _CHECKS[program](arguments)


def _simple_commands(block: Block) -> Iterator[list[str]]:
    """The programs of the block with their arguments; variables set before a program are left out."""
    for line in block.commands():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for token in [*lexer, ";"]:
            if set(token) <= set(";&|"):
                if words:
                    yield words
                words = []
            elif words or not re.match(r"[A-Za-z_]+=", token):
                words.append(token)


def _facesent(arguments: Sequence[str]) -> None:
    from facesent.cli import main

    _click(main, arguments)


def _click(command: click.Command, arguments: Sequence[str]) -> None:
    context = click.Context(command)
    while isinstance(command, click.Group) and (arguments or not command.invoke_without_command):
        # Refuses what the group does not know; one of them takes the id of an answer in a command's place.
        _, found, arguments = command.resolve_command(context, list(arguments))
        assert found
        command = found
    assert _options(arguments) <= {name for parameter in command.params for name in parameter.opts}


def _python(arguments: Sequence[str]) -> None:
    _, module, *rest = arguments
    found = importlib.util.find_spec(module)
    assert found, f"there is no module {module}"
    assert found.origin
    source = found.origin.replace("__init__", "__main__")
    assert _options(rest) <= {"--help", *re.findall(r"--[a-z-]+", Path(source).read_text())}


def _dvc(arguments: Sequence[str]) -> None:
    from dvc.cli.parser import get_main_parser

    get_main_parser().parse_args(arguments)


def _make(arguments: Sequence[str]) -> None:
    assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def _pip(arguments: Sequence[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert arguments[-1] == "." or set(arguments[-1].strip(".[]").split(",")) <= set(extras)


def _options(arguments: Sequence[str]) -> set[str]:
    return {argument for argument in arguments if argument.startswith("--")}


_CHECKS: dict[str, Callable[[list[str]], Any]] = {
    "dvc": _dvc, "facesent": _facesent, "make": _make, "pip": _pip, "python": _python,
}  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    scratch = Scratch(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home"))
    scratch.prepare()
    return scratch


# The README takes the whole way; the others' commands run with all tests.
_RUN = [page for page in PAGES if any(block.mark == "run" for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page if page == "README.md" else pytest.param(page, marks=pytest.mark.long) for page in _RUN]
)
def test_what_a_page_says_runs(page: str, scratch: Scratch) -> None:
    printed = "".join(scratch.run_block(block) for block in blocks(page) if block.mark == "run")
    if page == "README.md":
        shown = next(block.code for block in blocks(page) if "facesent-pipeline" in block.code)
        for row in re.findall(r"│ ([a-z ]+?) +│", shown):
            assert f"│ {row} " in printed
