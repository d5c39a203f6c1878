import mlflow
import pytest

from facesent.registry.lock import alone_with_registry


def test_where_nothing_may_be_written_the_history_alone_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # As the root of a server's container, nobody may make a folder there.
    monkeypatch.chdir("/sys")
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "http://127.0.0.1:5000")
    with alone_with_registry():
        pass
