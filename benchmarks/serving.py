"""Photos over HTTP from `mlflow models serve`, beside the network in process and beside MLflow's own Keras flavour.

All servers run the reference CNN with random weights at 224x224, one worker each, and are asked over kept connections.
MLflow's flavour takes no photos but the numbers of one, 224x224x3. They are made ready before and sent as Parquet, the
form that its server reads quickest (as JSON a photo takes it half a second), so that decoding costs it nothing.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.contest import Contestant, Timing, Work, contest
from benchmarks.faces import jpegs
from benchmarks.reference import LABELS, SIDE, log_reference, photos_body
from benchmarks.results import Result, compared, noted
from facesent.serving.server import served

if TYPE_CHECKING:
    from facesent.model.backend import keras

_CLIENTS = 16
_ROWS = 64
_IN_TURN = 10

_OURS, _STOCK = "facesent over HTTP", "mlflow.keras pyfunc over HTTP"
_BARE = "decode and the same forward pass in process"


@dataclass(frozen=True)
class _Request:
    port: int
    body: bytes
    form: str = "application/json"


def run(scratch: Path, rounds: int) -> list[Result]:
    """Start both servers once and ask them in turns."""
    photos = sorted(jpegs(scratch, _ROWS).glob("*/*.jpg"))
    with TemporaryDirectory(dir=scratch, prefix="serving-") as name, ExitStack() as stack:
        folder = Path(name)
        ours, stock = [stack.enter_context(served(uri)).port for uri in _log_models(folder)]
        photo = _Request(ours, photos_body([photos[0].read_bytes()]))
        numbers = _Request(stock, _numbers_body(photos[0]), "application/vnd.apache.parquet")
        _check_same_answers(_ask(photo), _ask(numbers))
        return [
            *_single(photo, numbers, partial(_in_process, folder, photos[0]), rounds),
            *_throughput(photo, numbers, rounds),
            *_rows(ours, photos, rounds),
        ]


def _single(photo: _Request, numbers: _Request, in_process: Callable[[], Work], rounds: int) -> list[Result]:
    # A client that asks again and again, as p50 is taken of: single requests in turns would each meet cold caches.
    contestants = [
        Contestant(_OURS, partial(_asking, [photo] * _IN_TURN), _IN_TURN),
        Contestant(_BARE, in_process, _IN_TURN),
        Contestant(_STOCK, partial(_asking, [numbers] * _IN_TURN), _IN_TURN),
    ]
    timings = {name: _each(timing) for name, timing in contest(contestants, rounds).items()}
    return [
        compared("one photo, p50", timings[_OURS], timings[_BARE], at_most=1.25, unit="ms"),
        compared("one photo, p50", timings[_OURS], timings[_STOCK], unit="ms"),
        noted("one photo, p95", _p95(photo), peer=_STOCK, theirs=_p95(numbers)),
    ]


def _throughput(photo: _Request, numbers: _Request, rounds: int) -> list[Result]:
    contestants = [
        Contestant(name, partial(_asking_at_once, [request] * each), _CLIENTS * each)
        for name, request, each in ((_OURS, photo, 4), (_STOCK, numbers, 1))
    ]
    timings = contest(contestants, rounds)
    return [compared(f"{_CLIENTS} clients", timings[_OURS], timings[_STOCK], at_least=2, unit="requests/s")]


def _rows(port: int, photos: Sequence[Path], rounds: int) -> list[Result]:
    together, singly = f"{_ROWS} photos in one request", f"{_ROWS} requests in turn"
    single = [_Request(port, photos_body([photo.read_bytes()])) for photo in photos]
    contestants = [
        Contestant(
            together, partial(_asking, [_Request(port, photos_body([photo.read_bytes() for photo in photos]))]), _ROWS
        ),
        Contestant(singly, partial(_asking, single), _ROWS),
    ]
    timings = contest(contestants, rounds)
    return [compared(together, timings[together], timings[singly], unit="photos/s")]


def _each(timing: Timing) -> Timing:
    return Timing(timing.name, tuple(seconds / timing.work for seconds in timing.seconds))


def _p95(request: _Request) -> str:
    times = []
    for _ in range(60):
        start = time.perf_counter()
        _ask(request)
        times.append(time.perf_counter() - start)
    return f"{statistics.quantiles(times, n=20)[18] * 1e3:.1f} ms"


def _log_models(folder: Path) -> tuple[str, str]:
    """Log the same network as facesent does and as ``mlflow.keras`` does; their URIs."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    ours, network = log_reference(folder)
    image = TensorSpec(np.dtype(np.uint8), (-1, SIDE, SIDE, 3))
    scores = TensorSpec(np.dtype(np.float32), (-1, len(LABELS)))
    stock = mlflow.keras.log_model(
        _of_keras_layers(network),
        name="stock",
        signature=ModelSignature(Schema([image]), Schema([scores])),
        pip_requirements=["keras", "tensorflow"],
    )
    return ours, f"models:/{stock.model_id}"


def _of_keras_layers(network: "keras.Model") -> "keras.Model":
    """The network as one writes it without layers of facesent: its flavour's server knows none."""
    from facesent.model.backend import keras
    from facesent.model.layers import CalibratedSoftmax

    def clone(layer: "keras.layers.Layer") -> "keras.layers.Layer":
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization):
            if isinstance(layer, kind):
                return kind.from_config(layer.get_config())
        if isinstance(layer, CalibratedSoftmax):
            # Untrained it is calibrated by nothing.
            return keras.layers.Softmax(name=layer.name, dtype="float32")
        return layer.__class__.from_config(layer.get_config())

    plain = keras.models.clone_model(network, clone_function=clone)
    for ours, theirs in zip(network.layers, plain.layers, strict=True):
        if not isinstance(ours, CalibratedSoftmax):
            theirs.set_weights(ours.get_weights())
    return plain


def _numbers_body(photo: Path) -> bytes:
    import pandas as pd

    from facesent.images.reading import read_image

    pixels = read_image(photo.read_bytes(), SIDE)
    return pd.DataFrame({"image": [pixels.ravel()]}).to_parquet(index=False)


def _ask(request: _Request, connection: HTTPConnection | None = None) -> bytes:
    connection = connection or HTTPConnection("127.0.0.1", request.port)
    connection.request("POST", "/invocations", request.body, {"Content-Type": request.form})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"Expected predictions. Received: {response.status} {text[-500:]!r}")
    return text


def _check_same_answers(ours: bytes, stock: bytes) -> None:
    [answer], [scores] = json.loads(ours)["predictions"], json.loads(stock)["predictions"]
    if any(abs(answer["probabilities"][label] - score) > 1e-5 for label, score in zip(LABELS, scores, strict=True)):
        raise AssertionError(f"Expected the same answers. Received: {answer} and {scores}")


def _asking(requests: Sequence[_Request]) -> Work:
    def work() -> None:
        # Kept over the round only: uvicorn closes what is idle for seconds, as between rounds.
        connection = HTTPConnection("127.0.0.1", requests[0].port)
        for request in requests:
            _ask(request, connection)
        connection.close()

    return work


def _asking_at_once(requests: Sequence[_Request]) -> Work:
    client = _asking(requests)
    pool = ThreadPoolExecutor(_CLIENTS)
    return lambda: [future.result() for future in [pool.submit(client) for _ in range(_CLIENTS)]]


def _in_process(folder: Path, photo: Path) -> Work:
    from facesent.prediction.classifier import Classifier

    classifier = Classifier.load(folder / "model.keras", folder / "labels.json")
    content = photo.read_bytes()
    return lambda: [classifier.probabilities(classifier.read(content)[None]) for _ in range(_IN_TURN)]
