import json

import pytest

from facesent.lineage.git import LineageError
from facesent.lineage.resolve import answering_version


def answer(version: object) -> dict[str, object]:
    return {"label": "Happy", "confidence": 0.9, "probabilities": {"Happy": 0.9, "Sad": 0.1}, "version": version}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(answer(3)),
        json.dumps(answer("3"), indent=2),
        json.dumps({"predictions": [answer("3"), answer("3")]}),
        json.dumps([answer(3)]),
        "\n".join(json.dumps({"file": name, **answer(3)}) for name in ("a.jpg", "b.jpg")) + "\n",
    ],
    ids=["predict", "text", "server", "list", "lines"],
)
def test_an_answer_names_its_version(text: str) -> None:
    assert answering_version(text) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "invalid JSON"),
        ("", "Received: ''"),
        ("{}", "Received: '{}'"),
        (json.dumps(answer(None)), "not a registered version"),
        (json.dumps({"label": "Happy"}), "not a registered version"),
        (json.dumps([answer(1), answer(2)]), "answers from 1, 2"),
        (json.dumps(answer("latest")), "version 'latest'"),
    ],
    ids=["no-json", "nothing", "no-answer", "null", "older", "two", "no-number"],
)
def test_what_names_none_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(LineageError, match=r"^Expected .*Received") as raised:
        answering_version(text)
    assert message in str(raised.value)
