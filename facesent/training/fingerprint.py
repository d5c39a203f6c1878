"""What decides about the weights of a training, as one hash: settings, images, code and libraries.

No heavy import: whoever asks whether a training is still to be done should not wait for the library that would do it.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import facesent
from facesent.section import Section

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = (
    "keras", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "scipy", "simplejpeg", "tensorflow",
)  # fmt: skip
# All code that decides about weights, and nothing else is in these folders; `train` in dvc.yaml depends on the same.
CODE = ("images", "model", "training")


def fingerprint(
    sections: Iterable[Section], frames: Mapping[str, "pd.DataFrame"], *further: str, code: Iterable[str] = CODE
) -> str:
    """Hash what decides about a result: 64 hex digits.

    Args:
        sections: the settings that count.
        frames: the images of each split, as ``read_split`` gives them.
        further: whatever else decides, such as the precision that ``auto`` stands for on this machine.
        code: folders and files of the package that make the result.
    """
    parts = [
        *(section.model_dump_json() for section in sections),
        *(f"{name}\n{frame.to_csv(index=False)}" for name, frame in frames.items()),
        *(text for name in code for text in _sources(name)),
        *(f"{name} {version(name)}" for name in (*LIBRARIES, _backend())),
        *further,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _backend() -> str:
    """What Keras computes with, by the name of its package."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def _sources(name: str) -> Iterator[str]:
    root = Path(facesent.__file__).parent
    for path in [root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py")):
        yield f"{path.relative_to(root).as_posix()}\n{path.read_text(encoding='utf-8')}"
