import io
import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.core.errors import TemporaryError, TrackingError
from facesent.promotion.canary.interview import Question, interview
from facesent.promotion.canary.trial import tried
from tests.helpers.processes import survivors
from tests.helpers.server_processes import server_processes
from tests.helpers.trained_project import make_project

LABELS = ("Dark", "Light")


def photo(brightness: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (brightness,) * 3).save(buffer, "JPEG")
    return buffer.getvalue()


QUESTION = Question([photo(60), photo(200)], np.array([[0.75, 0.25], [0.25, 0.75]], np.float32), LABELS)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_a_version_with_a_damaged_file_is_a_problem_and_not_an_error(project: Path) -> None:
    from facesent.promotion import register
    from facesent.promotion.canary.trial import recorded, try_version
    from facesent.registry import versions

    version = register.register(make_project(project)).version
    with versions.version_files(version) as (weights, _):
        weights.write_bytes(weights.read_bytes()[:1000])
    report = try_version(version, QUESTION)
    [problem] = report.problems
    assert problem.startswith(f"Expected `mlflow models serve -m models:/facesent/{version} --env-manager local`")
    assert "ended with status" in problem
    assert "model.keras" in problem
    assert not report.passed
    assert math.isnan(report.latency_p95_ms)
    assert versions.all_versions()[0].tags["canary"] == problem
    assert recorded(version) is None
    assert server_processes() == []


STARTER = """
import sys
from facesent.serving.server import served
with served("models:/facesent/1") as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("mlflow_store")
def test_other_probabilities_are_named_and_the_server_ends_with_a_killed_starter(project: Path) -> None:
    from facesent.promotion import register

    register.register(make_project(project))
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        try:
            assert starter.stdout
            findings = interview(int(starter.stdout.readline()), QUESTION)
            servers = server_processes()
        finally:
            starter.kill()
    [problem] = findings.problems
    assert "within 1e-05. Received: a difference of 0." in problem
    assert (findings.answered, findings.refused) == (2, 8)
    assert len(servers) == 1
    assert survivors(servers) == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_a_server_that_is_killed_says_nothing_about_the_version(project: Path) -> None:
    from facesent.promotion import register

    register.register(make_project(project))
    servers = []
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(tried, 1, QUESTION)
        # One that ends before it is told what to serve is replaced.
        while not trial.done():
            for server in server_processes():
                server.kill()
                servers.append(server)
        with pytest.raises(TemporaryError, match="It was killed") as killed:
            trial.result()
    assert not isinstance(killed.value, TrackingError)
    assert servers
    assert survivors(servers) == []


Answer = Callable[[list[list[str]] | None], tuple[int, object]]


@contextmanager
def stand_in(answer: Answer) -> Iterator[int]:
    """A server that answers ``answer(rows)``; rows are None where the request is no JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or each answer waits for the client's word that it has the header.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                table = json.loads(body)["dataframe_split"]
                rows = table["data"] if table["columns"] == ["image"] else None
            except ValueError:
                rows = None
            status, content = answer(rows)
            if not status:
                self.close_connection = True
                return
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def is_photo(text: str) -> bool:
    from facesent.images.reading import ImageError, read_image
    from facesent.registry.served import decode_photo

    try:
        read_image(decode_photo(text), 16)
    except ImageError:
        return False
    return True


def prediction(row: int, rows: list[list[str]]) -> dict[str, object]:
    import base64

    light = Image.open(io.BytesIO(base64.b64decode(rows[row][0]))).getpixel((0, 0))[0] > 128
    probabilities = {"Dark": 0.25, "Light": 0.75} if light else {"Dark": 0.75, "Light": 0.25}
    return {"label": "Light" if light else "Dark", "confidence": 0.75, "probabilities": probabilities}


def well(rows: list[list[str]] | None) -> tuple[int, object]:
    """What a good server answers."""
    if rows is None or not all(is_photo(text) for [text] in rows):
        return 400, {"message": "no photo"}
    return 200, {"predictions": [prediction(row, rows) for row in range(len(rows))]}


def test_a_server_that_does_all_well_has_no_problem() -> None:
    with stand_in(well) as port:
        findings = interview(port, QUESTION)
    assert findings.problems == []
    assert (findings.answered, findings.refused) == (2, 8)
    assert findings.largest_difference == 0
    assert findings.latency_p95_ms > 0


def with_status(status: int) -> Answer:
    def answer(rows: list[list[str]] | None) -> tuple[int, object]:
        right = well(rows)
        return right if right[0] == 200 else (status, {"predictions": []})

    return answer


@pytest.mark.parametrize("status", [500, 200], ids=["crashes inside", "answers"])
def test_a_bad_input_has_to_be_a_clients_error(status: int) -> None:
    with stand_in(with_status(status)) as port:
        findings = interview(port, QUESTION)
    assert findings.refused == 0
    assert len(findings.problems) == 8
    assert f"A truncated photo: Expected an error of the client, 4xx. Received: {status} " in findings.problems[1]


def changed(**values: object) -> Answer:
    def answer(rows: list[list[str]] | None) -> tuple[int, object]:
        status, content = well(rows)
        if status != 200:
            return status, content
        assert isinstance(content, dict)
        return 200, {"predictions": [{**row, **values} for row in content["predictions"]]}

    return answer


def test_the_largest_difference_is_named_once_with_its_photo_and_class() -> None:
    with stand_in(changed(confidence=0.7501, probabilities={"Dark": 0.7501, "Light": 0.25}, label="Dark")) as port:
        findings = interview(port, QUESTION)
    [problem] = findings.problems
    assert problem.startswith("Photo 2 of 2: ")
    assert "Received: a difference of 0.5 for " in problem
    assert findings.answered == 2


@pytest.mark.parametrize(
    "answer",
    [
        changed(probabilities={"Dark": 0.75, "Bright": 0.25}),
        changed(probabilities={"Dark": 0.75, "Light": 0.25, "Sad": 0.0}),
        changed(probabilities={"Dark": None, "Light": 0.75}),
        changed(label="Sad"),
        changed(confidence=0.1),
        lambda rows: (200, ["what?"]) if well(rows)[0] == 200 else well(rows),
        lambda rows: (200, {"predictions": []}) if well(rows)[0] == 200 else well(rows),
    ],
    ids=["other class", "further class", "no number", "unknown label", "other confidence", "other form", "no rows"],
)
def test_an_answer_of_another_form_is_a_problem(answer: Answer) -> None:
    with stand_in(answer) as port:
        findings = interview(port, QUESTION)
    assert findings.answered == 0
    assert findings.problems[0].startswith("Photo 1 of 2: Expected for each photo the most likely label")
    assert not findings.broke_off


def test_probabilities_that_are_no_numbers_differ() -> None:
    nan = {"Dark": math.nan, "Light": math.nan}
    with stand_in(changed(probabilities=nan)) as port:
        findings = interview(port, QUESTION)
    assert findings.problems


def test_a_server_that_breaks_off_is_asked_nothing_more() -> None:
    with stand_in(lambda rows: well(rows) if rows else (0, None)) as port:
        findings = interview(port, QUESTION)
    [problem] = findings.problems
    assert problem.startswith("Another column: Expected an answer. Received: RemoteDisconnected")
    assert findings.broke_off
    assert math.isnan(findings.latency_p95_ms)


def test_the_end_of_a_log_is_told_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.serving.server_log import reason, says_port_is_taken, tail

    monkeypatch.setenv("MY_API_TOKEN", "hunter2-hunter2")
    path = tmp_path / "log"
    path.write_text(
        "INFO: loading\nTraceback (most recent call last):\n"
        "OSError: cannot fetch https://me:pass@store/model with hunter2-hunter2\n"
    )
    with path.open("rb") as log:
        assert reason(log) == "OSError: cannot fetch https://store/model with ***"
        assert "hunter2" not in tail(log)
        assert "pass@" not in tail(log)
        assert not says_port_is_taken(log)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "it wrote nothing"), ("Killed\n", "Killed"), ("Exception: x\n", "Exception: ")],
)
def test_a_log_without_an_error_of_the_server_gives_what_there_is(tmp_path: Path, text: str, expected: str) -> None:
    from facesent.serving.server_log import reason

    path = tmp_path / "log"
    path.write_text(text)
    with path.open("rb") as log:
        assert reason(log).startswith(expected)
