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
    file = ROOT / Path(*name.split(".")).with_suffix(".py")
    return file if file.is_file() else None


def closure(module: Path) -> set[str]:
    found, left = set(), {module}
    while left:
        file = left.pop()
        found.add(file)
        left |= set(imported_by(file)) - found
    return {file.relative_to(ROOT).as_posix() for file in found}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_modules_that_it_imports(stage: str) -> None:
    module = _file_of(STAGES[stage]["cmd"].split()[-1])
    assert module
    assert {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")} == closure(module)
