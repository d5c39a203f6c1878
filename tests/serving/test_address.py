"""Where `facesent serve` listens, and what it says where it cannot."""

import re
import socket

import pytest

from facesent.serving.address import Address, ServeError, url_of
from facesent.serving.gateway.settings import TOKEN_VARIABLES


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1", "[::1]"])
def test_on_this_machine_alone_no_token_is_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACESENT_TOKEN", raising=False)
    address = Address(host, 0)
    address.check_tokens()
    assert {"127.0.0.1", "localhost", "[::1]"} <= {*address.names()}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "faces.example"])  # noqa: S104
def test_open_to_a_network_a_token_is_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACESENT_TOKEN", raising=False)
    with pytest.raises(ServeError, match="FACESENT_TOKEN"):
        Address(host, 0).check_tokens()
    assert Address(host, 0).names() == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
@pytest.mark.parametrize("names", [["FACESENT_TOKEN_OPERATE"], ["FACESENT_TOKEN_CORRECT", "FACESENT_TOKEN_OPERATE"]])
def test_other_tokens_alone_let_nobody_ask(host: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TOKEN_VARIABLES.values():
        monkeypatch.setenv(name, "")
    for name in names:
        monkeypatch.setenv(name, "a-token-of-13")
    expected = f"Received: only {' and '.join(names)}. Set it: export FACESENT_TOKEN="
    with pytest.raises(ServeError, match=re.escape(expected)):
        Address(host, 0).check_tokens()
    monkeypatch.setenv("FACESENT_TOKEN", "a-token-of-13")
    Address(host, 0).check_tokens()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_is_shown_in_brackets(host: str) -> None:
    with Address(host, 0).listen() as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_what_is_said_where_it_cannot_listen_names_what_to_change() -> None:
    with Address("127.0.0.1", 0).listen() as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(ServeError, match=r"to be free\. .* --port"):
            Address("127.0.0.1", taken).listen()
    for host in ("192.0.2.7", "no-such-host.invalid"):
        with pytest.raises(ServeError, match=rf"address of this machine, not {host}\. .* --host"):
            Address(host, 0).listen()
