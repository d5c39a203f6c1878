"""How many photos `facesent watch` needs to notice a change, and which ones `serve.unlike` finds; not part of all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

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
from facesent.evaluation.settings import Serve
from facesent.images.reading import Pixels, decode, resize
from facesent.images.rows import read_split
from facesent.section import section
from facesent.watch.alarm import Alarm, learn
from facesent.watch.hours import Hours, hours_of
from facesent.watch.settings import Watch

_MONTH, _WEEK, _DAY = 720, 168, 24
_PHOTOS_A_CLIENT = 3
# How alike the days' shares of classes are: that of a class of 20 % has a standard deviation of 4 points.
_DAYS_ALIKE = 100.0
_MOST_OTHERS, _FACELESS = 300, 100
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
        shown = _photos(trained, others)
        shares, pools = _unlike(trained, shown), _pools(trained, shown)
    found = {photos: _delays(pools, settings, photos, size.baselines) for photos in size.traffic}
    how = f"{len(pools[''].truth)} photos of people in val and test"
    return [
        noted(f"false alarms in a month, {how}", "; ".join(_false(each, photos) for photos, each in found.items())),
        *(
            noted(f"photos until the alarm: {change}", "; ".join(_shown(found[each][change], each) for each in found))
            for change in next(iter(found.values()))
            if change
        ),
        *(
            noted(f"called unlike the training images: {name or 'as they are'}", share)
            for name, share in shares.items()
        ),
    ]


def _photos(project: Project, others: Path | None) -> dict[str, tuple[list[Pixels], list[str]]]:
    """Photos with their classes, as they are under the name "", and changed."""
    rows = pd.concat([read_split(project.split(name)) for name in ("val", "test")])
    photos = [decode((project.data / name).read_bytes(), None) for name in rows["file_name"]]
    truth = list(rows["label"])
    found = {"": (photos, truth)}
    found |= {name: ([change(photo) for photo in photos], truth) for name, change in CHANGES.items()}
    if others:
        listed = [path for label in sorted(set(truth)) for path in sorted((others / label).glob("*"))]
        known = [path for path in listed if is_image_name(path.name)]
        chosen = [known[place] for place in np.random.default_rng(7).permutation(len(known))[:_MOST_OTHERS]]
        strangers = [decode(path.read_bytes(), None) for path in chosen]
        found["another population"] = strangers, [path.parent.name for path in chosen]
    return found


def _pools(project: Project, photos: Mapping[str, tuple[list[Pixels], list[str]]]) -> dict[str, Pool]:
    from facesent.prediction.classifier import Classifier
    from facesent.prediction.light import brightness_and_sharpness

    classifier = Classifier.load(project.model, project.labels)
    pools = {}
    for name, (pixels, truth) in photos.items():
        images = [resize(each, classifier.image_size) for each in pixels]
        quality = np.array([brightness_and_sharpness(image) for image in images])
        answers = pd.DataFrame(map(vars, classifier.predict(images)))[["label", "confidence"]]
        answers = answers.assign(brightness=quality[:, 0], sharpness=quality[:, 1])
        places = np.array([classifier.labels.index(label) for label in truth])
        pools[name] = Pool(answers, places, classifier.labels)
    return pools


def _unlike(project: Project, photos: Mapping[str, tuple[list[Pixels], list[str]]]) -> dict[str, str]:
    """How many are beyond the distance to the training images that 5 % of the validation images are beyond."""
    from facesent.model.storage import load_model
    from facesent.prediction.unlike import embed
    from facesent.registry.known_images import known_images

    known = known_images(project, section(project.params, "serve", Serve))
    model = load_model(project.model)
    tested = len(read_split(project.split("test")))
    shown = {name: pixels if name == "another population" else pixels[-tested:] for name, (pixels, _) in photos.items()}
    shares = {}
    for name, pixels in (shown | _no_faces()).items():
        images = np.array([resize(each, model.input_shape[1]) for each in pixels])
        shares[name] = f"{known.unlike(embed(model, images)).mean():.0%} of {len(images)}"
    return shares


def _no_faces() -> dict[str, list[Pixels]]:
    """Parts of two photos, of a temple and of a flower, and pictures that no camera took."""
    from sklearn.datasets import load_sample_images

    chance, side = np.random.default_rng(7), 128
    scenes, noise, plain = [], [], []
    for number in range(_FACELESS):
        scene = load_sample_images().images[number % 2]
        top, left = (chance.integers(length - side) for length in scene.shape[:2])
        scenes.append(scene[top : top + side, left : left + side])
        noise.append(chance.integers(0, 256, (side, side, 3), dtype=np.uint8))
        ends = chance.integers(0, 256, (2, 1, 3))
        plain.append(np.linspace(ends[0], ends[1], side).astype(np.uint8).repeat(side, axis=1))
    return {"parts of scenes": scenes, "noise": noise, "shades of colour": plain}


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
