"""The command ``python -m benchmarks.tradeoffs``: what more backbones, larger images and mirror images give and cost.

Every network stands on backbones as they are and has a solved head, as in the preset ``best``. So the features are read
once, and a fold is seconds.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.projects import ROOT
from benchmarks.trainings import prepare
from facesent.core.markdown import table
from facesent.core.paths import Project
from facesent.dataset.similarity import groups_of
from facesent.evaluation.plots import default_style, save_figure
from facesent.experiments.folds import assign, round_of
from facesent.images.batches import Examples, class_weights, one_hot, read_examples, targets_of
from facesent.images.reading import read_image
from facesent.images.rows import labels_of, read_split
from facesent.model.architectures.build import LOGITS, build
from facesent.model.backend import keras
from facesent.model.inference import compile_forward, in_batches
from facesent.model.settings import Model, Trunk
from facesent.model.weights import load_pretrained
from facesent.params import Params
from facesent.presets import load_preset
from facesent.promotion.comparison import compare
from facesent.training.logistic_head import solved

BEST = "all"
_BATCH = 32
_PHOTOS = 200
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """What one network reaches and costs.

    Attributes:
        name: its backbones and the side of the images.
        mirrored: whether it answers with the mean over the photo and its mirror image.
        recall: macro recall on all images, each answered when it was held out.
        recalls: ``(seeds * folds,)``, that on the images that each fold holds out.
        right: ``(seeds * images,)``, whether each image was answered right when it was held out.
        milliseconds: of one photo, from the file's bytes to the probabilities.
    """

    name: str
    mirrored: bool
    recall: float
    recalls: Numbers
    right: NDArray[np.bool_]
    milliseconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Class folders of images; without it, the drawn faces.",
)  # fmt: skip
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw macro recall over milliseconds into this PNG.",
)  # fmt: skip
@click.option("--folds", type=click.IntRange(min=3), default=10, show_default=True)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Times that the folds are drawn."
)
def main(data: Path | None, picture: Path | None, folds: int, seeds: int) -> None:
    """Compare networks with solved heads on the folds of train and validation, and time one photo with each.

    Macro recall is that of all held-out answers together; the mean over the folds and its deviation stand beside it.
    The last column is how much it is above that of the preset best, in brackets the interval at 95 % over persons drawn
    anew; the intervals are not corrected for their number. The weights of the preset best have to be
    there. Nothing else should run on the machine meanwhile.

    \b
    Example: python -m benchmarks.tradeoffs --data ~/my-faces --picture tradeoffs.png
    """
    with TemporaryDirectory(prefix="tradeoffs-") as folder:
        root = Path(folder)
        prepare(root, data, {})
        rows = images_of(Project(root))
        points = [
            point
            for name, model in networks().items()
            for point in measured(root / "data", rows, name, model, folds, seeds)
        ]
    (best,) = (point for point in points if (point.name, point.mirrored) == (BEST, True))
    table_rows = [row_of(point, best, rows) for point in sorted(points, key=lambda point: point.milliseconds)]
    head = ["backbones", "predicts from", "one photo", "macro recall", "mean of folds", f"difference from {BEST}"]
    click.echo(f"Measured on {date.today().isoformat()}: {describe()}.\n\n{table(head, table_rows)}")
    if picture:
        draw(points, picture)


def networks() -> dict[str, Model]:
    """The backbones of the preset ``best``, alone and together, at several sizes."""
    best = _best().model
    mobilenet, expression, fer = best.trunks
    sizes = {side: best.model_copy(update={"image_size": side}) for side in (112, 176, 224)}
    return {
        "fer": _of(best, fer),
        "expression": _of(best, expression),
        "mobilenet": _of(best, mobilenet),
        "expression + fer": _of(best, expression, fer),
        "mobilenet + expression": _of(best, mobilenet, expression),
        BEST: best,
        **{f"{BEST}, {side}": settings for side, settings in sizes.items()},
    }


@cache
def _best() -> Params:
    return load_preset(ROOT, "best")


def _of(best: Model, first: Trunk, *others: Trunk) -> Model:
    return best.model_copy(update={**{name: getattr(first, name) for name in Trunk.model_fields}, "others": others})


def images_of(project: Project) -> pd.DataFrame:
    """The images of train and validation, by name."""
    rows = pd.concat([read_split(project.split(part)) for part in ("train", "val")])
    return rows.sort_values("file_name", ignore_index=True)


def measured(data: Path, rows: pd.DataFrame, name: str, settings: Model, folds: int, seeds: int) -> list[Point]:
    """The network's answers to photos, and to photos and their mirror images.

    Args:
        data: the folder of the images.
        rows: of ``images_of``.
        name: to show.
        settings: of the network.
        folds: of the images.
        seeds: how often these are drawn.
    """
    labels = labels_of(rows)
    examples = read_examples(data, rows, labels, settings.image_size, name)
    sides = _features(settings, examples, len(labels))
    drawn = [assign(rows, folds, _best().split.seed + seed)["fold"].to_numpy() for seed in range(seeds)]
    logits = [_held_out(sides, rows.assign(fold=fold), examples.targets) for fold in drawn]
    points = []
    for mirrored in (False, True):
        right = [(each.mean(axis=0) if mirrored else each[0]).argmax(axis=1) == examples.targets for each in logits]
        recalls = [
            _recall(examples.targets[fold == n], each[fold == n])
            for fold, each in zip(drawn, right, strict=True)
            for n in np.unique(fold)
        ]
        taken = _milliseconds(settings, data, rows, mirrored=mirrored)
        answers = np.concatenate(right)
        recall = _recall(np.tile(examples.targets, seeds), answers)
        points.append(Point(name, mirrored, recall, np.array(recalls), answers, taken))
        print(f"{name}, mirrored: {mirrored}: {recall:.3f}, {taken:.1f} ms", file=sys.stderr, flush=True)
    return points


def _features(settings: Model, examples: Examples, classes: int) -> Numbers:
    """Of the images and of their mirror images: ``(2, images, features)``."""
    model = build(settings, classes)
    load_pretrained(model, settings)
    forward = compile_forward(keras.Model(model.input, model.get_layer(LOGITS).input))
    images = examples.images[:]
    sides = (images, np.ascontiguousarray(images[:, :, ::-1]))
    return np.stack([np.concatenate(in_batches(forward, side, _BATCH)) for side in sides]).astype(np.float64)


def _held_out(sides: Numbers, rows: pd.DataFrame, targets: NDArray[np.int64]) -> Numbers:
    """Logits of each image by the head that saw neither it nor its person: ``(2, images, classes)``."""
    classes, shrinkage = int(targets.max()) + 1, _best().train.head.shrinkage
    logits = np.zeros((*sides.shape[:2], classes))
    for fold in range(1, int(rows["fold"].max()) + 1):
        parts = round_of(rows, fold)
        train, test = (rows["file_name"].isin(part["file_name"]).to_numpy() for part in (parts.train, parts.test))
        weights = class_weights(targets[train], classes)[targets[train]].astype(np.float64)
        learned = one_hot(np.tile(targets[train], 2), classes)
        both = np.concatenate(list(sides[:, train]))
        kernel, bias = solved(both, learned, np.tile(weights, 2), shrinkage)
        logits[:, test] = sides[:, test] @ kernel + bias
    return logits


def _recall(targets: NDArray[np.int64], right: NDArray[np.bool_]) -> float:
    """The mean over the classes that there are."""
    return float(np.mean([right[targets == label].mean() for label in np.unique(targets)]))


def _milliseconds(settings: Model, data: Path, rows: pd.DataFrame, *, mirrored: bool) -> float:
    forward = compile_forward(build(settings, rows["label"].nunique(), flip_average=mirrored))
    seconds = []
    for photo in [(data / name).read_bytes() for name in rows["file_name"][:_PHOTOS]]:
        begun = time.perf_counter()
        forward(read_image(photo, settings.image_size)[None])
        seconds.append(time.perf_counter() - begun)
    return 1000 * median(seconds)


def row_of(point: Point, best: Point, rows: pd.DataFrame) -> list[str]:
    """The cells of a network, compared with ``best`` on the same answers; ``rows`` are those of ``images_of``."""
    labels = labels_of(rows)
    seeds = len(point.right) // len(rows)
    targets = np.tile(targets_of(list(rows["label"]), labels), seeds)
    # Answers to a photo in several drawings of the folds belong together, as those to photos of a person do.
    groups = np.tile(groups_of(rows["group"]).astype(str), seeds)
    beside = compare(targets, point.right, best.right, list(groups), labels, _best().gate).macro_recall
    return [
        point.name,
        "photo and mirror image" if point.mirrored else "photo",
        f"{point.milliseconds:.1f} ms",
        f"{point.recall:.3f}",
        f"{point.recalls.mean():.3f} ± {point.recalls.std(ddof=1):.3f}",
        "" if point is best else f"{beside.estimate:+.3f} ({beside.low:+.3f} to {beside.high:+.3f})",
    ]


@default_style()
def draw(points: Sequence[Point], path: Path) -> None:
    """Macro recall over milliseconds; a line joins the two answers of a network."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    by_name: dict[str, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.name, []).append(point)
    # The legend in the order of the lines' ends.
    for name, pair in sorted(by_name.items(), key=lambda item: -item[1][-1].recall):
        times, recalls = [point.milliseconds for point in pair], [point.recall for point in pair]
        (line,) = axes.plot(times, recalls, linewidth=1, label=name)
        for point, recall in zip(pair, recalls, strict=True):
            axes.plot([point.milliseconds], [recall], "o" if point.mirrored else "s", color=line.get_color())
    axes.set(xlabel="one photo, ms", ylabel="macro recall", title="square: the photo; dot: and its mirror image")
    axes.set_xlim(left=0)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
