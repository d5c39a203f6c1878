"""The reference network and its train step in PyTorch: nothing here imports TensorFlow or Keras.

One process doesn't bear both: on some machines importing ``torch._dynamo`` after Keras ends it with signal 11.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import Work


@dataclass(frozen=True)
class Network:
    """The numbers of facesent's reference network and of its optimizer."""

    filters: Sequence[int]
    dense_units: Sequence[int]
    classes: int
    dropout: float
    learning_rate: float


def torch_step(
    network: Network,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    class_weights: NDArray[np.float32],
    *,
    mode: str,
    precision: str,
    threads: int,
) -> Work:
    """One step on the same batch each time, channels last, with the fused Adam.

    Args:
        network: what to build.
        images: ``(n, h, w, 3)``.
        targets: ``(n,)``, numbers of classes.
        class_weights: ``(classes,)``.
        mode: ``eager`` or ``compiled``.
        precision: ``float32`` or ``bfloat16``.
        threads: to compute with.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = _built(network, images.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), network.learning_rate, fused=True)
    # (n, h, w, c) bytes seen as (n, c, h, w) are channels last already.
    inputs, expected = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(targets)
    weights = torch.from_numpy(class_weights)

    def forward(x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return model(x.float() / 127.5 - 1)

    score: Callable[[Any], Any] = torch.compile(forward) if mode == "compiled" else forward

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        loss: Any = functional.cross_entropy(score(inputs).float(), expected, weight=weights)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _built(network: Network, side: int) -> Any:
    from torch import nn

    layers: list[Any] = []
    channels = 3
    for filters in network.filters:
        layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=1e-3)]
        if side > 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        layers.append(nn.ReLU(inplace=True))
        channels = filters
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for units in network.dense_units:
        layers += [nn.Linear(channels, units), nn.ReLU(inplace=True), nn.Dropout(network.dropout)]
        channels = units
    return nn.Sequential(*layers, nn.Linear(channels, network.classes))
