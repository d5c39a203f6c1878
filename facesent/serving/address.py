"""Where `facesent serve` listens, and who is let in."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from facesent.core.errors import FacesentError
from facesent.serving.gateway.settings import TOKEN_VARIABLES

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ServeError(FacesentError):
    """The server cannot start."""


@dataclass(frozen=True)
class Address:
    """Where the server listens, and who is let in.

    Attributes:
        host: an address of this machine.
        port: 0 for any free one.
        hosts: further names that clients may call it by.
    """

    host: str
    port: int
    hosts: Sequence[str] = ()

    def listen(self) -> socket.socket:
        """The listening socket.

        Raises:
            ServeError: the address is taken, or not one of this machine.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=socket.SOMAXCONN)
        except OSError as error:
            raise ServeError(
                f"Expected {self.host}:{self.port} to be free. Received: {error.strerror}. Choose another: --port"
            ) from None

    def names(self) -> tuple[str, ...]:
        """What a client may write into the header ``Host``; empty for anything, where a token decides."""
        named = {name.lower() for name in (self.host, *self.hosts)}
        return tuple({*LOOPBACK, *named}) if self.host in LOOPBACK or self.hosts else ()


def url_of(listener: socket.socket) -> str:
    """By which a client on this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_tokens(host: str) -> None:
    """Refuse to be open to a network where nobody has to show a token.

    Raises:
        ServeError: if so.
    """
    if host not in LOOPBACK and not os.environ.get(TOKEN_VARIABLES["ask"]):
        raise ServeError(
            f"Expected a token if other machines can connect. Received: --host {host} without one. "
            f"Set it: export {TOKEN_VARIABLES['ask']}=$(openssl rand -hex 32)"
        )
