"""Photos over HTTP from `facesent serve`, beside the network in process and beside two servers of MLflow's.

`mlflow models serve` of the same version runs our code in MLflow's server; MLflow's own Keras flavour runs neither.

All servers run the reference CNN with random weights at 224x224, one worker each, and are asked over kept connections.
MLflow's flavour takes no photos but the numbers of one, 224x224x3. They are made ready before and sent as Parquet, the
form that its server reads quickest (as JSON a photo takes it half a second), so that decoding costs it nothing.
"""

import base64
import json
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.contest import Contestant, Timing, Work, contest
from benchmarks.faces import jpegs
from benchmarks.live import Live, live
from benchmarks.reference import LABELS, log_reference
from benchmarks.results import Result, bounded, compared, noted
from benchmarks.sizes import Size
from facesent.core.pictures import encoded
from facesent.core.ports import HOST
from facesent.serving.client import photos_body
from facesent.serving.server import served

if TYPE_CHECKING:
    from facesent.model.backend import keras

_CLIENTS = 16
_IN_TURN = 10
_TIMED_A_ROUND = 12

_OURS, _STOCK = "facesent serve", "mlflow.keras pyfunc over HTTP"
_MLFLOW, _LOGGED = "mlflow models serve of it", "facesent serve with the log"
_BARE = "decode and the same forward pass in process"
_BATCHED = "decode in threads and forward passes of 16 in process"


@dataclass(frozen=True)
class _Request:
    """``absent`` says why there is no server to ask."""

    port: int
    body: bytes
    form: str = "application/json"
    absent: str = ""


def run(scratch: Path, size: Size) -> list[Result]:
    """Start the servers once and ask them in turns."""
    photos = sorted(jpegs(scratch, size.photos).glob("*/*.jpg"))
    with TemporaryDirectory(dir=scratch, prefix="serving-") as name, ExitStack() as stack:
        folder = Path(name)
        uri, network = log_reference(folder, size.side)
        lives = {
            _OURS: stack.enter_context(live(uri, folder / "live", log=False)),
            _LOGGED: stack.enter_context(live(uri, folder / "logged", log=True)),
        }
        ports = {name: server.port for name, server in lives.items()}
        ports[_MLFLOW] = stack.enter_context(served(uri)).port
        body = photos_body([photos[0].read_bytes()])
        asked = {name: _Request(port, body) for name, port in ports.items()}
        asked[_STOCK] = numbers = _stock_request(stack, network, photos[0], size.side)
        if not numbers.absent:
            _check_same_answers(_ask(asked[_OURS]), _ask(numbers))
        return [
            *_single(asked, partial(_in_process, folder, photos[0]), size.rounds),
            *_throughput(asked, partial(_batched, folder, photos[0]), size.rounds),
            *_together(ports[_OURS], photos, size.rounds),
            *_many(lives, body, size.requests),
            *(_largest(lives[_OURS], crop) for crop in ("none", "largest")),
        ]


def _stock_request(stack: ExitStack, network: "keras.Model", photo: Path, side: int) -> _Request:
    """Start the peer's server, and make what it is asked."""
    try:
        server = stack.enter_context(served(_log_stock(network, side)))
    except Exception as error:
        # Of a peer; the figures of ours are wanted all the same.
        traceback.print_exc()
        return _Request(0, b"", absent=f"its server did not start: {str(error).splitlines()[0]}")
    return _Request(server.port, _numbers_body(photo, side), "application/vnd.apache.parquet")


def _single(asked: Mapping[str, _Request], in_process: Callable[[], Work], rounds: int) -> list[Result]:
    # A client that asks again and again, as p50 is taken of: single requests in turns would each meet cold caches.
    contestants = [
        *(
            Contestant(name, partial(_asking, [request] * _IN_TURN), _IN_TURN, peer=name == _STOCK)
            for name, request in asked.items()
        ),
        Contestant(_BARE, in_process, _IN_TURN),
    ]
    timings = {name: _each(timing) for name, timing in contest(contestants, rounds).items()}
    ours, stock = timings[_OURS], timings[_STOCK]
    return [
        compared("one photo, p50", ours, timings[_BARE], at_most=1.15, unit="ms"),
        compared("one photo, p50", ours, timings[_MLFLOW], unit="ms"),
        compared("one photo, p50", ours, stock, unit="ms"),
        compared("one photo, p50, with the log of answers", timings[_LOGGED], ours, at_most=1.05, unit="ms"),
        noted(
            "one photo, p95", _p95(asked[_OURS], rounds), peer=_STOCK,
            theirs=stock.absent or _p95(asked[_STOCK], rounds),
        ),
    ]  # fmt: skip


def _throughput(asked: Mapping[str, _Request], batched: Callable[[], Work], rounds: int) -> list[Result]:
    contestants = [
        *(Contestant(name, partial(_asking_at_once, [asked[name]] * 4), _CLIENTS * 4) for name in (_OURS, _MLFLOW)),
        Contestant(_STOCK, partial(_asking_at_once, [asked[_STOCK]]), _CLIENTS, peer=True),
        Contestant(_BATCHED, batched, _CLIENTS * 4),
    ]
    timings = contest(contestants, rounds)
    what, unit = f"{_CLIENTS} clients", "requests/s"
    return [
        compared(what, timings[_OURS], timings[_STOCK], at_least=6, unit=unit),
        compared(what, timings[_OURS], timings[_BATCHED], at_least=0.9, unit=unit),
        compared(what, timings[_OURS], timings[_MLFLOW], unit=unit),
    ]


def _together(port: int, photos: Sequence[Path], rounds: int) -> list[Result]:
    contents, count = [photo.read_bytes() for photo in photos], len(photos)
    together, singly = f"{count} photos in one request", f"{count} requests in turn"
    contestants = [
        Contestant(together, partial(_asking, [_Request(port, photos_body(contents))]), count),
        Contestant(singly, partial(_asking, [_Request(port, photos_body([content])) for content in contents]), count),
    ]
    timings = contest(contestants, rounds)
    return [compared(together, timings[together], timings[singly], unit="photos/s")]


def _many(lives: Mapping[str, Live], body: bytes, count: int) -> list[Result]:
    """What the log costs where much is asked, and whether a server grows."""
    rounds = max(2, count // (_CLIENTS * _IN_TURN))
    times: dict[str, list[float]] = {name: [] for name in lives}
    memory: dict[str, list[int]] = {name: [] for name in lives}
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for _ in range(rounds):
            for name, server in lives.items():
                asked = [pool.submit(_timed, _Request(server.port, body)) for _ in range(_CLIENTS)]
                times[name] += [seconds for client in asked for seconds in client.result()]
                memory[name].append(server.memory())
    timings = {name: Timing(name, tuple(seconds)) for name, seconds in times.items()}
    what = f"{rounds * _CLIENTS * _IN_TURN:,} requests of {_CLIENTS} clients"
    cost = compared(f"{what}, p50, with the log of answers", timings[_LOGGED], timings[_OURS], at_most=1.05, unit="ms")
    return [cost, *(_grown(f"{what} to {name}, resident memory", seen) for name, seen in memory.items())]


def _grown(what: str, memory: Sequence[int]) -> Result:
    first, last = memory[len(memory) // 10], memory[-1]
    shown = [f"{size / 2**20:,.0f} MiB" for size in (last, first)]
    return Result("", what, shown[0], "after a tenth", shown[1], last / first, "≤ 1.1×", last / first <= 1.1)


def _largest(server: Live, crop: str) -> Result:
    small, large = (_Request(server.port, _jpeg_body(sides, crop)) for sides in ((64, 64), (8660, 5773)))
    # The first photo loads the detector.
    _ask(small)
    server.forget_peak()
    before = server.memory()
    _ask(large)
    added = (server.memory("VmHWM") - before) / 1e6
    return bounded(f"memory that a JPEG of 50 million pixels adds, crop: {crop}", added, at_most=400, unit="MB")


def _jpeg_body(sides: tuple[int, int], crop: str) -> bytes:
    content = encoded(Image.effect_noise(sides, 40).convert("RGB"), "JPEG", quality=60)
    rows = [base64.b64encode(content).decode()]
    return json.dumps({"inputs": {"image": rows}, "params": {"crop": crop}}).encode()


def _timed(request: _Request) -> list[float]:
    connection, times = HTTPConnection(HOST, request.port), []
    for _ in range(_IN_TURN):
        start = time.perf_counter()
        _ask(request, connection)
        times.append(time.perf_counter() - start)
    connection.close()
    return times


def _each(timing: Timing) -> Timing:
    return replace(timing, seconds=tuple(seconds / timing.work for seconds in timing.seconds), work=1.0)


def _p95(request: _Request, rounds: int) -> str:
    times = []
    for _ in range(_TIMED_A_ROUND * rounds):
        start = time.perf_counter()
        _ask(request)
        times.append(time.perf_counter() - start)
    return f"{statistics.quantiles(times, n=20)[18] * 1e3:.1f} ms"


def _log_stock(network: "keras.Model", side: int) -> str:
    """Log the same network as ``mlflow.keras`` does; its URI."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    image = TensorSpec(np.dtype(np.uint8), (-1, side, side, 3))
    scores = TensorSpec(np.dtype(np.float32), (-1, len(LABELS)))
    stock = mlflow.keras.log_model(
        _of_keras_layers(network),
        name="stock",
        signature=ModelSignature(Schema([image]), Schema([scores])),
        pip_requirements=["keras", "tensorflow"],
    )
    return f"models:/{stock.model_id}"


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


def _numbers_body(photo: Path, side: int) -> bytes:
    import pandas as pd

    from facesent.images.reading import read_image

    pixels = read_image(photo.read_bytes(), side)
    return pd.DataFrame({"image": [pixels.ravel()]}).to_parquet(index=False)


def _ask(request: _Request, connection: HTTPConnection | None = None) -> bytes:
    if request.absent:
        raise RuntimeError(request.absent)
    connection = connection or HTTPConnection(HOST, request.port)
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
        connection = HTTPConnection(HOST, requests[0].port)
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


def _batched(folder: Path, photo: Path) -> Work:
    from facesent.images.threads import image_threads
    from facesent.prediction.classifier import Classifier

    classifier = Classifier.load(folder / "model.keras", folder / "labels.json")
    content, readers = photo.read_bytes(), image_threads()

    def work() -> None:
        for _ in range(4):
            classifier.probabilities(np.stack(list(readers.map(classifier.read, [content] * _CLIENTS))))

    return work
