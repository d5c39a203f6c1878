"""Where images, models and artifacts are kept beside this machine: DVC's remotes, and the store of MLflow's artifacts.

Nothing is written there: whether it may be is asked by the beginning of an upload that is given up at once.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from facesent.core import object_storage
from facesent.core.paths import Project
from facesent.doctor.finding import Finding
from facesent.registry.credentials import without_credentials

_SECONDS = 3
_LONGEST = 150
_OBJECT = "facesent-doctor"
_NOT_WRITTEN = "may be read, not written"


def remotes(project: Project) -> Iterator[Finding]:
    """Look at each of DVC's remotes."""
    from dvc.config import Config, ConfigError

    subject, folder = "DVC remote", project.root / ".dvc"
    if not folder.is_dir():
        yield Finding(subject, "problem", "no folder .dvc", "is this folder a DVC repository?")
        return
    try:
        config = Config(str(folder))
    except ConfigError as error:
        yield Finding(subject, "problem", f"its settings cannot be read: {error}", f"correct {folder / 'config'}")
        return
    for name in config["remote"]:
        yield _remote(subject, config, name)
    if not config["remote"]:
        advice = "dvc remote add -d store FOLDER, or s3://BUCKET/PREFIX"
        yield Finding(subject, "note", "none: images and models are only on this machine", advice)


def bucket(subject: str, address: str, client: Any, name: str = "") -> Finding:
    """Ask an object storage for a list, and whether it would take an upload.

    Args:
        subject: of the finding.
        address: such as ``s3://bucket/prefix``.
        client: makes boto3's client, and may refuse as the storage does.
        name: of the remote, for people.
    """
    shown = f"{name}: {address}" if name else address
    if find_spec("boto3") is None:
        return Finding(subject, "problem", f"{shown}: boto3 is not installed", object_storage.INSTALL)
    from botocore.exceptions import BotoCoreError, ClientError

    place, _, prefix = address.removeprefix(object_storage.SCHEME).partition("/")
    try:
        asked = client()
        asked.list_objects_v2(Bucket=place, Prefix=prefix, MaxKeys=1)
    except (BotoCoreError, ClientError, ValueError) as error:
        said = shorten(without_credentials(object_storage.in_words(error)), _LONGEST, placeholder=" …")
        return Finding(
            subject, "problem", f"{shown}: {said}", object_storage.advice_for(said) or "correct its settings"
        )
    upload = {"Bucket": place, "Key": f"{prefix}/{_OBJECT}".lstrip("/")}
    try:
        begun = asked.create_multipart_upload(**upload)
    except (BotoCoreError, ClientError):
        return Finding(
            subject, "note", f"{shown}: {_NOT_WRITTEN}", "to add to it, ask for the permission to write there"
        )
    with suppress(BotoCoreError, ClientError):
        asked.abort_multipart_upload(**upload, UploadId=begun["UploadId"])
    return Finding(subject, "ok", f"{shown}: may be read and written")


def client_of(session: Mapping[str, Any], client: Mapping[str, Any], *, anonymous: bool = False) -> Any:
    """A client of boto3 that waits seconds and asks once.

    Args:
        session: arguments of boto3's session.
        client: arguments of its client.
        anonymous: whether it shows no credentials.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        connect_timeout=_SECONDS,
        read_timeout=_SECONDS,
        retries={"total_max_attempts": 1},
        signature_version=UNSIGNED if anonymous else None,
    )
    return boto3.Session(**session).client("s3", **client, config=config)


def _remote(subject: str, config: Any, name: str) -> Finding:
    from dvc.exceptions import DvcException
    from dvc.fs import get_cloud_fs
    from dvc_objects.fs.errors import RemoteMissingDepsError

    address = without_credentials(str(config["remote"][name].get("url", "")))
    try:
        kind, settings, path = get_cloud_fs(config, name=name)
        if kind.protocol == "local":
            return _folder(subject, name, Path(path))
        storage = kind(**settings)
    except (ImportError, RemoteMissingDepsError) as error:
        extra = object_storage.INSTALL if address.startswith(object_storage.SCHEME) else "install that"
        return Finding(subject, "problem", f"{name}: {address}: {error}", extra)
    except (DvcException, ValueError) as error:
        return Finding(subject, "problem", f"{name}: {without_credentials(str(error))}", "correct its settings")
    if kind.protocol != "s3":
        return Finding(subject, "ok", f"{name}: {address}, which is not looked at")
    return bucket(subject, f"{object_storage.SCHEME}{path}", lambda: _client_as_dvc(storage.fs_args), name)


def _client_as_dvc(arguments: Mapping[str, Any]) -> Any:
    names = {"profile": "profile_name", "key": "aws_access_key_id", "secret": "aws_secret_access_key"}
    names["token"] = "aws_session_token"  # noqa: S105  (the name of an argument)
    session = {name: arguments[key] for key, name in names.items() if key in arguments}
    client = {"use_ssl": arguments.get("use_ssl", True), **arguments.get("client_kwargs", {})}
    return client_of(session, client, anonymous=bool(arguments.get("anon")))


def _folder(subject: str, name: str, path: Path) -> Finding:
    if not path.is_dir():
        what = f"{name}: {path} is not there"
        return Finding(subject, "note", what, "the first dvc push makes it; or is its disk away?")
    if not os.access(path, os.W_OK):
        return Finding(subject, "note", f"{name}: {path} {_NOT_WRITTEN}", "to add to it, ask for permission to write")
    return Finding(subject, "ok", f"{name}: {path}")
