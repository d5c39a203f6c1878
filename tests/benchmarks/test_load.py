"""The clients against a server of a few lines, which answers as the real one does but for the model."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.bad_requests import Expected
from benchmarks.load import GOOD, Load, difference, load
from facesent.core.ports import free_port
from facesent.serving.server import ModelServer, pings

pytest.importorskip("pyradamsa")

COUNT = 200
SERVER = """
import base64, io, json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from PIL import Image

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text=b"{}"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            assert self.headers["Content-Type"] == "application/json"
            request = json.loads(body)
            assert "params" not in request
            [[photo]] = request["dataframe_split"]["data"]
            image = Image.open(io.BytesIO(base64.b64decode(photo, validate=True)))
            assert image.width * image.height <= 50_000_000
            image.convert("RGB")
        except Exception:
            return self.answer(400)
        likely = image.width / 1000
        probabilities = {"Happy": likely, "Sad": 1 - likely}
        self.answer(200, json.dumps({"predictions": [{"label": "Sad", "probabilities": probabilities}]}).encode())

ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def photo(width: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(width).integers(0, 255, (80, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    log = tmp_path_factory.mktemp("load") / "log"
    port = free_port()
    with log.open("w+b") as output:
        command = [sys.executable, "-c", SERVER, str(port)]
        process = subprocess.Popen(command, stdout=output, stderr=output, process_group=0)
        found = ModelServer(port, process, output)
        try:
            deadline = time.monotonic() + 60
            while not pings(found):
                assert time.monotonic() < deadline, Path(log).read_text()
            yield found
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def seen(server: ModelServer) -> Load:
    return load(server, [photo(width) for width in (60, 90, 120)], COUNT)


def test_each_request_has_one_reply_and_one_in_five_is_bad(seen: Load) -> None:
    assert len(seen.replies) == COUNT
    assert sum(reply.request.kind != GOOD for reply in seen.replies) == COUNT // 5


def test_good_photos_are_compared_with_their_own_answer_before(seen: Load) -> None:
    good = [reply for reply in seen.replies if reply.request.kind == GOOD]
    assert {(reply.status, reply.difference) for reply in good} == {(200, 0.0)}
    assert all(reply.seconds > 0 for reply in good)


def test_a_changed_answer_is_noticed() -> None:
    def answer(label: str, happy: float, **more: object) -> bytes:
        prediction = {"label": label, "probabilities": {"Happy": happy, "Sad": 1 - happy}, **more}
        return json.dumps({"predictions": [prediction]}).encode()

    assert difference(answer("Sad", 0.25), answer("Sad", 0.26)) == pytest.approx(0.01)
    assert difference(answer("Sad", 0.25), answer("Happy", 0.25)) == float("inf")
    assert difference(answer("Sad", 0.25), answer("Sad", 0.25, box=None)) == float("inf")


def test_bad_requests_get_what_they_should_and_hang_ups_nothing(seen: Load) -> None:
    for reply in seen.replies:
        if reply.request.expected is Expected.NOTHING:
            assert reply.status == 0
        elif reply.request.expected is Expected.REFUSED:
            assert reply.status == 400, reply
        elif reply.request.kind != GOOD:
            assert reply.status in (200, 400)


def test_the_server_lives_and_its_memory_was_looked_at(seen: Load, server: ModelServer) -> None:
    assert pings(server)
    assert len(seen.memory) == COUNT // 50
    assert min(seen.memory) > 0
    assert seen.seconds > 0 < seen.own_seconds
