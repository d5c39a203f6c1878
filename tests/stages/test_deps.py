"""A stage that imports a module must depend on it: otherwise a change of the code would not run it again."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


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


def closure(module: Path) -> set[str]:
    """All files of the project that run when ``module`` does."""
    found: set[Path] = set()
    left = {module}
    while left:
        file = left.pop()
        found.add(file)
        left |= {*imported_by(file), *_packages(file)} - found
    return {file.relative_to(ROOT).as_posix() for file in found}


def modules(dep: str) -> set[str]:
    """A dep that is a folder stands for all modules in it."""
    path = ROOT / dep
    files = path.rglob("*.py") if path.is_dir() else [path]
    return {file.relative_to(ROOT).as_posix() for file in files if file.suffix == ".py"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_modules_that_it_imports(stage: str) -> None:
    module = _file_of(STAGES[stage]["cmd"].split()[-1])
    assert module
    listed = [modules(dep) for dep in STAGES[stage]["deps"] if dep.startswith("facesent/")]
    assert set().union(*listed) == closure(module)
