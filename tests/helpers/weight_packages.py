"""Stand-ins for packages of npm and for the weights in them."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesent.model.backend import keras
from facesent.sources.weights.catalogue import Member, Package, Source

Array = NDArray[np.float32]


def make_source(members: Mapping[str, bytes]) -> Source:
    """A source of a MobileNet that pins ``members``."""
    pinned = tuple(Member(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in members.items())
    return Source(Package("@stand/in", "1.0.0"), pinned, "noise", "MIT", "mobilenet", "caffe")


def write_tarball(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as content:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            content.addfile(info, io.BytesIO(data))
    return path


def folded(mobilenet: keras.Model) -> dict[str, Array]:
    """A MobileNet's weights as TensorFlow.js's converter folds and names them."""
    found: dict[str, Array] = {}
    layers = [layer for layer in mobilenet.layers if layer.weights]
    for convolution, norm in zip(layers[::2], layers[1::2], strict=True):
        (kernel,), (gamma, beta, mean, variance) = convolution.get_weights(), norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        if isinstance(convolution, keras.layers.DepthwiseConv2D):
            found[f"{convolution.name}/depthwise_kernel"] = kernel
            found[f"{norm.name}/batchnorm_1/mul"] = scale
        else:
            found[f"{convolution.name}/convolution/merged_input"] = kernel * scale
        found[f"{norm.name}/batchnorm_1/sub"] = beta - mean * scale
    return found


def as_tfjs(weights: Mapping[str, Array]) -> tuple[bytes, bytes]:
    entries = [{"name": name, "shape": weight.shape, "dtype": "float32"} for name, weight in weights.items()]
    model = json.dumps({"weightsManifest": [{"paths": ["model.bin"], "weights": entries}]}).encode()
    return model, b"".join(weight.tobytes() for weight in weights.values())


class Registry(BaseHTTPRequestHandler):
    """Knows one package of npm."""

    tarball: bytes = b""

    def do_GET(self) -> None:
        body = self.tarball
        if not self.path.endswith(".tgz"):
            digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
            address = f"http://{self.headers['Host']}/stand-in-1.0.0.tgz"
            version = {"name": "@stand/in", "version": "1.0.0"}
            dist = {"tarball": address, "integrity": f"sha512-{digest}"}
            body = json.dumps({"name": "@stand/in", "versions": {"1.0.0": {**version, "dist": dist}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def registry_with(tarball: bytes) -> Iterator[str]:
    """npm's registry on this machine, with ``tarball`` as version 1.0.0 of ``@stand/in``: its address."""

    class _Filled(Registry):
        pass

    _Filled.tarball = tarball
    with ThreadingHTTPServer(("127.0.0.1", 0), _Filled) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
