"""``python -m tools.structure``: writes ``docs/structure.md`` from ``dvc.yaml`` and import-linter's layers."""

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from facesent.core.markdown import Markdown, code, table

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "structure.md"
_LAYERS = "Arrows point down"
_CODE = "facesent/"

_TEXT = """# Structure

`python -m tools.structure` writes this page from `dvc.yaml` and from the layers in `pyproject.toml`. A test checks it.

## Stages

DVC runs a stage again if its inputs, its code or its settings have changed. The flow `facesent-pipeline` runs the
stages in DVC's order. Then it registers, tries, judges and promotes the model.

```text
{graph}
```

{stages}

## Packages

A package may import only packages in the rows below it. Packages in one row do not import each other. import-linter
checks this in `make check`.

{packages}
"""


def page() -> str:
    """The page's text."""
    pipeline = yaml.safe_load((_ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == _LAYERS)
    return _TEXT.format(
        stages=table(
            ["stage", "what it does", "reads", "code in facesent/", "settings", "writes"], _stages(pipeline["stages"])
        ),
        graph=_graph(pipeline["stages"]),
        packages=table(["row", "package", "what is in it"], _packages(layers)),
    )


def _stages(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, stage in stages.items():
        code = [dep.removeprefix(_CODE) for dep in stage["deps"] if dep.startswith(_CODE)]
        reads = [dep for dep in stage["deps"] if not dep.startswith(_CODE)]
        yield (
            Markdown(f"**{name}**"),
            stage["desc"],
            *(_names(names) for names in (reads, code, stage["params"], _outs(stage))),
        )


def _graph(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """Which stage reads what another one writes, drawn by what draws `dvc dag`."""
    from dvc.dagascii import draw

    maker = {Path(out): name for name, stage in stages.items() for out in _outs(stage)}
    edges: set[tuple[str, str]] = set()
    for name, stage in stages.items():
        for dep in map(Path, stage["deps"]):
            source = next((maker[path] for path in (dep, *dep.parents) if path in maker), None)
            if source or dep == Path("data"):
                # Downwards, as they are read: `draw` puts the second of a pair above.
                edges.add((name, source or "data"))
    picture = draw(["data", *stages], sorted(edges))
    return "\n".join(line.rstrip() for line in picture.strip("\n").splitlines())


def _outs(stage: Mapping[str, Any]) -> list[str]:
    """The paths, of which some are keys above their options."""
    return [out if isinstance(out, str) else next(iter(out)) for out in stage["outs"]]


def _packages(layers: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for row, layer in enumerate(layers, start=1):
        for package in layer.split(" | "):
            yield str(row), code(package), Markdown(_summary(package))


def _summary(package: str) -> str:
    """The first line of the package's or the module's docstring."""
    path = _ROOT / package.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("``", "`")


def _names(names: Iterable[str]) -> Markdown:
    return Markdown("<br>".join(map(code, names)))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
