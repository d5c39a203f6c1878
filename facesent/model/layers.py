"""Layers of our own: the same mathematics as Keras's, in less time."""

from typing import Any, Literal

from facesent.model.backend import keras, replicas

# Up to this side, measured, one matrix product over patches beats the convolution kernels of every library tried.
_LARGEST_PRODUCT = 7

# Of ImageNet, in bytes: red, green, blue.
_MEAN = (123.68, 116.779, 103.939)
_DEVIATION = (58.393, 57.12, 57.375)
# Of the images of face-api.
_FACE_API_MEAN = (122.782, 117.001, 104.298)


@keras.saving.register_keras_serializable("facesent")
class Convolution3x3(keras.layers.Conv2D):  # type: ignore[misc]
    """A 3x3 convolution with zero padding and no bias, over maps of any size.

    Convolution kernels are written for large maps with few channels. On the small maps with many channels at the end
    of a network they reach a fraction of the rate of a matrix product, so there the patches are laid out and
    multiplied (im2col; Chellapilla et al., High performance convolutional neural networks for document processing,
    2006). On a map of one pixel all but the kernel's centre meets padding, and the centre alone is multiplied.
    """

    def __init__(self, filters: int, **options: Any) -> None:
        fixed = {"kernel_size": 3, "padding": "same", "use_bias": False}
        super().__init__(filters, **{**options, **fixed})

    def call(self, inputs: Any) -> Any:
        """Convolve ``(batch, height, width, channels)``."""
        height, width = inputs.shape[1:3]
        if height is None or width is None or max(height, width) > _LARGEST_PRODUCT:
            return super().call(inputs)
        rows, columns = _reach(height), _reach(width)
        taps = [(row, column) for row in rows for column in columns]
        kernel = self.kernel[rows.start : rows.stop, columns.start : columns.stop]
        weights = keras.ops.reshape(kernel, (len(taps) * inputs.shape[3], self.filters))
        return keras.ops.matmul(_patches(inputs, taps), weights)


@keras.saving.register_keras_serializable("facesent")
class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation of maps, by TensorFlow's one kernel for it where TensorFlow is the backend.

    Keras spells it out as moments and arithmetic in float32, which read and write the maps several times over.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise ``(batch, height, width, channels)``; in training update the moving statistics."""
        # Of the whole batch, where it is divided.
        self.synchronized = replicas() > 1
        if keras.backend.backend() != "tensorflow" or mask is not None or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        return self._fused(inputs, training=bool(training and self.trainable))

    def _fused(self, inputs: Any, *, training: bool) -> Any:
        import tensorflow as tf

        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=[] if training else self.moving_mean.value,
            variance=[] if training else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
            # The kernel returns the unbiased variance; Keras averages the population's.
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * (count - 1) / count)
        return outputs

    def _move(self, average: Any, value: Any) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


@keras.saving.register_keras_serializable("facesent")
class CalibratedSoftmax(keras.layers.Layer):  # type: ignore[misc]
    """Probabilities from logits divided by a temperature, 1 until a calibration sets it.

    Source: Guo et al., On calibration of modern neural networks, 2017, arXiv:1706.04599.
    """

    def build(self, input_shape: Any) -> None:
        """Make room for the temperature."""
        self.temperature = self.add_weight(name="temperature", shape=(), initializer="ones", trainable=False)

    def call(self, inputs: Any) -> Any:
        """Map ``(n, classes)`` logits to ``(n, classes)`` probabilities."""
        return keras.ops.softmax(inputs / self.temperature)


@keras.saving.register_keras_serializable("facesent")
class WithMirrorImages(keras.layers.Layer):  # type: ignore[misc]
    """A batch of images followed by their mirror images."""

    def call(self, inputs: Any) -> Any:
        """Map ``(n, h, w, c)`` to ``(2n, h, w, c)``."""
        return keras.ops.concatenate([inputs, keras.ops.flip(inputs, axis=2)])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Twice the batch, whose size is not known."""
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable("facesent")
class MeanOfSides(keras.layers.Layer):  # type: ignore[misc]
    """The mean over images and their mirror images, as ``WithMirrorImages`` put them together."""

    def call(self, inputs: Any) -> Any:
        """Map ``(2n, classes)`` to ``(n, classes)``."""
        sides = keras.ops.reshape(inputs, (2, -1, inputs.shape[-1]))
        return keras.ops.mean(sides, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Half the batch, whose size is not known."""
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable("facesent")
class ChannelStatistics(keras.layers.Layer):  # type: ignore[misc]
    """Mean and maximum over the channels of each place."""

    def call(self, inputs: Any) -> Any:
        """Map ``(n, h, w, c)`` to ``(n, h, w, 2)``."""
        mean = keras.ops.mean(inputs, axis=-1, keepdims=True)
        return keras.ops.concatenate([mean, keras.ops.max(inputs, axis=-1, keepdims=True)], axis=-1)


@keras.saving.register_keras_serializable("facesent")
class ImageNetScaling(keras.layers.Layer):  # type: ignore[misc]
    """Bytes to what a network trained on ImageNet, or by face-api, expects.

    Args:
        mode: ``tf``: -1..1; ``torch``: less ImageNet's mean, by its deviation; ``caffe``: less ImageNet's mean, in the
            order blue, green, red. These are the names and numbers of ``keras.applications``. ``face_api``: less the
            mean of its images, by 255.
    """

    def __init__(self, mode: Literal["tf", "torch", "caffe", "face_api"], **options: Any) -> None:
        super().__init__(**options)
        self.mode = mode

    def call(self, inputs: Any) -> Any:
        """Map ``(n, h, w, 3)`` to ``(n, h, w, 3)``."""
        x = keras.ops.cast(inputs, self.compute_dtype)
        if self.mode == "tf":
            return x / 127.5 - 1
        if self.mode == "face_api":
            return (x - keras.ops.convert_to_tensor(_FACE_API_MEAN, x.dtype)) / 255
        mean, deviation = (keras.ops.convert_to_tensor(values, x.dtype) for values in (_MEAN, _DEVIATION))
        return (x - mean) / deviation if self.mode == "torch" else keras.ops.flip(x - mean, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The options, to be saved."""
        return {**super().get_config(), "mode": self.mode}


def _reach(length: int) -> range:
    """Indices of the kernel's taps that meet more than padding."""
    return range(1, 2) if length == 1 else range(3)


def _patches(inputs: Any, taps: list[tuple[int, int]]) -> Any:
    """What each tap meets, side by side: ``(batch, height, width, taps * channels)``."""
    if len(taps) == 1:
        return inputs
    height, width = inputs.shape[1:3]
    padded = keras.ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
    met = [padded[:, row : row + height, column : column + width] for row, column in taps]
    return keras.ops.concatenate(met, axis=-1)
