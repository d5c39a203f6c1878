"""Sharpness-aware minimisation: the gradient where the loss is worst nearby, on TensorFlow."""

from typing import Any

from facesent.core.errors import FacesentError
from facesent.model.backend import keras, replicas


def sharpness_aware(network: keras.Model, radius: float) -> keras.Model:
    """The same network with a training step that minimises the highest loss within ``radius`` of the weights.

    Each step takes two gradients: one finds the direction in which the loss rises most, the other, there, moves the
    weights. Batch norm averages what both see.

    Source: Foret et al., Sharpness-aware minimization, 2021, arXiv:2010.01412, algorithm 1.

    Raises:
        FacesentError: on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise FacesentError(
            "Expected Keras on TensorFlow for train.optimizer.sharpness. "
            f"Received: {keras.backend.backend()}. Set it to 0, or KERAS_BACKEND=tensorflow."
        )
    model = _SharpnessAware(network.inputs[0], network.outputs[0], name=network.name)
    model.radius = radius
    return model


class _SharpnessAware(keras.Model):  # type: ignore[misc]
    radius: float

    def train_step(self, data: Any) -> Any:
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        _, _, uphill = self._gradients(images, targets, weights)
        variables = self.trainable_variables
        kept = [keras.ops.copy(variable.value) for variable in variables]
        for variable, step in zip(variables, self._scaled(uphill), strict=True):
            variable.assign_add(step)
        loss, answers, gradients = self._gradients(images, targets, weights)
        for variable, value in zip(variables, kept, strict=True):
            # Subtracting the step again would not give quite the same numbers.
            variable.assign(value)
        self.optimizer.apply(gradients, variables)
        # Of a share of a batch Keras gives the part that it adds to the mean over all shares.
        self._loss_tracker.update_state(loss * replicas(), sample_weight=keras.ops.shape(images)[0])
        return self.compute_metrics(images, targets, answers, sample_weight=weights)

    def _gradients(self, images: Any, targets: Any, weights: Any) -> tuple[Any, Any, list[Any]]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            answers = self(images, training=True)
            loss = self.compute_loss(images, targets, answers, sample_weight=weights, training=True)
        return loss, answers, tape.gradient(loss, [variable.value for variable in self.trainable_variables])

    def _scaled(self, gradients: list[Any]) -> list[Any]:
        squares = [keras.ops.sum(keras.ops.square(gradient)) for gradient in gradients]
        norm = keras.ops.sqrt(sum(squares[1:], start=squares[0]))
        return [gradient * (self.radius / (norm + 1e-12)) for gradient in gradients]
