import pytest
from mlflow.exceptions import MlflowException

from facesent.core.errors import TrackingError
from facesent.registry import versions
from facesent.registry.client import address_troubles, mlflow_answers
from facesent.registry.credentials import move_credentials, without_credentials


def test_an_address_gives_its_credentials_to_the_variables() -> None:
    environ = {"MLFLOW_TRACKING_URI": "https://me:p%40ss%2Fword@host:5000/path", "MLFLOW_TRACKING_USERNAME": "other"}
    move_credentials(environ)
    assert environ == {
        "MLFLOW_TRACKING_URI": "https://host:5000/path",
        "MLFLOW_TRACKING_USERNAME": "me",
        "MLFLOW_TRACKING_PASSWORD": "p@ss/word",
    }


@pytest.mark.parametrize(
    "environ", [{}, {"MLFLOW_TRACKING_URI": "http://host:5000"}, {"MLFLOW_TRACKING_URI": "postgresql://me:it@host/db"}]
)
def test_what_has_none_or_needs_them_stays(environ: dict[str, str]) -> None:
    before = dict(environ)
    move_credentials(environ)
    assert environ == before


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hid[den@h/db",
        "http://me:hid]den@h",
        "https://me:[hidden]@h",
        "http://me:hidden℀@h",
        "postgresql://me:x@hidden@h/db",
        "mysql://me:x@y:hidden@h/db",
        "postgresql://me:x@y/hidden@h/db",
        "postgresql://me:x hidden@h/db",
    ],
)
def test_an_address_whose_parts_nobody_can_tell_is_refused_without_being_shown(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"MLFLOW_TRACKING_URI": address}
    move_credentials(environ)
    assert environ == {"MLFLOW_TRACKING_URI": address}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    trouble = next(address_troubles())
    assert (trouble.subject, "[ as %5B" in trouble.advice) == ("MLFLOW_TRACKING_URI", True)
    assert "hid" not in str(trouble)


def test_a_registry_apart_from_the_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "https://me:hidden@host")
    (trouble,) = address_troubles()
    assert str(trouble).startswith(
        "MLFLOW_REGISTRY_URI: expected the registry where the runs are. Received: https://host"
    )
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert not list(address_troubles())


def test_text_loses_the_credentials_of_every_address() -> None:
    text = "to http://me:p@ss@host/a?b=@c failed, so did sqlite:////x/m@y.db and postgresql://you:it@host/db"
    assert without_credentials(text) == (
        "to http://host/a?b=@c failed, so did sqlite:////x/m@y.db and postgresql://host/db"
    )


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("postgresql://me:pa/ss@host/db", "postgresql://host/db"),
        ("postgresql+psycopg://me:pa/s:s@host:5432/db?password=it", "postgresql+psycopg://host:5432/db?password=***"),
        ("postgresql://host/db?password=it&connect_timeout=5", "postgresql://host/db?password=***&connect_timeout=5"),
        ("postgresql://host/db?user=me&sslpassword=it", "postgresql://host/db?user=me&sslpassword=***"),
        ("postgresql://me:p@s/s@host/db?user=a@b", "postgresql://host/db?user=a@b"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("models:/facesent@champion", "models:/facesent@champion"),
    ],
)
def test_text_loses_passwords_of_databases_and_nothing_else(address: str, without: str) -> None:
    assert without_credentials(f"no store at {address} today") == f"no store at {without} today"


def test_an_error_does_not_show_them_nor_lead_to_them() -> None:
    with pytest.raises(TrackingError, match="Received: no store at postgresql://host/db") as caught, mlflow_answers():
        raise MlflowException("no store at postgresql://me:secret@host/db")
    assert caught.value.__suppress_context__


def test_a_refused_password_is_told_with_what_to_set() -> None:
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"), mlflow_answers():
        raise MlflowException("API request to endpoint /x failed with error code 401 != 200. Response body: 'You'")


def test_a_port_that_is_no_number_is_told_by_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://me:hidden/db")
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: expected a number as the port") as caught:
        versions.all_versions()
    assert caught.value.__suppress_context__
    assert "hidden" not in str(caught.value)
