"""Photos to answers, a batch in memory at a time; ``facesent predict`` and shards share it, and so agree."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from facesent.images.reading import ImageError, Pixels
from facesent.images.threads import map_ahead
from facesent.prediction.classifier import Classifier
from facesent.prediction.faces import Box, read_face
from facesent.scoring.answer import BATCH, Answer, Asked
from facesent.scoring.photos import content_of, is_remote

# A store answers late, but many at once.
_FETCHED_AT_ONCE = 16


@dataclass(frozen=True)
class _Read:
    """A photo on its way: its bytes, then its pixels, or why there are none."""

    name: str
    content: bytes = b""
    pixels: Pixels | None = None
    box: Box | None = None
    error: str | None = None


def answers(
    classifier: Classifier, names: Iterable[str], asked: Asked, *, root: Path = Path()
) -> Generator[list[Answer], None, None]:
    """Answer photos, in their order, a list for each batch of ``BATCH``.

    Args:
        classifier: that answers.
        names: paths, or addresses of one store.
        asked: of each.
        root: the folder that relative paths start from.

    Raises:
        NoAnswerError: the network gives no probabilities.
        ScoringError: a store does not answer.
    """
    with closing(_prepared(classifier, iter(names), asked.crop, root)) as prepared:
        while batch := list(islice(prepared, BATCH)):
            whole = [photo.pixels for photo in batch if photo.pixels is not None]
            found = iter(classifier.predict(whole, min_confidence=asked.min_confidence, top_k=asked.top_k))
            yield [
                Answer(photo.name, error=photo.error)
                if photo.pixels is None
                else Answer(photo.name, next(found), photo.box)
                for photo in batch
            ]


def _prepared(classifier: Classifier, names: Iterator[str], crop: str, root: Path) -> Generator[_Read, None, None]:
    """Read ahead in threads: what decodes takes a core each, what waits for a store takes none."""
    fetch, decode = partial(_fetch, root), partial(_decode, classifier, crop)
    first = list(islice(names, 1))
    names = chain(first, names)
    if not any(map(is_remote, first)):
        yield from map_ahead(lambda name: decode(fetch(name)), names, ahead=BATCH)
        return
    with closing(map_ahead(fetch, names, threads=_FETCHED_AT_ONCE)) as fetched:
        yield from map_ahead(decode, fetched, ahead=BATCH)


def _fetch(root: Path, name: str) -> _Read:
    try:
        return _Read(name, content_of(name, root))
    except ImageError as error:
        return _Read(name, error=str(error))
    except OSError as error:
        said = error.strerror or error or type(error).__name__
        return _Read(name, error=f"Expected a file that can be read. Received: {said}.")
    except ValueError as error:
        # A line of a list may be no name at all.
        return _Read(name, error=f"Expected the name of a file. Received: {error}.")


def _decode(classifier: Classifier, crop: str, photo: _Read) -> _Read:
    if photo.error:
        return photo
    try:
        if crop == "largest":
            pixels, box = read_face(photo.content, classifier.image_size)
            return _Read(photo.name, pixels=pixels, box=box)
        return _Read(photo.name, pixels=classifier.read(photo.content))
    except ImageError as error:
        return _Read(photo.name, error=str(error))
