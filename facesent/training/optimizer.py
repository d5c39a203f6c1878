"""The optimizer: Keras's Adam, in one pass over memory where the backend has a kernel for it."""

from typing import Any, cast

from facesent.model.backend import keras, replicas
from facesent.training.settings import Optimizer, Schedule

# Biases and normalisations are no kernels: decay would only shrink what they shift and scale.
_NOT_DECAYED = ["bias", "gamma", "beta"]


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

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        """Keras would clip what each replica has, before it adds that up; the norm is the whole batch's."""
        count = replicas()
        if count == 1 or not (self.clipnorm or self.global_clipnorm or self.clipvalue):
            return cast(list[Any], super()._clip_gradients(gradients))
        import tensorflow as tf

        whole = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        return [gradient / count for gradient in super()._clip_gradients(whole)]


def optimizer_of(settings: Optimizer, learning_rate: "float | keras.optimizers.schedules.LearningRateSchedule") -> Any:
    """Adam with decoupled weight decay, clipping and a moving average of weights, as far as the settings want them."""
    optimizer = FusedAdam(
        learning_rate,
        weight_decay=settings.weight_decay or None,
        global_clipnorm=settings.clip_norm or None,
        use_ema=settings.average > 0,
        ema_momentum=settings.average or 0.99,
    )
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def learning_rate_of(
    settings: Optimizer, schedule: Schedule, *, epochs: int, steps: int
) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    """The learning rate over ``epochs`` of ``steps`` each.

    Source of the cosine: Loshchilov and Hutter, SGDR, 2017, arXiv:1608.03983; of the warm-up: Goyal et al., Accurate,
    large minibatch SGD, 2017, arXiv:1706.02677.
    """
    if schedule.name == "plateau":
        return settings.learning_rate
    warmup = round(schedule.warmup_epochs * steps)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(epochs * steps - warmup, 1), warmup_target=settings.learning_rate, warmup_steps=warmup
    )
