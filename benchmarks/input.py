"""Input: images a second from JPEG files to augmented training batches.

The files are 350x300, the batches 64 samples of 224x224. Each contestant uses all cores and reads from the page cache.
``first epoch`` decodes each file, keeps the picture and makes a sample of it; ``later epochs`` make samples of what was
kept. The peers decode anew in each epoch, as ``tf.data`` does unless told to cache.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contest import Contestant, Timing, Work, contest
from benchmarks.faces import jpegs
from benchmarks.results import Result, compared, noted, show

if TYPE_CHECKING:
    import tensorflow as tf

    from facesent.images.keeping import DecodedImages

COUNT = 1_536
# Keras's layers would need a quarter of a minute a round for all.
COUNT_KERAS = 384
SIDE = 224
BATCH = 64
UNIT = "images/s"

FIRST, LATER = "first epoch", "later epochs"
KERAS = "Keras's augmentation layers in tf.data"
TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE = "tf.data", "facesent.images.reading", "Pillow and cv2.resize, bilinear"


def run(scratch: Path, rounds: int) -> list[Result]:
    """Time all contestants and make the rows."""
    folder = jpegs(scratch, COUNT)
    makers: dict[str, tuple[Callable[[Path], Work], int]] = {
        FIRST: (_first_epoch, COUNT),
        LATER: (_later_epochs, COUNT),
        KERAS: (_keras_layers, COUNT_KERAS),
        TF_RESIZE: (_tf_resize, COUNT),
        OUR_RESIZE: (_our_resize, COUNT),
        PLAIN_RESIZE: (_plain_resize, COUNT),
    }
    times = contest([Contestant(name, partial(make, folder), work) for name, (make, work) in makers.items()], rounds)
    fastest = min((times[name] for name in (TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE)), key=lambda timing: timing.median)
    alone = Timing(f"decode and resize alone, the fastest: {fastest.name}", fastest.seconds, fastest.work)
    return [
        *(
            compared(f"{epoch}, JPEG to augmented", times[epoch], times[KERAS], at_least=12, unit=UNIT)
            for epoch in (FIRST, LATER)
        ),
        *(
            compared(f"{epoch}, JPEG to augmented", times[epoch], alone, at_least=0.95, unit=UNIT)
            for epoch in (FIRST, LATER)
        ),
        *(
            noted("decode and resize alone", show(times[name], UNIT), peer=name)
            for name in (TF_RESIZE, OUR_RESIZE, PLAIN_RESIZE)
        ),
    ]


def _paths(folder: Path, count: int = COUNT) -> list[Path]:
    """Files of all classes in turn."""
    return sorted(folder.glob("*/*.jpg"), key=lambda path: path.name)[:count]


def _first_epoch(folder: Path) -> Work:
    from facesent.images.keeping import decoded_files

    paths = _paths(folder)
    return lambda: _epoch(decoded_files(paths, SIDE), 0)


def _later_epochs(folder: Path) -> Work:
    from facesent.images.keeping import decoded_files

    images = decoded_files(_paths(folder), SIDE)
    _epoch(images, 0)
    return lambda: _epoch(images, 1)


def _epoch(images: "DecodedImages", epoch: int) -> None:
    import numpy as np

    from facesent.images.augmentation.settings import Augment
    from facesent.images.batches import TrainingBatches, TrainingExamples, equal_weights

    settings = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
    examples = TrainingExamples(images, np.zeros(len(images), np.int64))
    _exhaust(TrainingBatches(examples, BATCH, settings, 7, equal_weights(1)).stream(epoch, epochs=1))


def _our_resize(folder: Path) -> Work:
    from facesent.images.reading import read_images

    paths = _paths(folder)
    return lambda: read_images(paths, SIDE)


def _plain_resize(folder: Path) -> Work:
    import cv2

    from facesent.images.reading import decode
    from facesent.images.threads import map_ahead

    paths = _paths(folder)
    batches = [paths[start : start + BATCH] for start in range(0, COUNT, BATCH)]

    def squares(batch: list[Path]) -> list[object]:
        return [cv2.resize(decode(path.read_bytes(), SIDE), (SIDE, SIDE)) for path in batch]

    return lambda: _exhaust(map_ahead(squares, batches))


def _tf_resize(folder: Path) -> Work:
    import tensorflow as tf

    squares = _tf_squares(_paths(folder)).map(lambda image: tf.cast(image + 0.5, tf.uint8), tf.data.AUTOTUNE)
    return lambda: _exhaust(squares.batch(BATCH).prefetch(tf.data.AUTOTUNE))


def _keras_layers(folder: Path) -> Work:
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
    squares = _tf_squares(_paths(folder, COUNT_KERAS)).batch(BATCH)
    batches = squares.map(lambda images: augment(images, training=True), tf.data.AUTOTUNE)
    return lambda: _exhaust(batches.prefetch(tf.data.AUTOTUNE))


def _tf_squares(paths: list[Path]) -> "tf.data.Dataset":
    """Bilinear, as ``tf.image`` and ``image_dataset_from_directory`` do by default; float32."""
    import tensorflow as tf

    def square(path: "tf.Tensor") -> "tf.Tensor":
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (SIDE, SIDE))

    return tf.data.Dataset.from_tensor_slices([str(path) for path in paths]).map(square, tf.data.AUTOTUNE)


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass
