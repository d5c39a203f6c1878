import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.artifacts import list_artifacts
from mlflow.tracking import MlflowClient

import facesent
from facesent.registry import packaging, runs
from facesent.registry.forgetting import remove_embeddings

ROOT = Path(facesent.__file__).parent


def test_the_code_that_a_version_is_known_by_is_all_that_is_served() -> None:
    code = """
import sys
import facesent.registry.served
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("facesent")))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    files = {Path(file).relative_to(ROOT).as_posix() for file in loaded if not file.endswith("__init__.py")}
    assert files == set(packaging.SERVED_CODE)


def test_other_code_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = packaging.served_code_sha256()
    for name in packaging.SERVED_CODE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(facesent, "__file__", str(tmp_path / "__init__.py"))
    assert packaging.served_code_sha256() == known
    with (tmp_path / "prediction" / "classifier.py").open("a") as file:
        file.write("# A line more.\n")
    assert packaging.served_code_sha256() != known


@pytest.mark.usefixtures("mlflow_store")
def test_a_model_is_logged_with_an_example_and_without_being_loaded(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The canary asks the real server; MLflow's own trial would load the network once more, and only warn."""
    model, labels = project / "model.keras", project / "labels.json"
    model.write_bytes(b"no network")
    labels.write_text('["Happy", "Sad"]')
    logged = packaging.log_model(runs.begin("run", {}), model, labels)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    files = {entry.path for entry in list_artifacts(logged.model_uri)}
    assert {"MLmodel", "input_example.json", "serving_input_example.json", "requirements.txt"} <= files


@pytest.mark.usefixtures("mlflow_store")
def test_a_model_that_somebody_deleted_is_logged_again_and_hinders_no_forgetting(project: Path) -> None:
    model, labels = project / "model.keras", project / "labels.json"
    model.write_bytes(b"no network")
    labels.write_text('["Happy", "Sad"]')
    run_id = runs.begin("run", {})
    first = packaging.log_model(run_id, model, labels).model_id
    assert packaging.log_model(run_id, model, labels).model_id == first
    MlflowClient().delete_logged_model(first)
    assert packaging.log_model(run_id, model, labels).model_id != first
    assert remove_embeddings(lambda images: images["content"] == "") == 0
