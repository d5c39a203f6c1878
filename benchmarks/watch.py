"""How many photos `facesent watch` needs to notice a change, with answers of a trained network; not part of all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.results import Result, noted
from benchmarks.sizes import Size
from benchmarks.trainings import prepare, stage
from facesent.core.paths import Project
from facesent.dataset.files import is_image_name
from facesent.evaluation.behaviour import brightened, compressed
from facesent.images.reading import Pixels, decode, resize
from facesent.images.rows import read_split
from facesent.section import section
from facesent.watch.alarm import Alarm, learn
from facesent.watch.hours import Hours, hours_of
from facesent.watch.settings import Watch

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

_MONTH, _WEEK, _DAY = 720, 168, 24
_PHOTOS_A_CLIENT = 3
# How alike the days' shares of classes are: that of a class of 20 % has a standard deviation of 4 points.
_DAYS_ALIKE = 100.0
_MOST_OTHERS = 300
_START = pd.Timestamp("2026-01-05", tz="UTC")


def grey(pixels: Pixels) -> Pixels:
    """Without colour."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """Out of focus: a Gaussian of 2 % of the side."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.02 * min(pixels.shape[:2])), np.uint8)


CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "30 % less light": lambda pixels: brightened(pixels, -0.3),
    "grey": grey,
    "blur": blurred,
    "JPEG quality 20": lambda pixels: compressed(pixels[np.newaxis], 20)[0],
}


@dataclass(frozen=True)
class Pool:
    """Answers about photos of people that the network does not know, from which traffic is drawn.

    Attributes:
        answers: a row a photo: label, confidence, brightness, sharpness.
        truth: ``(photos,)`` indices of the true classes.
        labels: the classes.
    """

    answers: pd.DataFrame
    truth: NDArray[np.int64]
    labels: Sequence[str]

    def hours(self, chance: np.random.Generator, hours: int, photos: int, doubled: int | None = None) -> Hours:
        """Traffic as the watch sees it: days that differ in their classes, and clients with a few photos each.

        Args:
            chance: what is drawn from.
            hours: how many.
            photos: an hour.
            doubled: the class of which there are twice as many.
        """
        count = np.bincount(self.truth, minlength=len(self.labels))
        drawn = [self._day(chance, count, photos, doubled) for _ in range(-(-hours // _DAY))]
        rows = self.answers.iloc[np.concatenate(drawn)[: hours * photos]].reset_index(drop=True)
        times = _START + pd.to_timedelta(rows.index // photos, unit="h")
        clients = (rows.index % photos // _PHOTOS_A_CLIENT).astype(str)
        return hours_of(rows.assign(id=rows.index, time=times, client=clients), self.labels)

    def _day(
        self, chance: np.random.Generator, count: NDArray[np.int64], photos: int, doubled: int | None
    ) -> NDArray[np.int64]:
        shares = chance.dirichlet(np.maximum(_DAYS_ALIKE * count / count.sum(), 1e-9))
        if doubled is not None:
            twice = min(2 * shares[doubled], 0.9)
            shares *= (1 - twice) / (1 - shares[doubled])
            shares[doubled] = twice
        weights = (shares / np.maximum(count, 1))[self.truth]
        return chance.choice(len(self.truth), size=_DAY * photos, p=weights / weights.sum())


def run(scratch: Path, size: Size, project: Path | None = None, others: Path | None = None) -> Sequence[Result]:
    """Draw weeks of traffic from real answers, and count the hours to the alarm.

    Args:
        scratch: where a project is trained if none is given.
        size: its traffic and its baselines.
        project: a project after `dvc repro`; None for drawn faces, on which a network is trained.
        others: class folders of another population; None for none.
    """
    with TemporaryDirectory(dir=scratch, prefix="watch-") as folder:
        if project is None:
            prepare(Path(folder), None, size.settings, size.drawing)
            stage(Path(folder), "train")
        trained = Project(project or Path(folder))
        settings = section(trained.params, "watch", Watch)
        pools = _pools(trained, others)
    found = {photos: _delays(pools, settings, photos, size.baselines) for photos in size.traffic}
    how = f"{len(pools[''].truth)} photos of people in val and test"
    return [
        noted(f"false alarms in a month, {how}", "; ".join(_false(each, photos) for photos, each in found.items())),
        *(
            noted(f"photos until the alarm: {change}", "; ".join(_shown(found[each][change], each) for each in found))
            for change in next(iter(found.values()))
            if change
        ),
    ]


def _pools(project: Project, others: Path | None) -> dict[str, Pool]:
    """The answers about photos as they are, under the name "", and about changed ones."""
    from facesent.prediction.classifier import Classifier

    classifier = Classifier.load(project.model, project.labels)
    rows = pd.concat([read_split(project.split(name)) for name in ("val", "test")])
    files = [project.data / name for name in rows["file_name"]]
    pools = {"": _pool(classifier, files, lambda pixels: pixels)}
    pools |= {name: _pool(classifier, files, change) for name, change in CHANGES.items()}
    if others:
        listed = [path for label in classifier.labels for path in sorted((others / label).glob("*"))]
        known = [path for path in listed if is_image_name(path.name)]
        chosen = np.random.default_rng(7).permutation(len(known))[:_MOST_OTHERS]
        pools["another population"] = _pool(classifier, [known[place] for place in chosen], lambda pixels: pixels)
    return pools


def _pool(classifier: "Classifier", files: Sequence[Path], change: Callable[[Pixels], Pixels]) -> Pool:
    from facesent.prediction.light import brightness_and_sharpness

    images = [resize(change(decode(path.read_bytes(), None)), classifier.image_size) for path in files]
    quality = [brightness_and_sharpness(image) for image in images]
    answers = [(answer.label, answer.confidence) for answer in classifier.predict(images)]
    table = pd.DataFrame(
        [(*answer, *seen) for answer, seen in zip(answers, quality, strict=True)],
        columns=["label", "confidence", "brightness", "sharpness"],
    )
    truth = np.array([classifier.labels.index(path.parent.name) for path in files])
    return Pool(table, truth, classifier.labels)


def _delays(pools: Mapping[str, Pool], settings: Watch, photos: int, baselines: int) -> dict[str, list[float]]:
    """The hours to the alarm of each change, a number a baseline; that without a change is of a month, not a week."""
    delays: dict[str, list[float]] = {}
    usual = pools[""]
    for seed in range(baselines):
        chance = np.random.default_rng([seed, photos])
        alarm = learn(
            usual.hours(chance, settings.baseline_hours, photos).means, quiet_hours=settings.quiet_hours,
            block_hours=settings.block_hours, resamples=settings.resamples, seed=seed,
        )  # fmt: skip
        for name, pool in pools.items():
            hours = _WEEK if name else _MONTH
            delays.setdefault(name, []).append(_delay(alarm, pool.hours(chance, hours, photos)))
        for place, label in enumerate(usual.labels):
            doubled = usual.hours(chance, _WEEK, photos, doubled=place)
            delays.setdefault(f"twice as much {label}", []).append(_delay(alarm, doubled))
    return delays


def _delay(alarm: Alarm, hours: Hours) -> float:
    over = np.flatnonzero(alarm.sums(hours.means) > alarm.threshold)
    return float(over[0] + 1) if len(over) else np.inf


def _false(delays: Mapping[str, Sequence[float]], photos: int) -> str:
    return f"{photos} an hour: {np.isfinite(delays['']).sum()} of {len(delays[''])} baselines"


def _shown(delays: Sequence[float], photos: int) -> str:
    median = float(np.median(delays))
    return f"{photos} an hour: " + (
        f"{median * photos:,.0f} ({median:g} h)" if np.isfinite(median) else "not in a week"
    )
