"""How much each benchmark measures: what its figures are of, and the least that shows that it still runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Size:
    """Numbers of what is measured.

    Attributes:
        rounds: timed calls of each figure.
        images: JPEG files; as many as the Kaggle dataset has.
        few: a tenth of them, to see how something grows.
        side: pixels of the network's images.
        batch: images of a training's batch.
        steps: of an epoch of ``fit``.
        epochs: of ``fit``; the first builds the graph.
        decoded: files of ``input``.
        decoded_by_keras: files of its slowest peer.
        scanned: images that ``scale`` scans; of the files above.
        split: images that it splits; none of them is there.
        scored: photos that ``score`` answers.
        listed: names of photos that it plans for; none of them is there.
        photos: that a server is asked about, together and one by one.
        requests: that ``abuse`` sends, good and bad.
        huge: bytes of the largest body that it sends.
        seeds: of ``accuracy``, a training each.
        settings: of whole stages, beside those of the preset: dotted key to value.
        faults: kills, full disks and absences.
        drawing: of the drawn faces, options of ``facesent data draw``.
        traffic: photos an hour that ``watch`` draws.
        baselines: that it has accepted, each followed by all changes.
        margins: images that ``crop`` gives margins.
    """

    rounds: int = 5
    images: int = 15_453
    few: int = 1_500
    side: int = 224
    batch: int = 64
    steps: int = 48
    epochs: int = 3
    decoded: int = 1_536
    decoded_by_keras: int = 384
    scanned: tuple[int, ...] = (1_500, 15_000)
    split: tuple[int, ...] = (1_500, 15_000, 150_000)
    scored: tuple[int, ...] = (1_000, 10_000, 100_000)
    listed: int = 10_000_000
    photos: int = 64
    requests: int = 10_000
    huge: int = 100_000_000
    seeds: tuple[int, ...] = (1, 2, 3)
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[int, int, int] = (60, 20, 20)
    drawing: tuple[str, ...] = ()
    traffic: tuple[int, ...] = (12, 30, 100, 300)
    baselines: int = 10
    margins: int = 1_500


FULL = Size()
SMALL = Size(
    rounds=1,
    images=60,
    few=30,
    side=32,
    batch=4,
    steps=2,
    epochs=2,
    decoded=30,
    decoded_by_keras=8,
    scanned=(30, 60),
    split=(300, 600),
    scored=(30, 60),
    listed=3_000,
    photos=30,
    requests=100,
    huge=1_000_000,
    seeds=(1,),
    settings={
        "validate.min_images_per_class": 3,
        "validate.max_quarantined": 0.2,
        "validate.min_side": 16,
        "model.image_size": 16,
        "train.epochs": 1,
        "watch.baseline_hours": 96,
        "watch.resamples": 20,
    },
    faults=(1, 1, 1),
    drawing=("--persons", "24", "--image-size", "32"),
    traffic=(30,),
    baselines=1,
    margins=60,
)
