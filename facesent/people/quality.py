"""How many of a person's photos are found, and how many strangers are put together: measured where people are known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from facesent.people.grouping import Faces, Numbers, centred, group_faces

_BLOCK = 1 << 24
_PART, _DRAWS = 0.25, 8


@dataclass(frozen=True)
class Measured:
    """What a threshold finds among images of known people.

    Attributes:
        images: with different contents.
        people: of several photos.
        recall: the share of a person's pairs of photos that are put together, the mean over these people.
        false_match_rate: the share of pairs of two people that are as alike as the threshold.
        found: right pairs put together, an image.
        wrong: pairs of two people put together, an image.
        growth: the power of the number of images with which ``wrong`` grows.
    """

    images: int
    people: int
    recall: float
    false_match_rate: float
    found: float
    wrong: float
    growth: float

    def precision(self, images: int) -> float:
        """The share of right pairs among those put together, extrapolated to a number of images."""
        wrong = self.wrong * (images / self.images) ** self.growth
        return float(self.found / max(self.found + wrong, np.finfo(float).tiny))


# `facesent data people --measure` on 1,229 faces with 754 people, given by hand.
MEASURED = Measured(images=1229, people=142, recall=0.90, false_match_rate=0.0200, found=1.97, wrong=1.92, growth=0.65)


def measure(faces: Faces, people: Numbers, *, threshold: float, largest_share: float) -> Measured:
    """Group faces as if nobody was known, and compare with who they are.

    Args:
        faces: ``(n, d)``, as embedded.
        people: ``(n,)``, the number of each face's person.
        threshold: as for ``group_faces``.
        largest_share: of the images, that a group may have.
    """
    largest = max(2, int(largest_share * len(faces)))
    recall, found, wrong = _grouped(faces, people, threshold, largest)
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(_DRAWS):
        drawn = np.isin(people, rng.permutation(np.unique(people))[: max(1, int(_PART * len(np.unique(people))))])
        parts.append((drawn.sum(), _grouped(faces[drawn], people[drawn], threshold, largest)[2]))
    size, fewer = np.mean(parts, axis=0)
    return Measured(
        images=len(faces),
        people=int((np.bincount(people) > 1).sum()),
        recall=recall,
        false_match_rate=_false_match_rate(centred(faces.copy()), people, threshold),
        found=found,
        wrong=wrong,
        growth=float(np.log(wrong / fewer) / np.log(len(faces) / size)) if wrong and fewer else 1.0,
    )


def _grouped(faces: Faces, people: Numbers, threshold: float, largest: int) -> tuple[float, float, float]:
    """The recall, and right and wrong pairs an image."""
    count = len(faces)
    alone, unknown = np.ones(count, np.int64), np.full(count, -1)
    labels = group_faces(centred(faces.copy()), alone, unknown, threshold=threshold, largest=largest).labels
    table = pd.DataFrame({"person": people, "label": labels})
    right = _pairs(table.groupby(["person", "label"]).size()).groupby("person").sum()
    wanted = _pairs(table.groupby("person").size())
    together = _pairs(table.groupby("label").size()).sum()
    several = wanted > 0
    return (
        float((right[several] / wanted[several]).mean()),
        float(right.sum() / count),
        float((together - right.sum()) / count),
    )


def _pairs(sizes: pd.Series) -> pd.Series:
    return sizes * (sizes - 1) // 2


def _false_match_rate(faces: Faces, people: Numbers, threshold: float) -> float:
    step = max(1, _BLOCK // len(faces))
    alike = others = 0
    for start in range(0, len(faces), step):
        strangers = people[start : start + step, None] != people
        others += int(strangers.sum())
        alike += int((strangers & (faces[start : start + step] @ faces.T >= threshold)).sum())
    return alike / max(others, 1)
