"""A project to cross-validate: sixty small squares of three classes, two of a person, and its splits."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import Image

from facesent.core.paths import Project
from tests.helpers.small_network import SMALL_NETWORK

LABELS = ("Dark", "Light", "Middle")
REPOSITORY = Path(__file__).parents[2]
SETTINGS: dict[str, dict[str, Any]] = {
    "model": SMALL_NETWORK,
    "train": {"epochs": 2, "batch_size": 12, "precision": "float32"},
    "cross_validation": {"folds": 3},
}


def images(persons: int = 10, *, data: Path | None = None) -> pd.DataFrame:
    """Two images of each class of each person, as ``read_split`` gives them; drawn where ``data`` says where."""
    rows = []
    for person in range(persons):
        for brightness, label in zip((40, 200, 120), LABELS, strict=True):
            for shot in range(2):
                name = f"{label}/{person:02d}-{shot}.png"
                digest = name
                if data:
                    (data / label).mkdir(parents=True, exist_ok=True)
                    Image.new("L", (20, 20), brightness + 3 * person + shot).save(data / name)
                    digest = hashlib.sha256((data / name).read_bytes()).hexdigest()
                rows.append({"file_name": name, "label": label, "group": f"person-{person}", "sha256": digest})
    return pd.DataFrame(rows)


def make_project(root: Path, changes: Mapping[str, Mapping[str, Any]] = SETTINGS) -> Project:
    """Photos, splits and settings under ``root``; the test split holds two persons, the val split one."""
    project = Project(root)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in changes.items():
        params[section].update(values)
    project.params.write_text(yaml.safe_dump(params, sort_keys=False))
    frame = images(data=project.data)
    split_of = {"person-0": "test", "person-1": "test", "person-2": "val"}
    project.split("train").parent.mkdir(parents=True)
    for name, part in frame.groupby(frame["group"].map(split_of).fillna("train")):
        part.to_csv(project.split(str(name)), index=False)
    return project
