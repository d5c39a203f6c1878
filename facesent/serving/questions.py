"""What a version answered when it was tried: it has to answer the same wherever it is served."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from PIL import Image

from facesent.core.pictures import encoded
from facesent.registry import runs, versions
from facesent.registry.artifacts import QUESTIONS, of_version
from facesent.registry.client import mlflow_answers
from facesent.registry.versions import RegistryError
from facesent.serving.client import Client, SilenceError, photos_body
from facesent.serving.tolerance import TOLERANCE


@dataclass(frozen=True)
class Questions:
    """Photos of nobody, and what a version said of them that answered others as the training's code does.

    Attributes:
        photos: the bytes of image files.
        probabilities: of each label, a photo each.
    """

    photos: Sequence[bytes]
    probabilities: Sequence[Mapping[str, float]]

    def to_json(self) -> str:
        """As a file of a version's run holds them."""
        photos = [base64.b64encode(photo).decode() for photo in self.photos]
        return json.dumps({"photos": photos, "probabilities": list(self.probabilities)})

    @classmethod
    def from_json(cls, text: str) -> "Questions":
        """What ``to_json`` wrote."""
        values = json.loads(text)
        return cls([base64.b64decode(photo) for photo in values["photos"]], values["probabilities"])


@mlflow_answers()
def keep_questions(version: int, questions: Questions) -> None:
    """Keep with the run of a version what it has to answer wherever it is served."""
    if run_id := versions.run_of(version):
        runs.log_bytes(run_id, of_version(QUESTIONS, version), questions.to_json().encode())


@mlflow_answers()
def questions_of(version: int) -> Questions:
    """What a version has to answer; for one of before such were kept, a grey photo that it answers anyhow.

    Raises:
        RegistryError: there is no such version, or what it answered is damaged.
    """
    run_id = versions.run_of(version)
    text = runs.read_text(run_id, of_version(QUESTIONS, version)) if run_id else None
    if not text:
        return Questions([encoded(Image.new("RGB", (64, 64), "grey"))], [{}])
    try:
        return Questions.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"Expected version {version}'s answers to its canary. Received: a damaged file ({error}). Try it again: "
            "facesent promote"
        ) from None


def wrong_answer(port: int, questions: Questions, headers: Mapping[str, str]) -> str | None:
    """What is wrong with the answers of a server on this machine, as a sentence; None where nothing is.

    A photo a request: ``server.max_rows`` may allow no more.

    Args:
        port: where it listens.
        questions: what to ask.
        headers: to send along, such as a token.
    """
    with closing(Client(port, headers)) as client:
        for photo, expected in zip(questions.photos, questions.probabilities, strict=True):
            if wrong := _wrong(client, photo, expected):
                return wrong
    return None


def _wrong(client: Client, photo: bytes, expected: Mapping[str, float]) -> str | None:
    try:
        reply = client.ask(photos_body([photo]))
    except SilenceError as silence:
        return f"Expected an answer for a photo. Received: {silence}"
    try:
        (answer,) = reply.predictions()
        differences = [abs(answer["probabilities"][label] - value) for label, value in expected.items()]
    except (ValueError, KeyError, TypeError):
        return f"Expected an answer for a photo. Received: {reply}"
    if not all(difference <= TOLERANCE for difference in differences):
        return f"Expected the probabilities from its canary. Received: a difference of {max(differences):.3g}."
    return None
