"""Photos that are named, in a folder or a store, and what a version says of each."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby, tee
from pathlib import Path
from typing import TYPE_CHECKING

from facesent.asking.answers import Answer, Wish, answers
from facesent.asking.photos import Photo
from facesent.core.errors import in_words
from facesent.images.reading import ImageError
from facesent.images.threads import map_ahead
from facesent.scoring.photos import content_of, is_remote

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

# The name of a photo, with its answer or why there is none.
Row = tuple[str, Answer | ImageError]

# A store answers late, but many at once.
_FETCHED_AT_ONCE = 16


def named_answers(
    classifier: "Classifier", version: int, names: Iterable[str], wish: Wish, *, root: Path = Path()
) -> Generator[Row, None, None]:
    """Answer photos, in their order; a batch is in memory at a time.

    Args:
        classifier: of the version.
        version: its number.
        names: paths and addresses in stores.
        wish: how each is to be answered.
        root: the folder that relative paths start from.

    Raises:
        NoAnswerError: the network gives no probabilities.
        ScoringError: a store does not answer.
    """
    names, kept = tee(names)
    with closing(answers(classifier, version, _photos(names, root), wish)) as found:
        yield from zip(kept, found, strict=True)


def _photos(names: Iterator[str], root: Path) -> Iterator[Photo | ImageError]:
    """Paths, which are read where they are decoded; and what a store has, which takes time and no core."""
    for remote, alike in groupby(names, is_remote):
        if not remote:
            yield from (root / name for name in alike)
            continue
        with closing(map_ahead(partial(_fetch, root), alike, threads=_FETCHED_AT_ONCE)) as fetched:
            yield from fetched


def _fetch(root: Path, name: str) -> bytes | ImageError:
    try:
        return content_of(name, root)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(f"Expected a file that can be read. Received: {in_words(error)}.")
