"""Two processes that write the same row of the registry at the same moment; MLflow looks first, then writes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from facesent.registry import decisions, versions
from facesent.registry.decisions import Approval
from tests.helpers import promoters

pytestmark = pytest.mark.usefixtures("each_store")


@contextmanager
def somebody_quicker(write: Callable[[], Any]) -> Iterator[None]:
    """Let another do ``write`` between the look and the write of whoever writes next."""
    waiting = [Thread(target=write)]

    def before_flush(session: Session, *_: Any) -> None:
        if waiting and session.new:
            other = waiting.pop()
            other.start()
            other.join()

    event.listen(Session, "before_flush", before_flush)
    try:
        yield
    finally:
        event.remove(Session, "before_flush", before_flush)
    assert not waiting


def move() -> None:
    """Move an alias as somebody else does."""
    MlflowClient().set_registered_model_alias(versions.NAME, "champion", "1")


def test_mlflow_itself_refuses_the_slower_one() -> None:
    promoters.make_versions(2)
    with somebody_quicker(move), pytest.raises(MlflowException, match=r"UNIQUE constraint|UniqueViolation"):
        MlflowClient().set_registered_model_alias(versions.NAME, "champion", "2")


def test_an_alias_that_somebody_else_set_first_is_moved() -> None:
    promoters.make_versions(2)
    with somebody_quicker(move):
        versions.set_alias("champion", 2)
    assert versions.version_with_alias("champion") == 2


def test_a_tag_that_somebody_else_set_first_is_set() -> None:
    promoters.make_versions(1)
    with somebody_quicker(lambda: MlflowClient().set_model_version_tag(versions.NAME, "1", "color", "red")):
        versions.tag_version(1, {"color": "blue"})
    assert versions.get(1).tags["color"] == "blue"


def test_an_answer_that_somebody_else_gave_first_is_kept() -> None:
    promoters.make_versions(1)
    asked = Approval(1, "waiting", None, decisions.now())
    with somebody_quicker(lambda: decisions.keep(asked)):
        decisions.keep(Approval(1, "approved", None, decisions.now(), by="ann"))
    approval = decisions.approval_of(1)
    assert approval is not None
    assert approval.by == "ann"
