import pytest

from facesent.stores.addresses import shown


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("postgresql://me:it@host/db", "postgresql://me@host/db"),
        (
            "postgresql://me@host/db?password=it&connect_timeout=5",
            "postgresql://me@host/db?password=***&connect_timeout=5",
        ),
        ("sqlite:///mlflow.db?timeout=60", "sqlite:///mlflow.db?timeout=60"),
    ],
)
def test_an_address_is_shown_without_its_password_alone(address: str, without: str) -> None:
    assert shown(address) == without
