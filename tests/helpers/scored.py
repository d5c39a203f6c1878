"""A folder of answers in a project whose network has eight numbers."""

from pathlib import Path

import numpy as np
from PIL import Image

from facesent.core.paths import Project
from facesent.scoring.plan import PlannedVersion, ScoringPlan, Wanted, alone, make_plan
from tests.helpers.trained_project import write_model

LABELS = ("Dark", "Light")
BROKEN = 7


def draw_photos(folder: Path, count: int) -> Path:
    """Grey photos from dark to light, all of them different; one of them is none."""
    folder.mkdir(parents=True)
    for number, brightness in enumerate(np.linspace(0, 255, count).astype(int).tolist()):
        photo = Image.new("L", (24, 24), brightness)
        photo.putpixel((number % 24, number // 24 % 24), 255 - brightness)
        photo.save(folder / f"{number:05d}.png")
    (folder / f"{BROKEN:05d}.png").write_bytes(b"no photo")
    return folder


def version_of(project: Project) -> PlannedVersion:
    """A version that was never registered."""
    write_model(project, LABELS, 0.0)
    return PlannedVersion(1, project.model, project.labels, 0.0)


def plan(target: Path, source: str, version: PlannedVersion, shard_size: int = 32) -> ScoringPlan:
    """A folder of answers of which no shard is done."""
    with alone(target):
        return make_plan(target, Wanted(source, shard_size=shard_size), version)
