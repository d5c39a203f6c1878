"""What a version has to answer before it takes over."""

from dataclasses import replace
from pathlib import Path

import pytest

from facesent.serving.questions import Questions, wrong_answer
from tests.helpers.answering import SETTINGS, answering

RIGHT = {"Happy": 0.75, "Sad": 0.25}


def test_answers_are_compared_also_where_a_request_may_hold_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with answering(replace(SETTINGS, max_rows=1, log=None)) as server:
        port = int(server.address.rpartition(":")[2])
        assert wrong_answer(port, Questions([b"one", b"other"], [RIGHT, RIGHT]), {}) is None
        wrong = wrong_answer(port, Questions([b"one", b"other"], [RIGHT, {**RIGHT, "Sad": 0.5}]), {})
        assert wrong == "Expected the probabilities from its canary. Received: a difference of 0.25."
