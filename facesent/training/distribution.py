"""Training over several devices or processes: the batches of one process, divided among replicas of the network.

Every replica computes the gradient of its share of a batch; their sum, that of the whole batch, moves the weights of
all of them alike. Batch norm of ours takes the statistics of the whole batch too, so that without dropout, whose draws
are the same in every replica, the weights are those of a training in one process, up to rounding.

This leans on private Keras methods (``_maybe_symbolic_build``, ``_get_metrics_result_or_logs``, ``_loss_tracker``), for
which pyproject.toml bounds Keras's version. The public ``fit`` of Keras 3 divides batches among the devices of one
process alone (keras-team/keras issue 20585), and takes the mean of unequal shares as if they were equal. That all of it
still fits a new Keras is what ``test_two_processes_train_as_one_does_also_across_a_kill_of_both`` and
``test_two_devices_train_as_one_does`` show, in ``tests/training/test_distribution.py``.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from facesent.core.errors import FacesentError
from facesent.model.backend import keras
from facesent.training.checkpoint import CheckpointFolder, State
from facesent.training.variables import Arrays

if TYPE_CHECKING:
    import tensorflow as tf

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class DistributionError(FacesentError):
    """What ``train.distribute`` asks for cannot be had here."""


def strategy(distribute: str) -> "tf.distribute.Strategy | None":
    """What divides the work; to be made before anything else is computed.

    Args:
        distribute: ``none``; ``mirrored``: over this machine's GPUs, or logical CPUs where it has none; ``workers``:
            over the processes that the environment variable TF_CONFIG names, each of which must run this.

    Raises:
        DistributionError: TF_CONFIG is missing or malformed, or Keras runs on another backend than TensorFlow.
    """
    if distribute == "none":
        return None
    if keras.backend.backend() != "tensorflow":
        raise DistributionError(
            f"Expected Keras on TensorFlow for train.distribute: {distribute}. Received: {keras.backend.backend()}. "
            "Set KERAS_BACKEND=tensorflow or train.distribute: none."
        )
    import tensorflow as tf

    if distribute == "workers":
        _checked_cluster()
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def is_chief(distribute: str) -> bool:
    """Whether this process is the one that writes files and MLflow's run: of the workers, the first.

    Raises:
        DistributionError: TF_CONFIG is missing or malformed.
    """
    return distribute != "workers" or _checked_cluster() == 0


@contextmanager
def scope(strategy: "tf.distribute.Strategy | None") -> Iterator[None]:
    """Variables made inside live on every replica, and are set on every replica.

    Raises:
        DistributionError: another worker ended, or cannot be reached any more.
    """
    if strategy is None:
        yield
        return
    import tensorflow as tf

    try:
        with strategy.scope():
            yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError) as error:
        raise DistributionError(
            "Expected all workers to go on. Received: one that has ended or cannot be reached; its own messages say "
            "why. Start all of them again: training goes on after the last finished epoch."
        ) from error


def share_of_batch(size: int, part: int, parts: int) -> slice:
    """The rows of a batch of ``size`` that part number ``part`` of ``parts`` takes; sizes differ by one at most."""
    return slice(size * part // parts, size * (part + 1) // parts)


def share_of_process(strategy: "tf.distribute.Strategy | None") -> Callable[[int], slice]:
    """From a batch's size to the rows that this process makes and computes."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None:
        return slice
    workers = len(resolver.cluster_spec().as_dict()["worker"])
    return lambda size: share_of_batch(size, resolver.task_id, workers)


def replicated(model: keras.Model, strategy: "tf.distribute.Strategy | None") -> keras.Model:
    """Let ``model``, made in the strategy's scope, take its steps on every replica."""
    if strategy:
        model.__class__ = type("Replicated", (_Replicated, type(model)), {"replicas": strategy})
    return model


def agree_on_start(strategy: "tf.distribute.Strategy | None", epochs: int) -> None:
    """See to it that all workers start after the same number of finished epochs.

    Raises:
        DistributionError: they read different checkpoints.
    """
    if strategy is None:
        return
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def squares_of_difference() -> Any:
        return strategy.run(difference)

    def difference() -> Any:
        mine = tf.constant(float(epochs))
        context = tf.distribute.get_replica_context()
        mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, mine)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, (mine - mean) ** 2)

    if float(strategy.experimental_local_results(squares_of_difference())[0]):
        raise DistributionError(
            f"Expected all workers to find the same checkpoint. Received: {epochs} finished epochs here, and different "
            "ones elsewhere. Let the workers share the project's folder."
        )


class Follower(CheckpointFolder):
    """The checkpoint as a worker sees it that is not the chief: it reads, and keeps the best weights in memory."""

    _kept: Arrays | None = None

    def clear(self) -> None:
        """Leave that to the chief."""

    def require_room(self, state: int, best: int) -> None:
        """Leave that to the chief."""

    def save(self, state: State, best: Arrays | None) -> None:
        """Keep the model's variables, if this epoch is the best so far."""
        self._kept = best if best is not None else self._kept

    def best(self, fingerprint: str, epoch: int) -> Arrays:
        """The model's variables as they were after the best epoch."""
        return super().best(fingerprint, epoch) if self._kept is None else self._kept


class _Undivided:
    """Stands where Keras would divide batches."""

    def experimental_distribute_dataset(self, dataset: Any) -> Any:
        return dataset


class _Replicated:
    """Replaces how a Keras model takes its steps; in training the batch is this process's share of the whole one."""

    replicas: "tf.distribute.Strategy"
    train_step: Callable[[Any], Any]
    test_step: Callable[[Any], Any]
    get_metrics_result: Callable[[], dict[str, float]]
    _loss_tracker: keras.metrics.Mean

    @property
    def distribute_strategy(self) -> _Undivided:
        return _Undivided()

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing is left to build: layers and metrics have their variables."""

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> Any:
        # Only between steps: with several workers each look at a metric is a round of messages.
        return self.get_metrics_result()

    def make_train_function(self, force: bool = False) -> None:
        self.train_function = _on_replicas(self.replicas, self._weighed_step)

    def make_test_function(self, force: bool = False) -> None:
        # Each replica scores all of it: means stay exact however few images there are.
        self.test_function = _on_replicas(self.replicas, self.test_step)

    def _weighed_step(self, batch: Any) -> None:
        """Keras takes the mean of the shares' means; weights make that the mean of the batch where shares differ."""
        import tensorflow as tf

        images, targets, weights = _share_of_replica(batch, self.replicas)
        mine = tf.cast(tf.shape(images)[0], tf.float32)
        mean = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, mine)
        total = self._loss_tracker.total
        before = tf.identity(total)
        self.train_step((images, targets, weights * mine / mean))
        # The tracker has weighed the share a second time, by its number of images.
        total.assign(before + (total - before) * mean / mine)


def _share_of_replica(batch: Any, strategy: "tf.distribute.Strategy") -> Any:
    import tensorflow as tf

    local = len(strategy.extended.worker_devices)
    if local == 1:
        return batch
    number = tf.distribute.get_replica_context().replica_id_in_sync_group % local
    rows = share_of_batch(tf.shape(batch[0])[0], number, local)
    return tuple(part[rows] for part in batch)


def _on_replicas(strategy: "tf.distribute.Strategy", step: Callable[[Any], Any]) -> Callable[[Any], dict[str, float]]:
    import tensorflow as tf

    def quiet(batch: Any) -> None:
        step(batch)

    # Of the iterator, whose batches are of any size: a graph for each size would number its messages anew, and in
    # another order than a worker whose shares differ.
    @tf.function  # type: ignore[untyped-decorator]
    def steps(iterator: Any) -> None:
        strategy.run(quiet, args=(next(iterator),))

    def function(iterator: Any) -> dict[str, float]:
        steps(iterator)
        return {}

    return function


def _checked_cluster() -> int:
    """Index of this process among the workers."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
        if set(config["cluster"]) != {"worker"} or task["type"] != "worker" or not 0 <= index < len(workers):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise DistributionError(
            f"Expected TF_CONFIG like {_EXAMPLE} for train.distribute: workers. Received: {text or 'nothing'}. "
            "Each process has the same cluster and its own index; the first is the chief."
        ) from None
    return index
