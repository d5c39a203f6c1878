import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from facesent.params import Params, load_params
from facesent.training.fingerprint import TRAINING, fingerprint, sources

ROOT = Path(__file__).parents[2]
FRAME = pd.DataFrame({"file_name": ["a.png", "b.png"], "label": ["Happy", "Sad"]})


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def changed(params: Params, section: str, **values: object) -> Params:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=values)})


def test_it_is_the_same_for_the_same(params: Params) -> None:
    assert fingerprint(params, {"train": FRAME}) == fingerprint(params, {"train": FRAME.copy()})


def test_it_tells_settings_images_their_order_and_their_use_apart(params: Params) -> None:
    assert (
        len(
            {
                fingerprint(params, {"train": FRAME}),
                fingerprint(changed(params, "train", epochs=99), {"train": FRAME}),
                fingerprint(changed(params, "model", dropout=0.9), {"train": FRAME}),
                fingerprint(params, {"train": FRAME[::-1]}),
                fingerprint(params, {"val": FRAME}),
                fingerprint(params, {"train": FRAME}, "bfloat16"),
                fingerprint(params, {"train": FRAME}, modules=("facesent.core.errors",)),
            }
        )
        == 7
    )


def test_settings_that_do_not_train_do_not_count(params: Params) -> None:
    other = changed(params, "gate", min_accuracy=0.123)
    assert fingerprint(params, {"train": FRAME}) == fingerprint(other, {"train": FRAME})


def test_the_code_is_all_that_a_training_loads() -> None:
    code = f"import sys, {', '.join(TRAINING)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    found = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(TRAINING)}
    # Of a package that only holds others, nothing decides about the weights.
    modules = {name for name in loaded if name.startswith("facesent.") and f"{name}.__init__" not in found}
    assert modules - {"facesent.data", "facesent.model"} <= found


def test_asking_for_it_loads_none_of_the_training() -> None:
    code = "import sys, facesent.training.fingerprint; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"tensorflow", "keras", "mlflow", "cv2", "sklearn"}
