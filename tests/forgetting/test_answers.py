"""How answers of the log are named."""

from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.forgetting.answers import full_ids
from facesent.serving.answers.log import LogError


def test_an_answer_that_an_interrupted_call_deleted_is_named_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert full_ids(Project(), ["0a1b"], {"0a1b2c"}) == ("0a1b2c",)
    with pytest.raises(LogError, match=r"log of answers, in which ff is looked for\. Received: none here"):
        full_ids(Project(), ["0a1b", "ff"], {"0a1b2c"})
