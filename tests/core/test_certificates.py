from pathlib import Path

import pytest

from facesent.core import object_storage
from facesent.core.certificates import advice_for, troubles
from tests.helpers.stubs import make_certificate

NAMES = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PREFECT_API_SSL_CERT_FILE",
    "MLFLOW_TRACKING_SERVER_CERT_PATH", "AWS_CA_BUNDLE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_whose_file_is_gone_is_named_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(troubles()) == []
    monkeypatch.setenv(name, "/gone/ca.pem")
    [trouble] = troubles()
    assert (trouble.subject, "Received: /gone/ca.pem: No such file" in trouble.what) == (name, True)


def test_a_file_without_certificates_is_told_from_one_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, _ = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert list(troubles()) == [], "a folder of them will do"
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    [trouble] = troubles()
    assert trouble.what.endswith("not in PEM form")


@pytest.mark.parametrize(("said", "advice"), [
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1)", "Set CA to the"),
    ("certificate verify failed: unable to get local issuer certificate (_ssl.c:1)", "Set CA to the file"),
    ("certificate verify failed: certificate has expired (_ssl.c:1)", "Renew the server's certificate"),
    ("certificate verify failed: Hostname mismatch, certificate is not valid for 'a'.", "Name the server as"),
    ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)", "Begin its address with http://"),
    ("Connection refused", ""),
])  # fmt: skip
def test_what_to_do_depends_on_why_a_certificate_was_refused(said: str, advice: str) -> None:
    told = advice_for(said, "CA")
    assert told.startswith(advice)
    assert bool(told) is bool(advice)


@pytest.mark.parametrize(("why", "advice"), [
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "Set AWS_CA_BUNDLE to"),
    ("[Errno 2] No such file or directory", "Correct AWS_CA_BUNDLE, or unset it."),
])  # fmt: skip
def test_an_object_storage_has_a_variable_of_its_own(why: str, advice: str) -> None:
    assert object_storage.advice_for(f"SSL validation failed for https://s3.example/ {why}").startswith(advice)
