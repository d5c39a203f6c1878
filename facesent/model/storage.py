"""A model as files: the same weights give the same bytes, and no file holds code."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesent.model.backend import keras

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def save_model(model: "keras.Model", path: Path) -> None:
    """Write ``model``, which must not be compiled, to ``path`` (``.keras``), in one rename."""
    # These do not come along to a server.
    from facesent.core.files import replaced

    with replaced(path) as draft:
        saved = draft.with_stem("saved")
        model.save(saved)
        _canonical(saved, draft)


def load_model(path: Path) -> "keras.Model":
    """Read a model for prediction.

    Raises:
        FileNotFoundError: saying which stage writes the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a trained model in {path}. Received: no such file. Run: dvc repro train")
    from facesent.model import layers  # noqa: F401  (registers what the file names)
    from facesent.model.backend import keras

    return keras.saving.load_model(path, compile=False, safe_mode=True)


def save_labels(labels: Sequence[str], path: Path) -> None:
    """Write the classes in the order of the model's outputs."""
    path.write_text(json.dumps(list(labels), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_labels(path: Path) -> list[str]:
    """Read what ``save_labels`` wrote."""
    return [str(label) for label in json.loads(path.read_text(encoding="utf-8"))]


def model_sha256(model: Path, labels: Path) -> str:
    """Hash what a model is, its weights and its labels: 64 hex digits."""
    from facesent.core.files import sha256

    return hashlib.sha256(b"".join(bytes.fromhex(sha256(path)) for path in (model, labels))).hexdigest()


def _canonical(source: Path, target: Path) -> None:
    """Copy a ``.keras`` archive without what differs between two processes that saved the same model."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name.endswith(".json"):
                content = _canonical_json(content)
            new.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content)


def _canonical_json(content: bytes) -> bytes:
    """Drop the date, and number shared objects instead of naming their addresses in memory."""
    numbers: dict[int, int] = {}

    def clean(entry: dict[str, Any]) -> dict[str, Any]:
        entry.pop("date_saved", None)
        if "shared_object_id" in entry:
            entry["shared_object_id"] = numbers.setdefault(entry["shared_object_id"], len(numbers) + 1)
        return entry

    return json.dumps(json.loads(content, object_hook=clean), sort_keys=True).encode()
