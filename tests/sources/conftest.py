from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.kaggle import Kaggle, kaggle_server


@pytest.fixture
def kaggle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """A Kaggle of this machine."""
    with kaggle_server(home, monkeypatch) as server:
        yield server
