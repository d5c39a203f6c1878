import pytest
from sqlalchemy import make_url

from facesent.core.errors import FacesentError
from facesent.serving.gateway.answers.store import AnswersError, Store
from facesent.stores.addresses import MLFLOW, at, shown

UNCLEAR = (
    "postgresql://me:hid@den@host/db",
    "postgresql://me:a@b:hidden@host/db",
    "postgresql://me:a@b/hidden@host/db",
    "postgresql://me:hid den@host/db",
    "postgresql://me:hidden/db",
)


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("postgresql://me:it@host/db", "postgresql://me@host/db"),
        (
            "postgresql://me@host/db?password=it&connect_timeout=5",
            "postgresql://me@host/db?password=***&connect_timeout=5",
        ),
        ("sqlite:///mlflow.db?timeout=60", "sqlite:///mlflow.db?timeout=60"),
        # Where the password ends, nobody can tell.
        *((address, "postgresql://…") for address in UNCLEAR),
        ("http://me:it@host:PORT", "http://host:PORT"),
    ],
)
def test_an_address_is_shown_without_its_password_alone(address: str, without: str) -> None:
    assert shown(address) == without


@pytest.mark.parametrize("address", [*UNCLEAR, "postgresql://me@HOST:PORT/db", "postgresql://me@HOST:/db"])
def test_an_address_that_is_none_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(FacesentError, match=r"^Expected (an address|a number)\b.* Received: ") as refused:
        at(address)
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize("address", [*(each for each in UNCLEAR if " " not in each), "postgresql://me@HOST:PORT/db"])
def test_the_log_is_opened_at_no_such_address(address: str) -> None:
    with pytest.raises(AnswersError, match=r"in FACESENT_ANSWERS_URI\. Received: an invalid one\.$"):
        Store(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://me:p%40ss@host:5432/db",
        "postgresql+psycopg://me@corp:p:a/ss@host/db",
        "postgresql+psycopg://me:it@[::1]:5432/db?application_name=a@b",
        "postgresql+psycopg:///db?host=/run/postgresql",
    ],
)
def test_an_address_of_a_database_is_taken_as_it_is(address: str) -> None:
    assert make_url(at(address)[MLFLOW]) == make_url(address)
