"""The server that people start, `mlflow models serve`, asked over HTTP."""

import base64
import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from facesent.core.ports import free_port
from facesent.sources.drawn_faces.portrait import draw_portrait
from tests.helpers.trained_project import make_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Iterator[str]:
    from facesent.promotion import register
    from facesent.registry import versions

    root = tmp_path_factory.mktemp("served")
    copy(empty_mlflow_database, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        project = make_project(root)
        versions.set_alias(versions.CHAMPION, register.register(project).version)
        port = free_port()
        command = ["-m", "mlflow", "models", "serve", "-m", "models:/facesent@champion", "--env-manager", "local"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        server = subprocess.Popen(
            [sys.executable, *command, "--port", str(port), "--host", "127.0.0.1"],
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
    try:
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(60, backoff_factor=0.5, backoff_max=2)))
        session.get(f"http://127.0.0.1:{port}/ping", timeout=60).raise_for_status()
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def photo(brightness: int, image_format: str = "JPEG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (brightness,) * 3).save(buffer, image_format)
    return base64.b64encode(buffer.getvalue()).decode()


def huge_png() -> bytes:
    """20,000 x 20,000 white pixels in some tens of kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = zlib.compressobj(9)
    lines = b"\0" + b"\xff" * 2500
    data = b"".join(row.compress(lines) for _ in range(20_000)) + row.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


DARK, LIGHT = photo(60), photo(200, "PNG")


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["image"], "data": [[DARK], [LIGHT]]}},
        {"dataframe_records": [{"image": DARK}, {"image": LIGHT}]},
        {"inputs": {"image": [DARK, LIGHT]}},
        {"inputs": [{"image": DARK}, {"image": LIGHT}]},
        {"instances": [{"image": DARK}, {"image": f"data:image/png;base64,{LIGHT}"}]},
        {"inputs": {"image": [DARK.rstrip("="), LIGHT.translate(str.maketrans("+/", "-_"))]}},
    ],
    ids=["dataframe_split", "dataframe_records", "inputs", "inputs of rows", "instances", "url-safe"],
)
def test_every_json_form_is_answered(address: str, body: dict[str, Any]) -> None:
    response = requests.post(address, json=body, timeout=60)
    assert response.status_code == 200, response.text
    dark, light = response.json()["predictions"]
    assert (dark["label"], light["label"]) == ("Dark", "Light")
    assert set(dark) == {"label", "confidence", "probabilities", "version", "box"}
    assert (dark["version"], dark["box"]) == (1, None)
    assert dark["confidence"] == dark["probabilities"]["Dark"]
    assert sum(light["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_request_may_ask_for_more_confidence(address: str) -> None:
    body = {"inputs": {"image": [DARK, LIGHT]}, "params": {"min_confidence": 0.999}}
    answers = requests.post(address, json=body, timeout=60).json()["predictions"]
    assert [answer["label"] for answer in answers] == ["uncertain", "uncertain"]
    assert answers[0]["confidence"] == answers[0]["probabilities"]["Dark"] > 0.9


def test_a_request_may_ask_for_the_likeliest_alone(address: str) -> None:
    body = {"inputs": {"image": [DARK, LIGHT]}, "params": {"top_k": 1}}
    answers = requests.post(address, json=body, timeout=60).json()["predictions"]
    assert [list(answer["probabilities"]) for answer in answers] == [["Dark"], ["Light"]]
    body["params"] = {"top_k": 2}
    answers = requests.post(address, json=body, timeout=60).json()["predictions"]
    assert [list(answer["probabilities"]) for answer in answers] == [["Dark", "Light"], ["Light", "Dark"]]


def test_a_request_may_ask_about_the_face_alone(address: str) -> None:
    whole = np.full((300, 400, 3), 230, np.uint8)
    whole[60:220, 150:310] = draw_portrait(7, 4, 1, "Neutral", 160)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "PNG")
    face = base64.b64encode(buffer.getvalue()).decode()
    body = {"inputs": {"image": [face, LIGHT]}, "params": {"crop": "largest"}}
    found, none = requests.post(address, json=body, timeout=120).json()["predictions"]
    box = found["box"]
    assert 150 <= box["left"] < box["left"] + box["width"] <= 310
    assert 60 <= box["top"] < box["top"] + box["height"] <= 220
    [plain] = requests.post(address, json={"inputs": {"image": [face]}}, timeout=60).json()["predictions"]
    assert plain["box"] is None
    assert plain["probabilities"]["Light"] > found["probabilities"]["Light"]
    [light] = requests.post(address, json={"inputs": {"image": [LIGHT]}}, timeout=60).json()["predictions"]
    assert none == light


def test_a_request_may_ask_about_every_face(address: str) -> None:
    group = np.full((220, 520, 3), 230, np.uint8)
    for left, person, side in ((20, 4, 160), (320, 9, 120)):
        group[30 : 30 + side, left : left + side] = draw_portrait(7, person, 1, "Neutral", side)
    buffer = io.BytesIO()
    Image.fromarray(group).save(buffer, "PNG")
    body = {"inputs": {"image": [DARK, base64.b64encode(buffer.getvalue()).decode()]}, "params": {"crop": "all"}}
    whole, larger, smaller = requests.post(address, json=body, timeout=120).json()["predictions"]
    assert [answer["row"] for answer in (whole, larger, smaller)] == [0, 1, 1]
    assert whole["box"] is None
    assert larger["box"]["left"] < 200 < 300 < smaller["box"]["left"]


def test_many_rows_are_answered_in_their_order(address: str) -> None:
    body = {"inputs": {"image": [DARK, LIGHT, LIGHT] * 50}}
    answers = requests.post(address, json=body, timeout=60).json()["predictions"]
    assert [answer["label"] for answer in answers] == ["Dark", "Light", "Light"] * 50


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_confidence", 1.5),
        ("min_confidence", -0.1),
        ("min_confidence", "much"),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_k", "all"),
        ("crop", "smallest"),
        ("crop", 1),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(address: str, name: str, value: object) -> None:
    body = {"inputs": {"image": [DARK]}, "params": {name: value}}
    response = requests.post(address, json=body, timeout=60)
    assert response.status_code == 400
    assert name in response.json()["message"]


def test_csv_is_answered(address: str) -> None:
    response = requests.post(
        address, data=f"image\n{DARK}\n{LIGHT}\n", headers={"Content-Type": "text/csv"}, timeout=60
    )
    assert [row["label"] for row in response.json()["predictions"]] == ["Dark", "Light"]


@pytest.mark.parametrize("as_url", [False, True])
def test_a_path_or_an_address_is_refused_and_not_opened(address: str, tmp_path: Path, as_url: bool) -> None:
    file = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(file)
    text = file.as_uri() if as_url else str(file)
    response = requests.post(address, json={"inputs": {"image": [DARK, text]}}, timeout=60)
    assert response.status_code == 400
    assert response.json()["message"].startswith("Row 1: Expected a photo's bytes as base64")


def text_file() -> bytes:
    return b"Dear diary, today I pretended to be a photo.\n"


def truncated_jpeg() -> bytes:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "JPEG")
    return buffer.getvalue()[: buffer.tell() // 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (text_file(), "Expected a JPEG"),
        (b"", "no bytes"),
        (truncated_jpeg(), "truncated"),
        (huge_png(), "at most 50000000 pixels. "),
        (bytes(20 * 1024 * 1024 + 1), "at most 20971520 bytes. "),
    ],
    ids=["text file", "empty string", "truncated JPEG", "20,000 x 20,000 PNG", "over the byte limit"],
)
def test_what_is_no_photo_is_refused_with_its_row_and_reason(address: str, content: bytes, reason: str) -> None:
    body = {"inputs": {"image": [DARK, base64.b64encode(content).decode()]}}
    response = requests.post(address, json=body, timeout=60)
    assert response.status_code == 400
    message = response.json()["message"]
    assert message.startswith("Row 1: ")
    assert reason in message
    assert "Traceback" not in response.text
