from pathlib import Path

import pytest

from tests.helpers.stores import fill_answers, fill_mlflow


@pytest.fixture
def folder(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a promoted version, files of runs, and a log whose photos and keys are beside it."""
    monkeypatch.delenv("FACESENT_ANSWERS_URI", raising=False)
    Path("dvc.yaml").touch()
    fill_mlflow()
    fill_answers()
    return mlflow_store.parent
