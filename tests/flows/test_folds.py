import sys
from pathlib import Path

import mlflow
import pytest
from prefect.logging import disable_run_logger

from facesent.experiments.cross_validation import PlannedFolds
from facesent.experiments.folds import Folder
from facesent.registry import runs
from flows import folds

NOTES_THE_STORE = "import os, pathlib; pathlib.Path('store').write_text(os.environ['MLFLOW_TRACKING_URI'])"


@pytest.mark.parametrize(
    ("passed", "own", "seen"),
    [
        ("http://host:5000", "http://me:it@host:5000", "http://me:it@host:5000"),
        ("postgresql+psycopg://host/db", "postgresql://me:it@host/db", "postgresql://me:it@host/db"),
        ("postgresql://you:it@host/db", "postgresql://host/db", "postgresql://you:it@host/db"),
        ("http://host:5000", "http://me:it@other:5000", "http://host:5000"),
        ("http://host:5000", "", "http://host:5000"),
    ],
    ids=["same server", "same database", "same without a password", "other server", "none"],
)
def test_a_worker_keeps_its_own_address_of_the_flows_store_with_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: str, own: str, seen: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", passed)
    variables = folds.passed_on()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    # In place of a training.
    monkeypatch.setattr(folds, "python", lambda *_: [sys.executable, "-c", NOTES_THE_STORE])
    with disable_run_logger():
        folds.train_fold.fn(tmp_path, Folder(tmp_path), 1, "key", "parent", variables)
    assert (tmp_path / "store").read_text() == seen


def test_what_fails_after_the_folds_leaves_no_run_open(mlflow_store: Path) -> None:
    planned = PlannedFolds(Folder(Path()), (), runs.begin("cross-validation", {}))
    with pytest.raises(OSError, match="full"), runs.recorded(planned.parent_id):
        raise OSError("the disk is full")
    assert mlflow.get_run(planned.parent_id).info.status == "FAILED"
