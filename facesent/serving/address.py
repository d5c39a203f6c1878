"""Where `facesent serve` listens, and who is let in."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from facesent.core.errors import FacesentError
from facesent.serving.gateway.settings import TOKEN_VARIABLES

_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")


class ServeError(FacesentError):
    """The server cannot start."""


@dataclass(frozen=True)
class Address:
    """Where the server listens, and who is let in.

    Attributes:
        host: an address of this machine, or a name of one; of IPv6 with or without brackets.
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
        host = self.host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, self.port), family=family, backlog=socket.SOMAXCONN)
        except OSError as error:
            raise ServeError(self._refused(error)) from None

    def _refused(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            expected, advice = f"{self.host}:{self.port} to be free", "Choose another: --port"
        elif error.errno == errno.EACCES:
            expected, advice = f"a port that this user may open, not {self.port}", "Choose one from 1024 on: --port"
        else:
            expected, advice = f"an address of this machine, not {self.host}", "Choose another: --host"
        return f"Expected {expected}. Received: {error.strerror}. {advice}"

    @property
    def is_open(self) -> bool:
        """Whether other machines can connect."""
        with suppress(ValueError):
            return not ip_address(self.host.strip("[]")).is_loopback
        return self.host.lower() != "localhost"

    def names(self) -> tuple[str, ...]:
        """What a client may write into the header ``Host``; empty for anything, where a token decides."""
        host = self.host.strip("[]").lower()
        named = {f"[{host}]" if ":" in host else host, *(name.lower() for name in self.hosts)}
        return tuple({*_THIS_MACHINE, *named}) if not self.is_open or self.hosts else ()

    def check_tokens(self) -> None:
        """Refuse to be open to a network where nobody has to show a token, and tokens that let nobody ask.

        Raises:
            ServeError: if so.
        """
        ask = TOKEN_VARIABLES["ask"]
        if os.environ.get(ask):
            return
        # As soon as there is one token, what has none is closed.
        if others := [name for name in TOKEN_VARIABLES.values() if os.environ.get(name)]:
            expected, received = f"{ask} to be set beside other tokens", f"only {' and '.join(others)}"
        elif self.is_open:
            expected, received = "a token if other machines can connect", f"--host {self.host} without one"
        else:
            return
        raise ServeError(f"Expected {expected}. Received: {received}. Set it: export {ask}=$(openssl rand -hex 32)")


def url_of(listener: socket.socket) -> str:
    """By which a client on this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
