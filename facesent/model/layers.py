"""Layers of our own: the same mathematics as Keras's, in less time."""

from typing import Any

from facesent.model.backend import keras

# Up to this side, measured, one matrix product over patches beats the convolution kernels of every library tried.
_LARGEST_PRODUCT = 7


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
        if keras.backend.backend() != "tensorflow" or mask is not None:
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
