"""A stage runs again when what decides about its outputs changes, and not when anything else does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import facesent

ROOT = Path(__file__).parents[2]
# Imports what it exports only when somebody asks for it; the last tests say that no stage does.
EXPORTS = ROOT / "facesent" / "__init__.py"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Says, finds and starts, and decides nothing: no stage depends on it.
DECIDES_NOTHING = {
    f"facesent/core/{name}.py"
    for name in (
        "console",
        "dvc_files",
        "errors",
        "files",
        "imports",
        "lifeline",
        "markdown",
        "nested",
        "paths",
        "programs",
        "text",
        "watching",
    )
}


def imported_by(module: Path) -> Iterator[Path]:
    """Files of the project that ``module`` imports when it runs, at its top or inside functions."""
    if module == EXPORTS:
        return
    tree = _without_type_checking(ast.parse(module.read_text()))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (file for name in names if name.startswith("facesent") and (file := _file_of(name)))


def _without_type_checking(tree: ast.Module) -> ast.Module:
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    ]
    return tree


def _file_of(name: str) -> Path | None:
    """A module's file; of a package its ``__init__.py``."""
    path = ROOT / Path(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _packages(file: Path) -> Iterator[Path]:
    """What Python runs before ``file``: the ``__init__.py`` of each package around it."""
    inits = (folder / "__init__.py" for folder in file.parents if folder.is_relative_to(ROOT / "facesent"))
    yield from (init for init in inits if init.is_file())


def closure(stage: str) -> set[str]:
    """All files of the project that run when a stage does."""
    found: set[Path] = set()
    left = {ROOT / "facesent" / "stages" / f"{stage}.py"}
    while left:
        file = left.pop()
        found.add(file)
        left |= {*imported_by(file), *_packages(file)} - found
    return {file.relative_to(ROOT).as_posix() for file in found}


def code(stage: str) -> set[str]:
    """The code that a stage depends on: a folder stands for all modules in it."""
    paths = [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("facesent/")]
    files = (file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path]))
    return {file.relative_to(ROOT).as_posix() for file in files}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_that_it_imports_and_that_decides(stage: str) -> None:
    # An `__init__.py` does nothing, as the last tests say.
    imported = {file for file in closure(stage) if not file.endswith("__init__.py")}
    assert imported - code(stage) <= DECIDES_NOTHING


def test_all_that_training_depends_on_is_part_of_it() -> None:
    assert code("train") <= closure("train")


def test_a_package_does_nothing_when_it_is_imported() -> None:
    for init in {*ROOT.glob("facesent/**/__init__.py")} - {EXPORTS}:
        [docstring] = ast.parse(init.read_text()).body
        assert isinstance(docstring, ast.Expr), init


def test_the_package_itself_only_says_what_it_exports() -> None:
    docstring, typing, types, names, asked = ast.parse(EXPORTS.read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(typing, ast.ImportFrom)
    assert typing.module == "typing"
    assert isinstance(types, ast.If)
    assert ast.unparse(types.test) == "TYPE_CHECKING"
    assert isinstance(names, ast.Assign)
    assert ast.unparse(names.targets[0]) == "__all__"
    assert isinstance(asked, ast.FunctionDef)
    assert asked.name == "__getattr__"


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys; before = {*sys.modules}; import facesent; print(*{*sys.modules} - before)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name.partition(".")[0] for name in printed.split()} <= {"facesent", *sys.stdlib_module_names}
    assert {name for name in printed.split() if name.startswith("facesent.")} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_asks_for_what_the_package_exports(stage: str) -> None:
    for file in closure(stage):
        asked = {
            alias.name
            for node in ast.walk(ast.parse((ROOT / file).read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "facesent"
            for alias in node.names
        }
        assert not asked & set(facesent.__all__), file
