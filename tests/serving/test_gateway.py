"""The application of `facesent serve` in this process, beside that of MLflow for the same model."""

import base64
import gzip
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import requests
import uvicorn
from mlflow.models import Model
from mlflow.pyfunc.scoring_server import init
from PIL import Image
from starlette.testclient import TestClient

from facesent.registry.packaging import signature
from facesent.serving.gateway.app import _THREADS, Gateway
from facesent.serving.gateway.settings import GatewaySettings
from tests.helpers.answering import KEPT

SETTINGS = GatewaySettings(
    max_body_bytes=100_000, max_rows=4, max_requests=2, request_seconds=20, hosts=("testserver",), state_file="none"
)
ANY_HOST = replace(SETTINGS, hosts=())
TOKENS = {"ask": "for-asking-61", "operate": "for-watching-62"}


def photo(brightness: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (brightness,) * 3).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


DARK, LIGHT = photo(60), photo(200)


class Brightness:
    """A model with the signature of ours that needs no network."""

    def __init__(self) -> None:
        self.metadata = Model(signature=signature(0.0))
        self.before: Callable[[], Any] = lambda: None

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        self.before()
        return [{"label": "Dark", "confidence": 1.0, "probabilities": {"Dark": 1.0}, "version": 3}] * len(data)


@pytest.fixture
def model() -> Brightness:
    return Brightness()


@pytest.fixture
def client(model: Brightness) -> TestClient:
    return client_of(model, SETTINGS)


def client_of(model: Any, settings: GatewaySettings) -> TestClient:
    return TestClient(Gateway(model, settings))


def ask(client: TestClient, *photos: str, **headers: str) -> Any:
    return client.post("/invocations", json={"inputs": {"image": list(photos)}}, headers=headers)


FORMS: dict[str, tuple[str, str]] = {
    "dataframe_split": ("application/json", json.dumps({"dataframe_split": {"columns": ["image"], "data": [[DARK]]}})),
    "dataframe_records": ("application/json", json.dumps({"dataframe_records": [{"image": DARK}, {"image": LIGHT}]})),
    "inputs": ("application/json", json.dumps({"inputs": {"image": [DARK, LIGHT]}})),
    "inputs of rows": ("application/json", json.dumps({"inputs": [{"image": DARK}]})),
    "instances": ("application/json", json.dumps({"instances": [{"image": f"data:image/png;base64,{LIGHT}"}]})),
    "params": ("application/json", json.dumps({"inputs": {"image": [DARK]}, "params": {"top_k": 1}})),
    "charset": ("application/json; charset=utf-8", json.dumps({"inputs": {"image": [DARK]}})),
    "csv": ("text/csv", f"image\n{DARK}\n{LIGHT}\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_has_the_bytes_of_mlflows_server(model: Brightness, form: str) -> None:
    content_type, body = FORMS[form]
    mlflows, ours = (
        TestClient(app).post("/invocations", content=body, headers={"Content-Type": content_type})
        for app in (init(model), Gateway(model, SETTINGS))
    )
    assert ours.status_code == mlflows.status_code == HTTPStatus.OK, ours.text
    assert ours.content == mlflows.content
    assert ours.headers["content-type"] == mlflows.headers["content-type"]


@pytest.mark.parametrize("path", ["/ping", "/version"])
def test_other_paths_of_mlflow_are_the_same(model: Brightness, client: TestClient, path: str) -> None:
    mlflows, ours = TestClient(init(model)).get(path), client.get(path)
    assert (ours.status_code, ours.content) == (mlflows.status_code, mlflows.content)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        ("{" * 5000, "application/json", 400, "Ensure that input is a valid JSON"),
        ('{"inputs": ' + "[" * 20_000 + "]" * 20_000 + "}", "application/json", 400, "nested too deeply"),
        ('{"inputs": {"image": [' + "9" * 5000 + "]}}", "application/json", 400, ""),
        ("\xff\xfe", "text/csv", 400, ""),
        (DARK, "image/png", 415, "content type"),
        (DARK, "", 415, "Expected a Content-Type"),
        (json.dumps({"inputs": {"image": [DARK] * 5}}), "application/json", 413, "at most 4 photos"),
        (json.dumps({"inputs": {"image": ["A" * 100_000]}}), "application/json", 413, "at most 100000 bytes"),
    ],
    ids=["broken", "nested", "long integer", "not UTF-8", "type", "no type", "rows", "bytes"],
)
def test_a_bad_request_is_a_clients_error_in_a_sentence(
    client: TestClient, body: str, content_type: str, status: int, message: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/invocations", content=body.encode("latin-1"), headers=headers)
    assert response.status_code == status, response.text
    assert message in response.json()["message"]
    assert len(response.content) < 600
    assert DARK[:60] not in response.text


def test_a_compressed_request_is_refused_with_the_name_of_the_header(client: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = client.post("/invocations", content=gzip.compress(b"{}"), headers=headers)
    assert response.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    expected = "Expected a request without Content-Encoding. Received: gzip. Send it uncompressed."
    assert response.json()["message"] == expected
    assert ask(client, DARK, **{"Content-Encoding": "identity"}).status_code == HTTPStatus.OK


def test_a_fault_of_the_model_is_the_servers_error_and_logged_without_the_photo(
    model: Brightness, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError(DARK)

    model.before = fail
    response = ask(client, DARK)
    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "KeyError in " in caplog.text
    assert DARK[:40] not in caplog.text + response.text


def test_a_token_is_asked_for_by_scope(model: Brightness) -> None:
    client = client_of(model, replace(SETTINGS, tokens=TOKENS))
    assert ask(client, DARK).status_code == HTTPStatus.UNAUTHORIZED
    assert ask(client, DARK, Authorization="Bearer for-watching-62").status_code == HTTPStatus.UNAUTHORIZED
    assert ask(client, DARK, Authorization="Bearer for-asking-61").status_code == HTTPStatus.OK
    assert client.get("/metrics", headers={"Authorization": "Bearer for-asking-61"}).status_code == 401
    without = client_of(model, replace(SETTINGS, tokens={"ask": "for-asking-61"}))
    refused = without.get("/metrics", headers={"Authorization": "Bearer for-asking-61"})
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert "FACESENT_TOKEN_OPERATE" in refused.text
    assert client.get("/ping").status_code == HTTPStatus.OK


def test_a_page_that_got_the_address_by_dns_is_refused(client: TestClient) -> None:
    assert ask(client, DARK, Host="evil.example").status_code == HTTPStatus.MISDIRECTED_REQUEST
    assert ask(client, DARK, Host="testserver:5000").status_code == HTTPStatus.OK


@contextmanager
def running(model: Any, settings: GatewaySettings) -> Iterator[int]:
    """The application behind real sockets, as requests have to come in together or in pieces."""
    config = uvicorn.Config(Gateway(model, settings), lifespan="off", log_level="error")
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def post(port: int) -> requests.Response:
    return requests.post(f"http://127.0.0.1:{port}/invocations", json={"inputs": {"image": [DARK]}}, timeout=60)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (None, ""),
        ([], "200 b'{\"predictions\": []}'"),
        ([{"label": "Dark", "confidence": 1.0, "probabilities": None}], '200 b\'{"predictions": [{"label'),
    ],
    ids=["answers alike", "answers nothing", "no probabilities"],
)
def test_a_version_beside_has_to_answer_what_clients_ask_also_a_table_without_rows(
    model: Brightness, said: list[Any] | None, wrong: str
) -> None:
    beside = Brightness()
    if said is not None:
        beside.predict = lambda data, params=None: said  # type: ignore[method-assign]
    gateway = Gateway(model, SETTINGS)
    with running(beside, ANY_HOST) as port:
        gateway.mirror(port, 2)
        client = TestClient(gateway)
        for photos in [[], [DARK]]:
            body = {"dataframe_split": {"columns": ["image"], "data": [[photo] for photo in photos]}}
            answer = client.post("/invocations", json=body)
            assert len(answer.json()["predictions"]) == len(photos)
        for thread in [thread for thread in threading.enumerate() if thread.name == "shadow"]:
            thread.join(30)
    compared = gateway.tally.compared
    assert compared
    assert compared.wrong.startswith(wrong) if wrong else compared.wrong == ""
    assert compared.agreed == (0 if wrong else 1)


def test_more_requests_at_once_than_the_bound_are_told_to_come_back(model: Brightness) -> None:
    working, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        working.release()
        assert go_on.wait(30)

    model.before = wait
    with running(model, ANY_HOST) as port, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(post, port) for _ in range(2)]
        for _ in asked:
            assert working.acquire(timeout=30)
        refused = post(port)
        go_on.set()
        assert [answer.result().status_code for answer in asked] == [200, 200]
        assert post(port).status_code == HTTPStatus.OK
    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.headers["retry-after"] == "1"


def test_a_model_that_takes_too_long_keeps_its_place_until_it_is_done(model: Brightness) -> None:
    go_on = threading.Event()
    model.before = lambda: go_on.wait(30)
    with running(model, replace(ANY_HOST, request_seconds=0.2, max_requests=1)) as port:
        assert post(port).status_code == HTTPStatus.GATEWAY_TIMEOUT
        assert post(port).status_code == HTTPStatus.TOO_MANY_REQUESTS
        go_on.set()
        statuses = iter(lambda: post(port).status_code, HTTPStatus.OK)
        assert set(statuses) <= {HTTPStatus.TOO_MANY_REQUESTS}


def test_nobody_is_answered_after_having_been_refused(model: Brightness) -> None:
    go_on, begun = threading.Event(), []

    def wait() -> None:
        begun.append(1)
        go_on.wait(30)

    model.before = wait
    asking = _THREADS + 1
    with (
        running(model, replace(ANY_HOST, request_seconds=1, max_requests=asking)) as port,
        ThreadPoolExecutor(asking) as clients,
    ):
        asked = [clients.submit(post, port) for _ in range(asking)]
        assert {answer.result().status_code for answer in asked} == {HTTPStatus.GATEWAY_TIMEOUT}
        go_on.set()
        assert post(port).status_code == HTTPStatus.OK
    assert len(begun) == _THREADS + 1


def test_corrections_that_wait_for_their_database_hold_nothing_else(
    model: Brightness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, asking = threading.Event(), 12
    stuck = SimpleNamespace(correct=lambda *_: go_on.wait(30), close=lambda: None)
    monkeypatch.setattr("facesent.serving.gateway.app.Feedback", lambda _: stuck)
    state = tmp_path / "state.json"
    state.write_text("{}")
    settings = replace(ANY_HOST, request_seconds=1, max_requests=asking, state_file=str(state), log=KEPT)
    with running(model, settings) as port, ThreadPoolExecutor(asking) as clients:
        address = f"http://127.0.0.1:{port}"
        sent = [clients.submit(requests.post, f"{address}/feedback", json={}, timeout=30) for _ in range(asking)]
        assert requests.get(f"{address}/health", timeout=30).status_code == HTTPStatus.OK
        assert {one.result().status_code for one in sent} == {HTTPStatus.GATEWAY_TIMEOUT}
        go_on.set()


@pytest.mark.parametrize("line", ["POST /elsewhere", "POST /feedback", "GET /docs"])
def test_a_client_that_stops_in_a_body_that_nobody_reads_is_let_go(model: Brightness, line: str) -> None:
    with running(model, ANY_HOST) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nimage".encode())
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0] + b"\r\n"


def test_a_body_that_does_not_arrive_is_given_up(model: Brightness) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\nimage"
    with (
        running(model, replace(ANY_HOST, request_seconds=0.2)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as client,
    ):
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_health_is_what_the_starter_wrote_and_docs_say_how_to_ask(model: Brightness, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"version": 3}')
    client = client_of(model, replace(SETTINGS, state_file=str(state)))
    assert client.get("/health").json() == {"version": 3}
    assert "dataframe_split" in client.get("/docs").text
    assert client.get("/elsewhere").status_code == HTTPStatus.NOT_FOUND
    assert client.get("/invocations").status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_tokens_are_in_no_list_of_processes() -> None:
    settings = replace(SETTINGS, tokens=TOKENS)
    assert "for-" not in settings.to_json() + repr(settings)
    assert GatewaySettings.from_json(settings.to_json(), TOKENS) == settings
