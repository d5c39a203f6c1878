"""What a stage does not use must not cost it the seconds of an import, and what watches it is none of its own."""

import subprocess
import sys

import pytest

ELSEWHERE = {"prefect", "dvc", "mlflow", "kagglehub"}
VALIDATION = {"great_expectations", "imagehash"}
MODEL = {"tensorflow", "keras"}
# Keras imports scikit-learn and Matplotlib by itself, so that they cannot be missed in train.
UNUSED = {
    "validate": ELSEWHERE | MODEL | {"sklearn", "matplotlib"},
    "split": ELSEWHERE | MODEL | VALIDATION | {"matplotlib", "cv2", "PIL"},
    "train": ELSEWHERE | VALIDATION,
    "evaluate": ELSEWHERE | VALIDATION,
}


def loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "stage", ["validate", "split", *(pytest.param(name, marks=pytest.mark.slow) for name in ("train", "evaluate"))]
)
def test_a_stage_imports_nothing_that_it_does_not_use(stage: str) -> None:
    loaded = loaded_by(f"import facesent.stages.{stage}")
    assert f"facesent.stages.{stage}" in loaded
    assert not loaded & UNUSED[stage]
    assert not {name for name in loaded if name.startswith(("facesent.registry", "facesent.params"))}


@pytest.mark.parametrize("flow", ["pipeline", "cross_validation", "sweep"])
def test_a_flow_imports_the_registry_only_when_it_is_needed(flow: str) -> None:
    loaded = loaded_by(f"import flows.{flow}")
    assert f"flows.{flow}" in loaded
    assert not loaded & (MODEL | VALIDATION | {"mlflow", "dvc", "pandas", "distributed"})
