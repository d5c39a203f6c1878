from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.core.paths import Project

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A function that makes a project folder with the committed settings and ``images`` noisy pictures a class."""

    def make(images: int = 24, classes: tuple[str, ...] = ("Angry", "Happy")) -> Project:
        project = Project(tmp_path / "project")
        rng = np.random.default_rng(0)
        for name in classes:
            (project.data / name).mkdir(parents=True)
            for index in range(images):
                pixels = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(project.data / name / f"{index:03d}.png")
        project.params.write_bytes(PARAMS.read_bytes())
        return project

    return make
