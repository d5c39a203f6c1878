"""``facesent predict``: ask the champion on the terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import readable_errors

if TYPE_CHECKING:
    from facesent.model.classifier import Prediction


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...", type=click.Path(exists=True, path_type=Path))
@click.option("--version", type=int, help="A registered version; without it, the champion.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Say uncertain below it; without it, the version's own, from serve.min_confidence.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@readable_errors
def predict(photos: tuple[Path, ...], version: int | None, min_confidence: float | None, as_json: bool) -> None:
    """Name the expression of PHOTO, or of every image under DIR.

    Ends with status 1 if an image could not be read; the others are answered all the same.

    \b
    Example: facesent predict portrait.jpg
    """
    from facesent.data.images import ImageError
    from facesent.registry.models import chosen_version, load_classifier, model_uri
    from facesent.registry.packaging import min_confidence_of

    files = [file for photo in photos for file in _files(photo)]
    chosen = chosen_version(version)
    classifier = load_classifier(chosen)
    if min_confidence is None:
        min_confidence = min_confidence_of(model_uri(chosen))
    failed = False
    for file in files:
        try:
            [prediction] = classifier.predict([classifier.read(file.read_bytes())], min_confidence=min_confidence)
            click.echo(_as_json(file, prediction) if as_json else _as_line(file, prediction))
        except ImageError as error:
            failed = True
            click.echo(f"{file}: {error}", err=True)
    if failed:
        raise SystemExit(1)


def _files(photo: Path) -> list[Path]:
    if photo.is_file():
        return [photo]
    from facesent.data.contents import is_image_name

    return sorted(file for file in photo.rglob("*") if is_image_name(file.name))


def _as_json(file: Path, prediction: "Prediction") -> str:
    return json.dumps({"file": str(file), **vars(prediction)}, ensure_ascii=False)


def _as_line(file: Path, prediction: "Prediction") -> str:
    others = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    if prediction.label in prediction.probabilities:
        others = others[1:]
    rest = "  ".join(f"{label} {probability:.1%}" for label, probability in others)
    return f"{file}: {prediction.label} {prediction.confidence:.1%}  ({rest})"
