"""A stage runs again when what decides about its outputs changes, and not when anything else does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Says, finds and starts, and decides nothing: no stage depends on it.
DECIDES_NOTHING = {
    f"facesent/core/{name}.py"
    for name in (
        "console",
        "errors",
        "files",
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
    # An `__init__.py` is a docstring, as the last test says.
    imported = {file for file in closure(stage) if not file.endswith("__init__.py")}
    assert imported - code(stage) <= DECIDES_NOTHING


def test_all_that_training_depends_on_is_part_of_it() -> None:
    assert code("train") <= closure("train")


def test_a_package_does_nothing_when_it_is_imported() -> None:
    for init in ROOT.glob("facesent/**/__init__.py"):
        [docstring] = ast.parse(init.read_text()).body
        assert isinstance(docstring, ast.Expr), init
