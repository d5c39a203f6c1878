import os

import pytest

from facesent.core.errors import FacesentError
from facesent.registry.store_context import tracking_store


@pytest.mark.parametrize("before", ["sqlite:///own.db", None])
@pytest.mark.usefixtures("project")
def test_an_address_that_is_refused_is_left_again(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if before:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", before)
    with pytest.raises(FacesentError, match="expected the form http://HOST:5000"), tracking_store("127.0.0.1:5000"):
        pass
    assert os.environ.get("MLFLOW_TRACKING_URI") == before
