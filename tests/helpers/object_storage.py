"""moto's server, which stands in for an object storage, and a connection to it that breaks."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

_ALL_OF_S3 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_READ_S3 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}],
}
_BLOCK = 16 * 1024


@dataclass(frozen=True)
class Key:
    """Credentials of a user."""

    id: str
    secret: str

    def set(self, patch: pytest.MonkeyPatch) -> None:
        """Let whoever asks show them."""
        patch.setenv("AWS_ACCESS_KEY_ID", self.id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", self.secret)


@dataclass(frozen=True)
class Storage:
    """An object storage on this machine.

    Attributes:
        port: where it listens.
    """

    port: int

    @property
    def address(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let the environment have credentials, which are nobody's, and none of the user's."""
        for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3_"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        Key("any", "any").set(patch)

    def client(self, service: str = "s3") -> Any:
        """boto3's client, with the credentials of the environment."""
        return boto3.client(service, endpoint_url=self.address, region_name="us-east-1")

    def bucket(self, name: str) -> str:
        """Make a bucket; returns its address."""
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def remove(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        for key in self.keys(name):
            self.client().delete_object(Bucket=name, Key=key)
        self.client().delete_bucket(Bucket=name)

    def keys(self, name: str) -> list[str]:
        """The names of all objects in a bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def empty(self) -> None:
        """Forget all buckets and users."""
        httpx.post(f"{self.address}/moto-api/reset").raise_for_status()

    def key(self, *, may_write: bool = True) -> Key:
        """Make a user, who may do all with buckets, or read them alone."""
        iam, name = self.client("iam"), "writer" if may_write else "reader"
        iam.create_user(UserName=name)
        policy = json.dumps(_ALL_OF_S3 if may_write else _READ_S3)
        iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=policy)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    @contextmanager
    def asking_who_is_there(self) -> Iterator[None]:
        """Refuse whoever shows no credentials of a user, as long as the block runs."""
        self._ask_from(0)
        try:
            yield
        finally:
            self._ask_from(float("inf"))

    def _ask_from(self, request: float) -> None:
        httpx.post(f"{self.address}/moto-api/reset-auth", content=str(request)).raise_for_status()


@contextmanager
def storage() -> Iterator[Storage]:
    """Answers while the block runs, and takes anybody's credentials."""
    # A line a request would hide what a failed test says.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield Storage(server.get_host_and_port()[1])
    finally:
        server.stop()


class Connection:
    """Passes bytes on to a port, and after so many to it breaks for good.

    Args:
        port: of the server.
        after: bytes.
    """

    def __init__(self, port: int, after: int) -> None:
        self._port, self._left, self._lock = port, after, Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        Thread(target=self._listen, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def broken(self) -> bool:
        """Whether so many bytes were sent."""
        return self._left <= 0

    def end(self) -> None:
        """Close all that is open."""
        self._listener.close()
        self._break()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                if self.broken:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK):
                if counted and self._count(len(block)):
                    self._break()
                    return
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def _count(self, sent: int) -> bool:
        with self._lock:
            self._left -= sent
            return self.broken

    def _break(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def breaking_connection(port: int, after: int) -> Iterator[Connection]:
    """A connection to a server on this machine that breaks after so many bytes to it."""
    connection = Connection(port, after)
    try:
        yield connection
    finally:
        connection.end()
