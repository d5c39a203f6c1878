"""``facesent predict``: ask the champion on the terminal."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facesent.commands.errors import reading
from facesent.core.console import Progress, progress_of

if TYPE_CHECKING:
    from facesent.images.reading import Pixels
    from facesent.prediction.classifier import Classifier, Prediction
    from facesent.prediction.faces import Box

    Read = tuple["Pixels", "Box | None"]

_BATCH = 32


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...", type=click.Path(exists=True, path_type=Path))
@click.option("--version", metavar="VERSION|ALIAS", help="A registered version; the champion by default.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Say uncertain below it; without it, the version's own, from serve.min_confidence.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Name only so many of the likeliest expressions.")
@click.option(
    "--crop",
    type=click.Choice(["none", "largest"]),
    default="none",
    help="Look at the largest face of a photo alone, if one is found.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")
@reading
def predict(
    photos: tuple[Path, ...],
    version: str | None,
    min_confidence: float | None,
    top_k: int | None,
    crop: str,
    as_json: bool,
) -> None:
    """Name the expression of PHOTO, or of every image under DIR.

    Ends with status 1 if an image could not be read; the others are answered all the same.

    \b
    Example: facesent predict --crop largest party.jpg
    """
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import load_classifier, model_uri, version_named

    chosen = version_named(version).number
    classifier = load_classifier(chosen)
    asked = {"min_confidence": min_confidence_of(model_uri(chosen)) if min_confidence is None else min_confidence}
    # A bar would take what is printed meanwhile to its own terminal, also lines that are meant for a file.
    output = None if sys.stdout.isatty() else sys.stdout
    failed = False
    for file, answer in _answers(classifier, photos, crop, {**asked, "top_k": top_k or 0}):
        if isinstance(answer, str):
            failed = True
            click.echo(f"{file}: {answer}", err=True)
        else:
            line = _as_json(file, *answer, chosen) if as_json else _as_line(file, *answer)
            click.echo(line, file=output)
    if failed:
        raise SystemExit(1)


def _answers(
    classifier: "Classifier", photos: Iterable[Path], crop: str, asked: dict[str, Any]
) -> Iterator[tuple[Path, "tuple[Prediction, Box | None] | str"]]:
    """Each file with its answer, or why there is none, in the order of the files; a batch in memory at a time."""
    from facesent.images.threads import map_ahead

    files = [file for photo in photos for file in _files(photo)]
    read = map_ahead(_reader(classifier, crop), files, ahead=_BATCH)
    with _progress(len(files)) as report:
        for start in range(0, len(files), _BATCH):
            batch = list(islice(read, _BATCH))
            whole = [photo for photo in batch if not isinstance(photo, str)]
            predictions = iter(classifier.predict([pixels for pixels, _ in whole], **asked))
            for file, photo in zip(files[start : start + _BATCH], batch, strict=True):
                yield file, photo if isinstance(photo, str) else (next(predictions), photo[1])
            if start + len(batch) < len(files):
                report(start + len(batch), len(files))


def _reader(classifier: "Classifier", crop: str) -> Callable[[Path], "Read | str"]:
    """The function that prepares a file for the network, or says why it cannot."""
    from facesent.images.reading import ImageError, read_content
    from facesent.prediction.faces import read_face

    def read(file: Path) -> "Read | str":
        try:
            content = read_content(file)
            if crop == "largest":
                return read_face(content, classifier.image_size)
            return classifier.read(content), None
        except ImageError as error:
            return str(error)
        except OSError as error:
            return f"Expected a file that can be read. Received: {error.strerror}."

    return read


def _progress(files: int) -> AbstractContextManager[Progress]:
    return progress_of("Predicting") if files > _BATCH else nullcontext(lambda done, total: None)


def _files(photo: Path) -> list[Path]:
    if photo.is_file():
        return [photo]
    from facesent.dataset.files import is_ignored, is_image_name

    files = [file for file in photo.rglob("*") if is_image_name(file.name)]
    return sorted(file for file in files if not any(map(is_ignored, file.relative_to(photo).parts)))


def _as_json(file: Path, prediction: "Prediction", box: "Box | None", version: int) -> str:
    answer = {**prediction.as_dict(), "version": version, "box": asdict(box) if box else None}
    return json.dumps({"file": str(file), **answer}, ensure_ascii=False)


def _as_line(file: Path, prediction: "Prediction", box: "Box | None") -> str:
    others = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    if prediction.label in prediction.probabilities:
        others = others[1:]
    rest = "  ".join(f"{label} {probability:.1%}" for label, probability in others)
    face = f" at {box.left},{box.top} {box.width}x{box.height}" if box else ""
    return f"{file}{face}: {prediction.label} {prediction.confidence:.1%}" + (f"  ({rest})" if rest else "")
