"""Input: images a second from JPEG files to augmented training batches.

The files are 350x300, the batches 64 samples of 224x224. Each contestant uses all cores and reads from the page cache.
``first epoch`` decodes each file, keeps the picture and makes a sample of it; ``later epochs`` make samples of what was
kept, and are compared with ``tf.data`` that was told to cache, and with decoding anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contest import Contestant, Work, contest, fastest
from benchmarks.faces import jpegs
from benchmarks.results import Result, compared, noted, show
from benchmarks.sizes import Size

if TYPE_CHECKING:
    import tensorflow as tf

    from facesent.images.keeping import DecodedImages

UNIT = "images/s"

FIRST, LATER = "first epoch, JPEG to augmented", "later epochs, kept pictures to augmented"
KERAS, KERAS_CACHED = "Keras's augmentation layers in tf.data", "the same after tf.data's cache"
TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE = "tf.data", "facesent.images.reading", "Pillow and cv2.resize, bilinear"


def run(scratch: Path, size: Size) -> list[Result]:
    """Time all contestants and make the rows."""
    paths = sorted(jpegs(scratch, size.decoded).glob("*/*.jpg"), key=lambda path: path.name)
    # Keras's layers would need a quarter of a minute a round for all; by their numbers, files are of all classes.
    few = paths[: size.decoded_by_keras]
    makers: dict[str, tuple[Callable[[list[Path], Size], Work], list[Path], bool]] = {
        FIRST: (_first_epoch, paths, False),
        LATER: (_later_epochs, paths, False),
        KERAS: (_keras_layers, few, True),
        KERAS_CACHED: (partial(_keras_layers, cached=True), few, True),
        TF_RESIZE: (_tf_resize, paths, True),
        OUR_RESIZE: (_our_resize, paths, False),
        PLAIN_RESIZE: (_plain_resize, paths, True),
    }
    contestants = [
        Contestant(name, partial(make, files, size), len(files), peer) for name, (make, files, peer) in makers.items()
    ]
    times = contest(contestants, size.rounds)
    best = fastest([times[name] for name in (TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE)])
    alone = replace(best, name=f"decode and resize alone, the fastest: {best.name}")
    return [
        *(
            compared(epoch, times[epoch], times[keras], at_least=12, unit=UNIT)
            for epoch, keras in ((FIRST, KERAS), (LATER, KERAS_CACHED))
        ),
        *(compared(epoch, times[epoch], alone, at_least=0.95, unit=UNIT) for epoch in (FIRST, LATER)),
        *(
            noted("decode and resize alone", show(times[name], UNIT), peer=name)
            for name in (TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE)
        ),
    ]


def _first_epoch(paths: list[Path], size: Size) -> Work:
    from facesent.images.keeping import decoded_files

    return lambda: _epoch(decoded_files(paths, size.side), 0, size)


def _later_epochs(paths: list[Path], size: Size) -> Work:
    from facesent.images.keeping import decoded_files

    images = decoded_files(paths, size.side)
    _epoch(images, 0, size)
    return lambda: _epoch(images, 1, size)


def _epoch(images: "DecodedImages", epoch: int, size: Size) -> None:
    import numpy as np

    from facesent.images.augmentation.settings import Augment
    from facesent.images.batches import TrainingBatches, TrainingExamples, equal_weights

    settings = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
    examples = TrainingExamples(images, np.zeros(len(images), np.int64))
    _exhaust(TrainingBatches(examples, size.batch, settings, 7, equal_weights(1)).stream(epoch, epochs=1))


def _our_resize(paths: list[Path], size: Size) -> Work:
    from facesent.images.reading import read_images

    return lambda: read_images(paths, size.side)


def _plain_resize(paths: list[Path], size: Size) -> Work:
    import cv2
    import numpy as np
    from PIL import Image

    from facesent.images.threads import map_ahead

    batches = [paths[start : start + size.batch] for start in range(0, len(paths), size.batch)]

    def square(path: Path) -> object:
        with Image.open(path) as image:
            return cv2.resize(np.asarray(image.convert("RGB")), (size.side, size.side))

    def squares(batch: list[Path]) -> list[object]:
        return [square(path) for path in batch]

    return lambda: _exhaust(map_ahead(squares, batches))


def _tf_resize(paths: list[Path], size: Size) -> Work:
    import tensorflow as tf

    squares = _tf_squares(paths, size.side).map(lambda image: tf.cast(image + 0.5, tf.uint8), tf.data.AUTOTUNE)
    return lambda: _exhaust(squares.batch(size.batch).prefetch(tf.data.AUTOTUNE))


def _keras_layers(paths: list[Path], size: Size, *, cached: bool = False) -> Work:
    import keras
    import tensorflow as tf

    augment = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(15 / 360),
            keras.layers.RandomZoom(0.2, 0.2),
            keras.layers.RandomTranslation(0.1, 0.1),
        ]
    )
    squares = _tf_squares(paths, size.side)
    if cached:
        squares = squares.cache()
        _exhaust(squares)
    batches = squares.batch(size.batch).map(lambda images: augment(images, training=True), tf.data.AUTOTUNE)
    return lambda: _exhaust(batches.prefetch(tf.data.AUTOTUNE))


def _tf_squares(paths: list[Path], side: int) -> "tf.data.Dataset":
    """Bilinear, as ``tf.image`` and ``image_dataset_from_directory`` do by default; float32."""
    import tensorflow as tf

    def square(path: "tf.Tensor") -> "tf.Tensor":
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (side, side))

    return tf.data.Dataset.from_tensor_slices([str(path) for path in paths]).map(square, tf.data.AUTOTUNE)


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass
