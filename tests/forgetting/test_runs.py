"""What runs show is known by content wherever their tables say it."""

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from facesent.core.paths import Project
from facesent.forgetting import steps
from facesent.forgetting.person import Content, Person, hashed
from facesent.registry import runs
from facesent.registry.artifacts import EVALUATION, PAGE, PREDICTIONS

THEIRS, OTHERS = Content.of(b"a photo"), Content.of(b"another")
TABLE, REPORT = f"{EVALUATION}/{PREDICTIONS}", f"{EVALUATION}/{PAGE}"


def a_run(**columns: str) -> str:
    """With a page of one test image, and one of somebody else in the table."""
    run_id = runs.begin("evaluated", {})
    other = {"file_name": "Sad/b.jpg", "sha256": OTHERS.sha256}
    table = pd.DataFrame([columns, {name: other[name] for name in columns}])
    MlflowClient().log_text(run_id, table.to_csv(index=False), TABLE)
    MlflowClient().log_text(run_id, "<img>", REPORT)
    return run_id


def names_in(run_id: str) -> list[str]:
    return [line.partition(",")[0] for line in (runs.read_text(run_id, TABLE) or "").splitlines()[1:]]


@pytest.mark.usefixtures("mlflow_store")
def test_an_image_that_was_moved_is_known_by_its_content_and_one_that_took_its_name_is_not() -> None:
    moved = a_run(file_name="Happy/a.jpg", sha256=THEIRS.sha256)
    others = a_run(file_name="Sad/a.jpg", sha256=OTHERS.sha256)
    unsaid = a_run(file_name="Sad/a.jpg")
    ann = Person("1", "now", contents=frozenset([THEIRS]), names=frozenset([hashed("Sad/a.jpg")]))
    steps.clear_mlflow(Project(), ann, print)
    assert [runs.read_text(run_id, REPORT) for run_id in (moved, others, unsaid)] == [None, "<img>", None]
    assert [names_in(run_id) for run_id in (moved, others, unsaid)] == [
        ["Sad/b.jpg"],
        ["Sad/a.jpg", "Sad/b.jpg"],
        ["Sad/b.jpg"],
    ]
