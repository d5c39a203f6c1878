"""Train step of the reference network, beside PyTorch's best and stock Keras layers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Contestant, Work, contest
from benchmarks.projects import ROOT
from benchmarks.results import Result, compared
from facesent.params import Params
from facesent.presets import load_preset

BATCH = 64
SIDE = 224
CLASSES = 6

Arrays = tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.float32]]


def run(scratch: Path, rounds: int) -> Sequence[Result]:
    """One step is forward, backward and update on one batch of bytes in memory, class weights included."""
    peers = [
        Contestant(f"PyTorch {mode}, {precision}", partial(_torch_step, mode=mode, precision=precision))
        for mode in ("eager", "compiled")
        for precision in ("float32", "bfloat16")
    ]
    ours = [Contestant(f"facesent, {precision}", partial(_step, precision)) for precision in ("auto", "float32")]
    stock = Contestant("stock Keras layers, bfloat16", partial(_step, "bfloat16", stock=True))
    timings = contest([*ours, stock, *peers], min(rounds, 3))  # a step takes seconds
    best = min(
        (timings[peer.name] for peer in peers if peer.name in timings), key=lambda timing: timing.median, default=None
    )
    what = f"train step, batch {BATCH}, {SIDE}x{SIDE}"
    auto = timings["facesent, auto"]
    return [
        compared(f"{what}, against PyTorch's best of four", auto, best, at_most=0.6),
        *(compared(what, auto, timings.get(contestant.name)) for contestant in (*peers, stock)),
        compared(f"{what}, ours in float32", timings["facesent, float32"], timings.get("PyTorch compiled, float32")),
    ]


def reference_params(side: int = SIDE) -> Params:
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


def _batch() -> Arrays:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    targets = chance.integers(0, CLASSES, BATCH)
    return images, targets, _class_weights()[targets]


def with_soft_targets(batch: Arrays) -> Arrays:
    """As facesent's batches hold them."""
    from facesent.images.batches import one_hot

    images, targets, weights = batch
    return images, one_hot(targets, CLASSES), weights


def _class_weights() -> NDArray[np.float32]:
    return np.linspace(0.5, 1.5, CLASSES, dtype=np.float32)


def _step(precision: str, *, stock: bool = False) -> Work:
    from facesent.model.backend import make_deterministic
    from facesent.training.compiling import compiled

    params = reference_params()
    make_deterministic(params.train.seed)
    settings = params.train.model_copy(update={"precision": precision})
    model = compiled(params.model, settings, CLASSES)
    learner = _of_stock_layers(model, settings.optimizer.learning_rate) if stock else model
    return repeated_step(learner, with_soft_targets(_batch()))


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


def _torch_step(mode: str, precision: str) -> Work:
    """The same network and step in PyTorch, channels last, with its fused Adam."""
    import torch
    from torch.nn import functional

    from facesent.images.threads import cores

    torch.set_num_threads(cores())
    torch.manual_seed(0)
    network = _torch_network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), reference_params().train.optimizer.learning_rate, fused=True)
    images, targets, _ = _batch()
    # (n, h, w, c) bytes seen as (n, c, h, w) are channels last already.
    inputs, expected = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(targets)
    weights = torch.from_numpy(_class_weights())

    def forward(x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return network(x.float() / 127.5 - 1)

    score: Callable[[Any], Any] = torch.compile(forward) if mode == "compiled" else forward

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        loss: Any = functional.cross_entropy(score(inputs).float(), expected, weight=weights)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _torch_network() -> Any:
    from torch import nn

    from facesent.model.architectures.reference import DENSE_UNITS, FILTERS

    layers: list[Any] = []
    channels = 3
    for filters in FILTERS:
        convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(filters, eps=1e-3), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        channels = filters
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for units in DENSE_UNITS:
        layers += [nn.Linear(channels, units), nn.ReLU(inplace=True), nn.Dropout(reference_params().model.dropout)]
        channels = units
    return nn.Sequential(*layers, nn.Linear(channels, CLASSES))
