"""A server of Prefect that refuses a flow, or that the flow refuses: which one, why, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings

from flows.refusals import of_prefect
from tests.helpers.stubs import make_certificate, stub


def refusal(address: str) -> str:
    """What is told of what Prefect's client raises."""
    with temporary_settings({PREFECT_API_URL: f"{address}/api"}), get_client(sync_client=True) as client:
        try:
            client.raise_for_api_version_mismatch()
        except (RuntimeError, httpx.HTTPStatusError) as error:
            return of_prefect(error) or ""
    pytest.fail("the client has nothing against that server")


@pytest.mark.parametrize("status", [401, 403])
def test_who_has_to_say_who_he_is_is_told_by_which_variable(status: int) -> None:
    with stub(status, "{}") as address:
        said = refusal(address)
    assert f"Received: {status} " in said
    assert "Set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING" in said
    assert "disk" not in said


@pytest.mark.parametrize("server", ["2.20.4", "4.0.0"])
def test_a_server_of_another_major_version(server: str) -> None:
    with stub(200, f'"{server}"') as address:
        said = refusal(address)
    assert said.startswith(f"Expected a server of Prefect 3. Received: {server}. Update that server to 3.")


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with stub(200, '"2.20.4"', files=files) as address:
        said = refusal(address)
        with temporary_settings({PREFECT_API_SSL_CERT_FILE: str(files[0])}):
            trusted = refusal(address)
    assert "self-signed certificate" in said
    assert "Set PREFECT_API_SSL_CERT_FILE to the file" in said
    assert trusted.startswith("Expected a server of Prefect 3.")


def test_a_server_without_tls_at_an_address_with_it() -> None:
    with stub(200, "") as address:
        said = refusal(address.replace("http:", "https:"))
    assert "Begin its address with http://" in said


@pytest.mark.parametrize(("status", "body", "advice"), [
    (404, "{}", "Start Prefect's server there, or unset PREFECT_API_URL"),
    (200, "<html>", "which gives something else. Set it to Prefect's API, or unset PREFECT_API_URL"),
])  # fmt: skip
def test_what_is_no_server_of_prefect(status: int, body: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stub(status, body) as address:
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        assert "PREFECT_API_URL from where `prefect config view` finds it" in refusal(address)
        monkeypatch.setenv("PREFECT_API_URL", address)
        assert advice in refusal(address)


@pytest.mark.slow
@pytest.mark.parametrize(("variables", "said"), [
    ({"SSL_CERT_FILE": "/gone.pem"}, "SSL_CERT_FILE: expected certificates. Received: /gone.pem: No such file"),
    ({"PREFECT_API_SSL_CERT_FILE": __file__}, "PREFECT_API_SSL_CERT_FILE: expected certificates. Received: "),
    ({"PREFECT_API_URL": "http://me:hidden[word@host/api"}, "PREFECT_API_URL: expected an address. Received: one "),
])  # fmt: skip
def test_what_would_end_prefects_import_is_named_before(project: Path, variables: dict[str, str], said: str) -> None:
    (project / "dvc.yaml").write_text("stages: {}\n")
    command = [sys.executable, "-m", "flows.pipeline"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: {said}")
    assert "hidden" not in line
