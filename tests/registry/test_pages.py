import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from facesent.registry import runs
from facesent.registry.addresses import LOCAL_STORE
from facesent.registry.pages import opened_by, run_page, version_page


class _Handler(BaseHTTPRequestHandler):
    """What MLflow's server answers about any run."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"run": {"info": {"run_id": "abc", "experiment_id": "7"}, "data": {}}}')

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A stand-in for MLflow's server; its address."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as listening:
        address = f"http://127.0.0.1:{listening.server_port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{address}/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield address
        listening.shutdown()
        thread.join()


def test_a_servers_pages_have_addresses(server: str) -> None:
    assert run_page("abc") == f"{server}/#/experiments/7/runs/abc"
    assert run_page("abc", "evaluation/report.html") == f"{run_page('abc')}/artifacts/evaluation/report.html"
    assert version_page(3) == f"{server}/#/models/facesent/versions/3"


def test_no_address_shows_a_password(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("//", "//me:hidden-word@"))
    assert run_page("abc") == f"{server}/#/experiments/7/runs/abc"
    assert "hidden-word" not in version_page(3)


@pytest.mark.usefixtures("mlflow_store")
def test_the_pages_of_a_database_are_those_of_mlflow_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_page("abc") == "", "no such run"
    made = runs.begin("fold 1", {})
    assert run_page(made) == f"http://127.0.0.1:5000/#/experiments/1/runs/{made}"
    assert version_page(3) == "http://127.0.0.1:5000/#/models/facesent/versions/3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", LOCAL_STORE)
    assert opened_by() == "mlflow ui"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert opened_by() == "mlflow ui --backend-store-uri sqlite:///other.db"


def test_a_server_that_is_gone_costs_no_more_than_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert run_page("abc") == ""
