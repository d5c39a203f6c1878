"""Train step of the reference network, beside PyTorch's best and stock Keras layers."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Contestant, Work, contest, fastest
from benchmarks.projects import ROOT
from benchmarks.results import Result, compared
from benchmarks.sizes import FULL, Size
from benchmarks.torch_peer import Network, torch_step
from facesent.images.threads import cores
from facesent.params import Params
from facesent.presets import load_preset

CLASSES = 6

Arrays = tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.float32]]


def run(scratch: Path, size: Size) -> Sequence[Result]:
    """One step is forward, backward and update on one batch of bytes in memory, class weights included."""
    peers = [_torch(size, mode, precision) for mode in ("eager", "compiled") for precision in ("float32", "bfloat16")]
    ours = [Contestant(f"facesent, {precision}", partial(_step, size, precision)) for precision in ("auto", "float32")]
    stock = Contestant("stock Keras layers, bfloat16", partial(_step, size, "bfloat16", stock=True))
    timings = contest([*ours, stock, *peers], min(size.rounds, 3))  # a step takes seconds
    best = fastest([timings[peer.name] for peer in peers])
    what = f"train step, batch {size.batch}, {size.side}x{size.side}"
    auto = timings["facesent, auto"]
    return [
        compared(f"{what}, against PyTorch's best of four", auto, best, at_most=0.6),
        *(compared(what, auto, timings[contestant.name]) for contestant in (*peers, stock)),
        compared(f"{what}, ours in float32", timings["facesent, float32"], timings["PyTorch compiled, float32"]),
    ]


def _torch(size: Size, mode: str, precision: str) -> Contestant:
    from facesent.model.architectures.reference import DENSE_UNITS, FILTERS

    params = reference_params()
    network = Network(FILTERS, DENSE_UNITS, CLASSES, params.model.dropout, params.train.optimizer.learning_rate)
    images, targets, _ = _batch(size)
    prepare = partial(
        torch_step, network, images, targets, _class_weights(), mode=mode, precision=precision, threads=cores()
    )
    return Contestant(f"PyTorch {mode}, {precision}", prepare, peer=True)


def reference_params(side: int = FULL.side) -> Params:
    """The preset ``reference`` at another image size."""
    params = load_preset(ROOT, "reference")
    return params.model_copy(update={"model": params.model.model_copy(update={"image_size": side})})


def repeated_step(model: Any, arrays: Arrays) -> Work:
    """The step that ``fit`` runs, on the same batch each time, without ``fit`` around it."""
    import tensorflow as tf

    batches = iter(tf.data.Dataset.from_tensors(arrays).repeat())
    model.make_train_function()

    def step() -> object:
        return {name: float(value) for name, value in model.train_function(batches).items()}

    return step


def _batch(size: Size) -> Arrays:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (size.batch, size.side, size.side, 3), dtype=np.uint8)
    targets = chance.integers(0, CLASSES, size.batch)
    return images, targets, _class_weights()[targets]


def with_soft_targets(batch: Arrays) -> Arrays:
    """As facesent's batches hold them."""
    from facesent.images.batches import one_hot

    images, targets, weights = batch
    return images, one_hot(targets, CLASSES), weights


def _class_weights() -> NDArray[np.float32]:
    return np.linspace(0.5, 1.5, CLASSES, dtype=np.float32)


def _step(size: Size, precision: str, *, stock: bool = False) -> Work:
    from facesent.model.backend import make_deterministic
    from facesent.training.compiling import compiled

    params = reference_params(size.side)
    make_deterministic(params.train.seed)
    settings = params.train.model_copy(update={"precision": precision})
    model = compiled(params.model, settings, CLASSES)
    learner = _of_stock_layers(model, settings.optimizer.learning_rate) if stock else model
    return repeated_step(learner, with_soft_targets(_batch(size)))


def _of_stock_layers(model: Any, learning_rate: float) -> Any:
    """The same network, optimizer and precision without what facesent adds to Keras."""
    from facesent.model.backend import keras
    from facesent.model.layers import Convolution3x3, FusedBatchNormalization

    stock = {Convolution3x3: keras.layers.Conv2D, FusedBatchNormalization: keras.layers.BatchNormalization}

    def clone(layer: Any) -> Any:
        return stock.get(type(layer), type(layer)).from_config(layer.get_config())

    plain = keras.models.clone_model(model, clone_function=clone)
    plain.compile(keras.optimizers.Adam(learning_rate), loss="categorical_crossentropy", metrics=["accuracy"])
    return plain
