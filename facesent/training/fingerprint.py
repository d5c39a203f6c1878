"""What decides about the weights of a training, as one hash: settings, images, code and libraries.

No heavy import: whoever asks whether a training is still to be done should not wait for the library that would do it.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import facesent
from facesent.params import Params

if TYPE_CHECKING:
    pass

# Where the code of a training starts; all that these import belongs to it.
TRAINING = ("facesent.images.batches", "facesent.training.loop")


_ROOT = Path(facesent.__file__).parents[1]


def fingerprint(
    params: Params, frames: Mapping[str, pd.DataFrame], *further: str, modules: tuple[str, ...] = TRAINING
) -> str:
    """Hash what decides about a result: 64 hex digits.

    Args:
        params: sections ``model`` and ``train`` count.
        frames: the images of each split, as ``read_split`` gives them.
        further: whatever else decides, such as the precision that ``auto`` stands for on this machine.
        modules: where the code starts that makes the result.
    """
    parts = [
        params.model.model_dump_json(),
        params.train.model_dump_json(),
        *(f"{name}\n{frame.to_csv(index=False)}" for name, frame in frames.items()),
        *(path.read_text(encoding="utf-8") for path in sources(modules)),
        *(f"{name} {version(name)}" for name in LIBRARIES),
        *further,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def sources(modules: tuple[str, ...]) -> list[Path]:
    """Files of this package that these modules are made of: their own, and those they import at any depth."""
    left = [file for name in modules if (file := _file_of(name))]
    found: set[Path] = set()
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left.extend(_imported_by(file))
    return sorted(found)


def _imported_by(file: Path) -> Iterator[Path]:
    """Files that ``file`` imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (found for name in names if (found := _file_of(name)))


def _file_of(module: str) -> Path | None:
    """A module's file, if it is one of ours."""
    if module.split(".")[0] != facesent.__name__:
        return None
    path = _ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


# What decides about the weights: versions of these, and what they can compute with.
LIBRARIES = ("keras", "numpy", "opencv-python-headless", "pillow", "tensorflow")
