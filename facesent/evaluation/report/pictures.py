"""Which test images the report shows, and how: small JPEGs inside the page."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesent.evaluation.heat_map import HeatMap, over
from facesent.evaluation.intervals import Estimate, share_of_groups
from facesent.evaluation.report.content import Example, Gallery
from facesent.images.reading import Pixels

MOST_SHOWN = 6
_SIDE = 128
_QUALITY = 80

# From images (n, side, side, 3) and the index of a class for each to heat (n, side, side); None where there is no way.
DrawHeat = Callable[[Pixels, NDArray[np.int64]], HeatMap | None]


@dataclass(frozen=True)
class ScoredImages:
    """The test images with their answers.

    Attributes:
        file_names: ``n``.
        images: ``(n, side, side, 3)``.
        targets: ``(n,)``, indices of the true classes.
        scores: ``(n, classes)``, probabilities.
        labels: the classes.
        groups: ``n`` names; images of one person share one.
    """

    file_names: Sequence[str]
    images: Pixels
    targets: NDArray[np.int64]
    scores: NDArray[np.floating[Any]]
    labels: Sequence[str]
    groups: NDArray[np.str_]

    @property
    def answers(self) -> NDArray[np.int64]:
        """Indices of the likeliest classes, ``(n,)``."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each answer is right, ``(n,)``."""
        return np.asarray(self.answers == self.targets)

    def share_right(self, chosen: NDArray[np.bool_], confidence_level: float) -> Estimate:
        """How many of the ``chosen`` images, ``(n,)``, are answered right, with its interval over people."""
        return share_of_groups(self.correct[chosen], self.groups[chosen].tolist(), confidence_level)


@dataclass(frozen=True)
class Selection:
    """Indices of images to show, and how many others would be among them if all classes were shown."""

    shown: list[int]
    withheld: int


def choose_mistakes(test: ScoredImages, hidden: Sequence[str]) -> Selection:
    """The surest wrong answers, the surest first; none that are or are taken for one of the classes ``hidden``."""
    correct = test.correct
    return _choice(test, [index for index in _surest_first(test) if not correct[index]], hidden)


def choose_successes(test: ScoredImages, hidden: Sequence[str]) -> Selection:
    """The surest right answer of each class, then each one's next; without the classes ``hidden``."""
    correct = test.correct
    of_class: Counter[int] = Counter()
    turns = []
    for index in _surest_first(test):
        if correct[index]:
            target = int(test.targets[index])
            turns.append((of_class[target], index))
            of_class[target] += 1
    return _choice(test, [index for _, index in sorted(turns, key=itemgetter(0))], hidden)


def show(test: ScoredImages, choice: Selection, draw_heat: DrawHeat) -> Gallery:
    """The chosen images with what spoke for their answers."""
    images, answers = test.images[choice.shown], test.answers[choice.shown]
    heats = draw_heat(images, answers) if choice.shown else None
    shown = [
        Example(
            test.file_names[index],
            test.labels[test.targets[index]],
            test.labels[answer],
            float(test.scores[index, answer]),
            photo_url(image),
            "" if heats is None else heat_url(image, heats[place]),
        )
        for place, (index, image, answer) in enumerate(zip(choice.shown, images, answers, strict=True))
    ]
    return Gallery(shown, choice.withheld)


def photo_url(image: Pixels) -> str:
    """An image ``(side, side, 3)`` as a data URL."""
    return _jpeg_url(_enlarged(image))


def heat_url(image: Pixels, heat: HeatMap) -> str:
    """Heat ``(side, side)``, 0..1, over the grey image ``(side, side, 3)``, as a data URL."""
    return _jpeg_url(over(_enlarged(image), heat))


def _surest_first(test: ScoredImages) -> list[int]:
    return [int(index) for index in np.argsort(-test.scores.max(axis=1), kind="stable")]


def _choice(test: ScoredImages, ranked: list[int], hidden: Sequence[str]) -> Selection:
    concealed = {index for index, label in enumerate(test.labels) if label in hidden}
    answers = test.answers
    allowed = [index for index in ranked if not {int(test.targets[index]), int(answers[index])} & concealed]
    shown = allowed[:MOST_SHOWN]
    return Selection(shown, sum(index not in shown for index in ranked[:MOST_SHOWN]))


def _enlarged(image: Pixels) -> Pixels:
    shrinks = image.shape[0] > _SIDE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (_SIDE, _SIDE), interpolation=method), np.uint8)


def _jpeg_url(image: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
