"""The optimizer: Keras's Adam, in one pass over memory where the backend has a kernel for it."""

from typing import Any

from facesent.model.backend import keras


@keras.saving.register_keras_serializable("facesent")
class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam by TensorFlow's one kernel for it where TensorFlow is the backend, else Keras's own.

    Keras spells the same update out as a dozen operations, each of which reads and writes arrays of the size of all
    weights; over 28 million of them that is a quarter of a step on small images.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable along its gradient."""
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2, epsilon = (tf.cast(value, variable.dtype) for value in (self.beta_1, self.beta_2, self.epsilon))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )
