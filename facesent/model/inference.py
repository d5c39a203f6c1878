"""A trained network as a function, as quick as the backend can make it."""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from facesent.console import Progress
from facesent.data.images import Pixels
from facesent.model.backend import keras
from facesent.model.folding import fold_batch_norm

Probabilities = NDArray[np.float32]
Forward = Callable[[Pixels], Probabilities]


def in_batches(
    forward: Forward, images: Pixels, batch_size: int, progress: Progress | None = None
) -> list[Probabilities]:
    """What ``forward`` gives for ``batch_size`` images at a time, batch by batch.

    Args:
        forward: of a network.
        images: ``(n, size, size, 3)``.
        batch_size: how many at a time.
        progress: called with the images done and their number.
    """
    given = []
    for start in range(0, len(images), batch_size):
        given.append(forward(images[start : start + batch_size]))
        if progress:
            progress(min(start + batch_size, len(images)), len(images))
    return given


def compile_forward(model: keras.Model) -> Forward:
    """Make the function from uint8 ``(n, size, size, 3)`` to ``(n, classes)`` that ``model`` is in inference.

    It holds copies of the weights: a later training of ``model`` does not change it. The results are those of
    ``model`` up to rounding, whatever the batch that an image is in.
    """
    folded = fold_batch_norm(model)
    if keras.backend.backend() == "tensorflow":
        return _frozen(folded)
    return lambda images: np.asarray(keras.ops.convert_to_numpy(folded(images, training=False)))


def _frozen(model: keras.Model) -> Forward:
    """One graph for every batch size, with the weights as constants.

    For constants oneDNN keeps the layout it convolves with; variables it lays out anew at each call, which takes
    longer than the convolutions of a single image.
    """
    import tensorflow as tf

    trained, others = (
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.uint8, (None, *model.input_shape[1:]))
        outputs, _ = model.stateless_call(trained, others, images, training=False)
    config = tf.compat.v1.ConfigProto()
    # Rewriting copies the constants again and again, seconds in all, and finds nothing to gain in such a graph. Only
    # a session can be told so by itself; for a tf.function it is a setting of the whole process.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    session = tf.compat.v1.Session(graph=graph, config=config)
    return cast(Forward, session.make_callable(outputs, [images]))
