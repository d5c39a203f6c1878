"""Asks a server over HTTP, and compares what it says with what the training's code says."""

import base64
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesent.core.pictures import encoded
from facesent.images.limits import MAX_PIXELS
from facesent.images.rows import UNCERTAIN
from facesent.serving.client import Client, Reply, SilenceError, photos_body, table_body
from facesent.serving.tolerance import TOLERANCE

_WARM_UP = 5
_TIMED = 50


class _Wrong(Exception):
    """An answer that is not what it has to be; the message is a sentence."""


@dataclass(frozen=True)
class Question:
    """Photos, and what the training's code says of them.

    Attributes:
        photos: the bytes of image files.
        expected: probabilities, ``(photos, labels)``.
        labels: the classes.
        further: the bytes of image files of which the answers are wanted, whatever they are.
    """

    photos: Sequence[bytes]
    expected: NDArray[np.float32]
    labels: Sequence[str]
    further: Sequence[bytes] = ()


@dataclass
class Findings:
    """What is known of a server so far; the attributes are those of ``CanaryReport``.

    Attributes:
        further: the probabilities of the question's further photos, ``(photos, labels)``; None where not all came.
        broke_off: whether the last request got no answer at all, so that no other was sent.
    """

    problems: list[str] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    largest_difference: float = math.nan
    latency_p95_ms: float = math.nan
    further: NDArray[np.float64] | None = None
    broke_off: bool = False


def interview(port: int, question: Question) -> Findings:
    """Ask for each photo alone, for all at once and for what has to be refused; then take the time of single photos.

    Args:
        port: of a server on this machine.
        question: what to ask.
    """
    findings = Findings()
    with closing(Client(port)) as client:
        try:
            _ask_photos(client, question, findings)
            _ask_further(client, question, findings)
            _ask_bad(client, findings)
            _take_time(client, question, findings)
        except SilenceError as silence:
            findings.problems.append(str(silence))
            findings.broke_off = True
    return findings


def _ask_photos(client: Client, question: Question, findings: Findings) -> None:
    count = len(question.photos)
    rows = {f"Photo {row + 1} of {count}": [row] for row in range(count)}
    differences = {}
    for what, chosen in {**rows, f"All {count} photos in one request": list(range(count))}.items():
        body = photos_body([question.photos[row] for row in chosen])
        try:
            served = _probabilities(_answer(client, what, body), what, question.labels, len(chosen))
        except _Wrong as wrong:
            findings.problems.append(str(wrong))
            continue
        findings.answered += what in rows
        differences[what] = served - question.expected[chosen]
    if differences:
        _compare(differences, question.labels, findings)


def _ask_further(client: Client, question: Question, findings: Findings) -> None:
    what, count = "The further photos", len(question.further)
    if not count:
        return
    try:
        reply = _answer(client, what, photos_body(question.further))
        findings.further = _probabilities(reply, what, question.labels, count)
    except _Wrong as wrong:
        findings.problems.append(str(wrong))


def _compare(differences: dict[str, NDArray[np.float64]], labels: Sequence[str], findings: Findings) -> None:
    """One sentence for the largest difference: a wrong model differs for every photo."""
    sizes = {what: float(np.abs(difference).max()) for what, difference in differences.items()}
    worst = max(sizes, key=lambda what: math.inf if math.isnan(sizes[what]) else sizes[what])
    findings.largest_difference = sizes[worst]
    if not sizes[worst] <= TOLERANCE:
        label = labels[int(np.abs(differences[worst]).max(axis=0).argmax())]
        findings.problems.append(
            f"{worst}: Expected the probabilities of the training's code, within {TOLERANCE}. "
            f"Received: a difference of {sizes[worst]:.3g} for {label}."
        )


def _ask_bad(client: Client, findings: Findings) -> None:
    for what, body in bad_bodies().items():
        reply = _ask(client, what, body)
        if 400 <= reply.status < 500:
            findings.refused += 1
        else:
            findings.problems.append(f"{what}: Expected an error of the client, 4xx. Received: {reply}")


def _take_time(client: Client, question: Question, findings: Findings) -> None:
    ask = partial(_answer, client, "A photo after the bad inputs")
    bodies = [photos_body([photo]) for photo in question.photos]
    seconds = []
    try:
        for turn in range(_WARM_UP + _TIMED):
            start = time.perf_counter()
            ask(bodies[turn % len(bodies)])
            seconds.append(time.perf_counter() - start)
    except _Wrong as wrong:
        findings.problems.append(str(wrong))
        return
    findings.latency_p95_ms = float(np.percentile(seconds[_WARM_UP:], 95)) * 1e3


def _answer(client: Client, what: str, body: bytes) -> Reply:
    reply = _ask(client, what, body)
    if not reply.is_answer:
        raise _Wrong(f"{what}: Expected an answer. Received: {reply}")
    return reply


def _ask(client: Client, what: str, body: bytes) -> Reply:
    try:
        return client.ask(body)
    except SilenceError as silence:
        raise SilenceError(f"{what}: Expected an answer. Received: {silence}") from None


def _probabilities(reply: Reply, what: str, labels: Sequence[str], count: int) -> NDArray[np.float64]:
    """The served probabilities ``(count, labels)`` of an answer that is whole and agrees with itself."""
    try:
        answers = reply.predictions()
        rows = [[float(answer["probabilities"][label]) for label in labels] for answer in answers]
        whole = len(rows) == count and all(_agrees(answer, labels) for answer in answers)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        classes = ", ".join(labels)
        raise _Wrong(
            f"{what}: Expected for each photo the most likely label, its confidence and probabilities of {classes}. "
            f"Received: {reply}"
        )
    return np.array(rows, np.float64)


def _agrees(answer: dict[str, Any], labels: Sequence[str]) -> bool:
    probabilities = answer["probabilities"]
    highest = max(probabilities.values())
    return (
        set(probabilities) == set(labels)
        and answer["confidence"] == highest
        and (answer["label"] == UNCERTAIN or probabilities.get(answer["label"]) == highest)
    )


def bad_bodies() -> Mapping[str, bytes]:
    """What no server may answer, by what is wrong with it."""
    photo = encoded(Image.radial_gradient("L"), "JPEG")
    over_limit = encoded(Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)))
    return {
        "A request without an image": photos_body([b""]),
        "A truncated photo": photos_body([photo[: len(photo) // 2]]),
        "A text file": photos_body([b"This is no photo.\n"]),
        "Text that is not base64": table_body("image", ["This is no base64."]),
        "A bad row beside a good one": photos_body([photo, b"This is no photo.\n"]),
        "Another column": table_body("picture", [base64.b64encode(photo).decode()]),
        "A photo over the pixel limit": photos_body([over_limit]),
        "Broken JSON": photos_body([photo])[:-2],
    }
