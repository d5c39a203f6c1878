"""A registered version exported: compared on the test images, attached to its run, given to a folder."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.core.errors import FacesentError
from facesent.core.files import images_in_use
from facesent.core.paths import Project
from facesent.images.reading import Pixels, read_images
from facesent.images.rows import read_split
from facesent.model.storage import load_model, save_labels
from facesent.prediction.classifier import Classifier
from facesent.registry import runs, versions
from facesent.registry.artifacts import EXPORTS
from facesent.registry.client import mlflow_answers
from facesent.registry.versions import Version
from facesent.serving.export.check import Parity, Written, refusal, write
from facesent.serving.export.formats import FORMATS, ExportError
from facesent.serving.export.network import serving_module
from facesent.serving.export.usage import usage


@dataclass(frozen=True)
class Exported:
    """What became of a version in one format.

    Attributes:
        format: its name.
        sha256: of what was written; None where it was refused.
        parity: None where it could not be written or run.
        problem: why it was refused; None where it was not.
        run_id: of the run that it was attached to; empty where the version's run is gone.
    """

    format: str
    sha256: str | None
    parity: Parity | None
    problem: str | None
    run_id: str = ""


def export(project: Project, version: Version, formats: Sequence[str], to: Path | None = None) -> Iterator[Exported]:
    """Write a version in each format and, where it answers as ours does, attach it to the version's run.

    Args:
        project: whose test images are asked.
        version: the registered one.
        formats: of ``FORMATS``.
        to: also copy it into a folder a format here; needed where the version's run is gone.

    Yields:
        what became of each format, as soon as it is known.

    Raises:
        FacesentError: no test images, nowhere to put it, or the version's files cannot be had.
        TrackingError: if MLflow cannot be reached.
    """
    run_id = _run_of(version, to)
    with versions.version_files(version.number) as (model, labels):
        classifier, network = Classifier.load(model, labels), load_model(model)
    images = _test_images(project, classifier.image_size)
    expected = classifier.probabilities(images)
    module = serving_module(network)
    with TemporaryDirectory(prefix="facesent-export-") as scratch:
        for name in formats:
            folder = Path(scratch) / name
            try:
                written = write(FORMATS[name], module, images, expected, folder)
            except ExportError as error:
                yield Exported(name, None, None, str(error))
                continue
            if problem := refusal(written.parity):
                yield Exported(name, None, written.parity, problem)
                continue
            save_labels(classifier.labels, folder / "labels.json")
            text = usage(FORMATS[name], version.number, classifier.image_size, classifier.labels, written.parity)
            (folder / "README.md").write_text(text, encoding="utf-8")
            # First: what was worked out is not lost where MLflow does not take it.
            if to:
                shutil.copytree(folder, to / name, dirs_exist_ok=True)
            if run_id:
                _attach(run_id, version, name, written)
            yield Exported(name, written.sha256, written.parity, None, run_id)


@mlflow_answers()
def _run_of(version: Version, to: Path | None) -> str:
    """The run to attach to; empty where it is gone and a folder is named instead."""
    run_id = versions.run_of(version.number)
    if not run_id and to is None:
        raise FacesentError(
            f"Expected the run of version {version.number}, to attach its export to. "
            "Received: none, or a deleted one. Name a folder for it: --to FOLDER"
        )
    return run_id


@mlflow_answers()
def _attach(run_id: str, version: Version, name: str, written: Written) -> None:
    """The tag comes last: where it is, the files are whole."""
    runs.log_files(run_id, sorted(written.path.parent.iterdir()), f"{EXPORTS}/{name}")
    described = {
        "sha256": written.sha256,
        "largest_difference": float(f"{written.parity.largest_difference:.2e}"),
        "images": written.parity.images,
    }
    versions.tag_version(version.number, {f"{EXPORTS}.{name}": json.dumps(described)})


def _test_images(project: Project, size: int) -> Pixels:
    split = project.split("test")
    if not split.is_file():
        raise FacesentError(f"Expected test images to compare the answers on. Received: no {split}. Run: dvc repro")
    names = read_split(split)["file_name"]
    with images_in_use(project.data):
        return read_images([project.data / name for name in names], size, spill=project.outputs)
