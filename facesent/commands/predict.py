"""``facesent predict``: ask the champion on the terminal."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import reading
from facesent.core.console import Progress, progress_of

if TYPE_CHECKING:
    from facesent.asking.answers import Answer
    from facesent.asking.photos import Crop


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
    crop: "Crop",
    as_json: bool,
) -> None:
    """Name the expression of PHOTO, or of every image under DIR.

    Ends with status 1 if an image could not be read; the others are answered all the same.

    \b
    Example: facesent predict --crop largest party.jpg
    """
    from facesent.asking.answers import Wish, answers
    from facesent.images.reading import ImageError
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import load_classifier, model_uri, version_named

    chosen = version_named(version).number
    classifier = load_classifier(chosen)
    wish = Wish(min_confidence_of(model_uri(chosen)) if min_confidence is None else min_confidence, top_k or 0, crop)
    files = [file for photo in photos for file in _files(photo)]
    # A bar would take what is printed meanwhile to its own terminal, also lines that are meant for a file.
    output = None if sys.stdout.isatty() else sys.stdout
    failed = False
    with _progress(len(files)) as report:
        for file, answer in zip(files, answers(classifier, chosen, files, wish, report), strict=True):
            if isinstance(answer, ImageError):
                failed = True
                click.echo(f"{file}: {answer}", err=True)
            else:
                click.echo(_as_json(file, answer) if as_json else _as_line(file, answer), file=output)
    if failed:
        raise SystemExit(1)


def _progress(files: int) -> AbstractContextManager[Progress | None]:
    from facesent.asking.answers import BATCH

    return progress_of("Predicting") if files > BATCH else nullcontext()


def _files(photo: Path) -> list[Path]:
    if photo.is_file():
        return [photo]
    from facesent.dataset.files import is_ignored, is_image_name

    files = [file for file in photo.rglob("*") if is_image_name(file.name)]
    return sorted(file for file in files if not any(map(is_ignored, file.relative_to(photo).parts)))


def _as_json(file: Path, answer: "Answer") -> str:
    return json.dumps({"file": str(file), **answer.as_dict()}, ensure_ascii=False)


def _as_line(file: Path, answer: "Answer") -> str:
    others = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    if answer.label in answer.probabilities:
        others = others[1:]
    rest = "  ".join(f"{label} {probability:.1%}" for label, probability in others)
    face = f" at {answer.box.left},{answer.box.top} {answer.box.width}x{answer.box.height}" if answer.box else ""
    return f"{file}{face}: {answer.label} {answer.confidence:.1%}" + (f"  ({rest})" if rest else "")
