import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from facesent.core.paths import Project
from facesent.params import Params, load_params
from facesent.section import Section
from facesent.training.fingerprint import LIBRARIES, fingerprint

ROOT = Path(__file__).parents[2]
FRAME = pd.DataFrame({"file_name": ["a.png", "b.png"], "label": ["Happy", "Sad"]})
PARAMS: Params = load_params(Project(ROOT).params)
SECTIONS: list[Section] = [PARAMS.model, PARAMS.train]


def test_it_is_the_same_for_the_same() -> None:
    assert fingerprint(SECTIONS, {"train": FRAME}) == fingerprint(list(SECTIONS), {"train": FRAME.copy()})


@pytest.mark.parametrize(
    "other",
    [
        fingerprint([PARAMS.model, PARAMS.train.model_copy(update={"epochs": 99})], {"train": FRAME}),
        fingerprint([PARAMS.model.model_copy(update={"dropout": 0.9}), PARAMS.train], {"train": FRAME}),
        fingerprint(SECTIONS, {"train": FRAME[::-1]}),
        fingerprint(SECTIONS, {"val": FRAME}),
        fingerprint(SECTIONS, {"train": FRAME}, "bfloat16"),
        fingerprint(SECTIONS, {"train": FRAME}, code=("images", "model")),
    ],
    ids=["training", "network", "order of the images", "their use", "precision", "code"],
)
def test_it_tells_apart(other: str) -> None:
    assert other != fingerprint(SECTIONS, {"train": FRAME})


def test_another_backend_of_keras_gives_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    usual = fingerprint(SECTIONS, {"train": FRAME})
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert fingerprint(SECTIONS, {"train": FRAME}) == usual
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    assert fingerprint(SECTIONS, {"train": FRAME}) != usual


def test_what_solves_a_head_is_among_the_libraries() -> None:
    assert {"scikit-learn", "scipy"} <= set(LIBRARIES)


def test_asking_for_it_loads_none_of_the_training() -> None:
    code = "import sys, facesent.training.fingerprint; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"tensorflow", "keras", "mlflow", "cv2", "sklearn"}
