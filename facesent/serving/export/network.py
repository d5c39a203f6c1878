"""The network as all formats are written from it."""

from typing import TYPE_CHECKING, Any

from facesent.core.errors import FacesentError
from facesent.model.backend import keras
from facesent.model.inference import fold_batch_norm
from facesent.serving.export.formats import INPUT, OUTPUT

if TYPE_CHECKING:
    import tensorflow as tf


def serving_module(model: keras.Model) -> "tf.Module":
    """Make the module whose function ``serve`` is ``model`` in inference, batch normalisation folded.

    ``serve`` maps uint8 ``image (n, size, size, 3)`` to float32 ``probabilities (n, classes)``.

    Raises:
        FacesentError: if Keras computes with another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise FacesentError(
            f"Expected the backend TensorFlow for an export. Received: {keras.backend.backend()}. "
            "Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    folded = fold_batch_norm(model)

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name=INPUT)])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> dict[str, Any]:
        return {OUTPUT: folded(image, training=False)}

    module = tf.Module()
    module.serve = serve
    # A SavedModel holds the variables that its module can name; without dropout's random state, of no use in inference.
    module.weights = [variable.value for variable in folded.weights]
    return module
