"""What augmentation does to training images, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facesent.evaluation.plots import default_style, save_figure
from facesent.images.augmentation import mixing
from facesent.images.augmentation.draws import Draws, Stream
from facesent.images.augmentation.samples import draw, make_samples
from facesent.images.augmentation.settings import Augment
from facesent.images.batches import Targets, TrainingExamples, one_hot
from facesent.images.reading import Pixels

COLUMNS = 8
EPOCHS = 3

_NOTHING = Augment(flip=False, rotation=0, zoom=0, shift=0)
# Settings that are the share of the images to change; a sheet of one of them shows the change on each image.
_SHARES = {"occlude_eyes", "occlude_mouth", "occlude_box", "low_resolution", "jpeg", "blur", "grey"}
# White around an image, as a share of its side.
_MARGIN = 0.03
# Of an image, and of the captions at the left and above.
_INCHES, _LEFT, _TOP = 1.15, 0.25, 0.55


def save_augmentation_sheets(
    examples: TrainingExamples,
    labels: Sequence[str],
    settings: Augment,
    seed: int,
    folder: Path,
    no_thumbnails: Collection[str],
) -> list[Path]:
    """Draw one sheet for each augmentation that is on, and ``all.png`` with what the first epochs train on.

    Images are the training's, but for the partners of mixtures: these come from the images shown.

    Args:
        examples: the training images.
        labels: the classes.
        settings: of the training.
        seed: of the training.
        folder: of the PNGs; made if there is an augmentation to show.
        no_thumbnails: classes of which no picture is shown.

    Returns:
        The files; none if no augmentation is on, or no class may be shown.

    Raises:
        ImageError: naming the file that cannot be read.
    """
    chosen = choose_examples(examples.targets, labels, no_thumbnails, seed)
    sheets = list(_sheets(settings))
    if not sheets or not len(chosen):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    images = [examples.images[index] for index in chosen]
    names = [labels[target] for target in examples.targets[chosen]]
    epochs = [_rows(draw(settings, seed, epoch, len(examples.targets)), chosen) for epoch in range(EPOCHS)]
    originals = _augmented(images, epochs[0], _NOTHING, examples.side)
    paths = []
    for name, title, shown in sheets:
        variants = [_augmented(images, draws, shown, examples.side) for draws in epochs]
        paths.append(folder / f"{name}.png")
        save_augmentation_sheet(originals, variants, names, title, paths[-1])
    return paths


def choose_examples(
    targets: Targets, labels: Sequence[str], no_thumbnails: Collection[str], seed: int, count: int = COLUMNS
) -> NDArray[np.int64]:
    """Indices of up to ``count`` images, spread over the classes that may be shown and in their order."""
    shuffle = np.random.Generator(np.random.Philox(key=[seed, 0]))
    order = shuffle.permutation(len(targets))
    shown = [target for target, label in enumerate(labels) if label not in no_thumbnails]
    of_class = [order[targets[order] == target][:count] for target in shown]
    in_turn = [indices[turn] for turn in range(count) for indices in of_class if turn < len(indices)]
    return np.array(sorted(in_turn[:count], key=lambda index: int(targets[index])), dtype=np.int64)


@default_style()
def save_augmentation_sheet(
    originals: Pixels, variants: Sequence[Pixels], names: Sequence[str], title: str, path: Path
) -> None:
    """Draw a row of originals, and below it rows of what became of them.

    Args:
        originals: ``(n, side, side, 3)``.
        variants: a row each, ``(n, side, side, 3)``.
        names: ``n`` captions.
        title: of the sheet.
        path: of the PNG.
    """
    count, side = originals.shape[:2]
    step = side + 2 * max(1, round(side * _MARGIN))
    rows = [_row(images, step) for images in (originals, *variants)]
    gap = np.full((step // 4, *rows[0].shape[1:]), 255, np.uint8)
    picture = np.vstack([rows[0], gap, *rows[1:]])
    width, height = (_INCHES * pixels / step for pixels in picture.shape[1::-1])
    figure = Figure(figsize=(width + _LEFT, height + _TOP))
    axes = figure.add_axes((_LEFT / (width + _LEFT), 0, width / (width + _LEFT), height / (height + _TOP)))
    axes.set_title(title, fontsize=11)
    axes.imshow(picture, interpolation="nearest")
    middles = [(row + 0.5) * step + (len(gap) if row else 0) for row in range(len(rows))]
    captions = ["original", *(f"epoch {number}" for number in range(1, len(rows)))]
    axes.set_yticks(middles, captions, rotation=90, va="center")
    axes.set_xticks([(column + 0.5) * step for column in range(count)], names)
    axes.tick_params(length=0, labelsize=9, top=True, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    save_figure(figure, path)


def _sheets(settings: Augment) -> Iterator[tuple[str, str, Augment]]:
    """Name, title and settings of each sheet."""
    on = {name: value for name, value in settings.model_dump().items() if value}
    for name, value in on.items():
        if name in _SHARES:
            yield name, f"{name}, here each image, in training {value:.0%}", _alone(name, 1.0)
        else:
            yield name, name if value is True else f"{name} {value:g}", _alone(name, value)
    if on:
        yield "all", "all, as trained", settings


def _alone(name: str, value: float) -> Augment:
    return _NOTHING.model_copy(update={name: value})


def _rows(draws: Draws, chosen: NDArray[np.int64]) -> Draws:
    return {stream: numbers[chosen] for stream, numbers in draws.items()}


def _augmented(images: Sequence[Pixels], draws: Draws, settings: Augment, side: int) -> Pixels:
    samples = make_samples(images, draws, settings, side)
    if not mixing.is_on(settings):
        return samples
    # The partners come from the images shown: others might be of a class that is not.
    mixed, _ = mixing.mix(samples, one_hot(np.arange(len(images)), len(images)), draws[Stream.MIXING], settings)
    return mixed


def _row(images: Pixels, step: int) -> Pixels:
    """Images side by side on white, ``step`` pixels from one to the next."""
    count, side = images.shape[:2]
    margin = (step - side) // 2
    cells = np.full((count, step, step, 3), 255, np.uint8)
    cells[:, margin : margin + side, margin : margin + side] = images
    return cells.swapaxes(0, 1).reshape(step, count * step, 3)
