"""A registered version behind the real server, asked about photos of every class, before anyone depends on it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from facesent.core.errors import FacesentError, TemporaryError, in_words
from facesent.core.files import images_in_use
from facesent.core.paths import Project
from facesent.core.pictures import encoded
from facesent.core.programs import Standby
from facesent.images.reading import naming
from facesent.images.rows import read_split
from facesent.model.storage import load_labels
from facesent.promotion.canary.interview import Findings, Question, interview
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.evaluated import stored_probabilities
from facesent.promotion.register import Candidate
from facesent.registry import artifacts, runs, versions
from facesent.registry.client import mlflow_answers
from facesent.registry.troubles import of_server
from facesent.registry.versions import CHAMPION
from facesent.serving.questions import Questions, keep_questions
from facesent.serving.server import ModelServer, ServerError, ServerKilledError, served
from facesent.serving.tolerance import TOLERANCE
from facesent.sources.drawn_faces.expression import CLASSES
from facesent.sources.drawn_faces.portrait import draw_portrait

if TYPE_CHECKING:
    from facesent.model.inference import Probabilities

PHOTOS_A_CLASS = 4
TAG = "canary"
PASSED = "passed"

_MEGA = 1e6
_DRAWN = 11
_DRAWN_SIDE = 96


@mlflow_answers()
def canary(project: Project, candidate: Candidate, waiting: Standby[ModelServer] | None = None) -> CanaryReport:
    """Try the candidate behind the real server, unless it is the champion and passed before.

    Args:
        project: whose test images are asked about; the answers have to be those of its own model file.
        candidate: what was registered.
        waiting: where a server may be ready for it.

    Raises:
        FacesentError: a photo is gone, or the registry cannot be asked.
    """
    if candidate.version == versions.version_with_alias(CHAMPION) and (earlier := recorded(candidate.version)):
        return earlier
    chosen, labels = choose(read_split(project.split("test"))), load_labels(project.labels)
    paths = [project.data / name for name in chosen["file_name"]]
    with images_in_use(project.data):
        photos = [_content(path) for path in paths]
        evaluated = stored_probabilities(project, chosen, labels, candidate.model_sha256)
    expected = _expected(project, paths, photos) if evaluated is None else evaluated
    question = Question(photos, expected, labels, _drawn())
    report = try_version(candidate.version, question, waiting)
    if evaluated is None or not report.largest_difference > TOLERANCE:
        return report
    # Outputs that were pulled may be of other hardware, whose last digits are not those of here.
    return try_version(candidate.version, replace(question, expected=_expected(project, paths, photos)))


@mlflow_answers()
def try_version(version: int, question: Question, waiting: Standby[ModelServer] | None = None) -> CanaryReport:
    """Serve a version, ask it, stop it and write down what came of it.

    Args:
        version: the registered version.
        question: at least one photo; what the version says of the further ones it has to say wherever it is served.
        waiting: where a server may be ready for it.

    Returns:
        The report, with a problem for whatever the server does wrong; also where it does not start.

    Raises:
        RegistryError: there is no such version.
        TemporaryError: MLflow cannot be reached, or nothing can be said of the version now.
    """
    run_id = versions.run_of(version)
    size = versions.bytes_of(version) / _MEGA
    report, further = tried(version, question, waiting)
    report = replace(report, size_mb=size)
    if report.passed and further is not None:
        answers = [dict(zip(question.labels, row, strict=True)) for row in further.tolist()]
        keep_questions(version, Questions(question.further, answers))
    versions.tag_version(version, {TAG: PASSED if report.passed else report.problems[0]})
    if run_id:
        runs.log_bytes(run_id, artifacts.CANARY, report.to_json().encode())
    return report


@mlflow_answers()
def recorded(version: int) -> CanaryReport | None:
    """The report of an earlier trial of this version, if there is one that passed.

    Raises:
        RegistryError: there is no such version.
        TrackingError: MLflow cannot be reached.
    """
    passed = versions.get(version).tags.get(TAG) == PASSED
    if not passed or (text := runs.read_text(versions.run_of(version), artifacts.CANARY)) is None:
        return None
    try:
        report = CanaryReport.from_json(text)
    except ValueError:
        return None
    # Another version of the same run, with another min_confidence, may have been tried since.
    return replace(report, reused=True) if report.passed and report.version == version else None


def tried(
    version: int, question: Question, waiting: Standby[ModelServer] | None = None
) -> tuple[CanaryReport, NDArray[np.float64] | None]:
    """Serve a version, ask it and stop it; also the probabilities of the further photos.

    Raises:
        TemporaryError: the server was killed, its store is away or a disk is full: that says nothing of the version.
    """
    findings, memory = Findings(), math.nan
    try:
        with served(versions.model_uri(version), waiting=waiting) as server:
            findings = interview(server.port, question)
            memory = server.memory() / _MEGA
            if findings.broke_off and (why := server.why_it_ended()):
                if server.was_killed():
                    raise ServerKilledError(f"Expected the server to keep running. Received: {why}")
                findings.problems.append(_of_version(f"Expected the server to keep running. Received: {why}"))
    except ServerKilledError as error:
        raise TemporaryError(
            f"{str(error).partition(chr(10))[0]}. It was killed, which says nothing about the version. Free memory if "
            "that ran out, then run this again."
        ) from None
    except ServerError as error:
        findings.problems.append(_of_version(str(error).partition("\n")[0]))
    except OSError as error:
        raise TemporaryError(
            f"Expected the server to start. Received: {in_words(error)}. Fix it, then run this again."
        ) from None
    report = CanaryReport(
        version=version,
        problems=tuple(findings.problems),
        answered=findings.answered,
        refused=findings.refused,
        largest_difference=findings.largest_difference,
        latency_p95_ms=findings.latency_p95_ms,
        size_mb=math.nan,
        memory_mb=math.nan if findings.broke_off else memory,
    )
    return report, findings.further


def _of_version(problem: str) -> str:
    if error := of_server(problem):
        raise error
    return problem


def choose(split: pd.DataFrame) -> pd.DataFrame:
    """The rows of up to ``PHOTOS_A_CLASS`` images of each class, by their names, the same for the same split.

    Args:
        split: as ``read_split`` gives it.

    Raises:
        FacesentError: it is empty.
    """
    if split.empty:
        raise FacesentError("Expected images in the test split. Received: none. Add images and run: dvc repro")
    # By their hashes, as by their names the first ones may well be of one person.
    chosen = split.sort_values(["sha256", "file_name"]).groupby("label").head(PHOTOS_A_CLASS)
    return chosen.sort_values("file_name")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FacesentError(f"Expected the test image {path}. Received: {error.strerror}. Run: dvc checkout") from None


def _expected(project: Project, paths: Sequence[Path], photos: Sequence[bytes]) -> "Probabilities":
    """By the file that the training wrote."""
    from facesent.prediction.classifier import Classifier

    classifier, images = Classifier.load(project.model, project.labels), []
    for path, photo in zip(paths, photos, strict=True):
        with naming(path):
            images.append(classifier.read(photo))
    return classifier.probabilities(np.array(images))


def _drawn() -> list[bytes]:
    """Drawn faces, as a server elsewhere has no images and none of a person should travel."""
    drawn = [draw_portrait(_DRAWN, person, 1, label, _DRAWN_SIDE) for person, label in enumerate(CLASSES)]
    return [encoded(Image.fromarray(pixels)) for pixels in drawn]
