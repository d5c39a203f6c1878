"""Fetch a dataset's archive from Kaggle, resuming where an earlier try broke off.

kagglehub finds the credentials and speaks Kaggle's protocol. Its ``dataset_download`` is not used: it unpacks the
archive unchecked, and refuses to resume into a folder of ours.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facesent.core import certificates
from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.errors import DataError
from facesent.core.files import require_room
from facesent.core.trouble import refuse

if TYPE_CHECKING:
    import requests
    from kagglehub.handle import DatasetHandle
    from kagglesdk.kaggle_client import KaggleClient  # type: ignore[import-untyped]

KAGGLE_DATASET = "sujaykapadnis/emotion-recognition-dataset"
_CHUNK = 1 << 20
# Seconds to connect, and without a byte.
_TIMEOUT = (10, 60)
_CREDENTIALS = (
    "Make an API token at https://www.kaggle.com/settings (section API), then set KAGGLE_API_TOKEN, or KAGGLE_USERNAME "
    "and KAGGLE_KEY, in the environment, or save the kaggle.json it gives you as ~/.kaggle/kaggle.json."
)
_ALTERNATIVES = "Without Kaggle: `facesent data draw` draws faces, `facesent data import DIR` takes images you have."


def fetch_archive(handle: str, downloads: Path, *, progress: Progress = NO_PROGRESS) -> Path:
    """Download the archive of a dataset's current version, or of the version that ``handle`` names.

    Args:
        handle: ``OWNER/DATASET`` or ``OWNER/DATASET/versions/N``.
        downloads: where the archive goes; what an earlier call left there is continued.
        progress: called with (bytes done, bytes in all; 0 if not known).

    Raises:
        DataError: no network, no or refused credentials, no such dataset, a broken connection.
        FilesError: the archive is too large for the disk.
        FacesentError: a variable names certificates that are gone.
    """
    import requests
    from kagglehub.clients import build_kaggle_client
    from kagglehub.config import get_kaggle_credentials
    from kagglesdk.kaggle_env import get_endpoint, get_env  # type: ignore[import-untyped]

    refuse(certificates.troubles_of_first(certificates.OF_REQUESTS))
    dataset = _parse(handle)
    try:
        signed_in = get_kaggle_credentials() is not None
    except (ValueError, OSError) as error:
        raise DataError(f"Expected Kaggle's credentials. Received: {error}. {_CREDENTIALS}") from None
    with _readable_errors(handle, signed_in), build_kaggle_client() as client:
        # The client has no timeout of its own: find out here, within seconds, that there is no network.
        requests.head(get_endpoint(get_env()), timeout=_TIMEOUT).close()
        dataset = _with_version(client, dataset)
        with _ask(client, dataset) as answer:
            return _save(answer, dataset, downloads, progress)


def has_credentials() -> bool:
    """Whether somebody has set any; only a download shows whether they are right."""
    named = "KAGGLE_API_TOKEN" in os.environ or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys()
    return named or (Path.home() / ".kaggle" / "kaggle.json").is_file()


def _parse(handle: str) -> "DatasetHandle":
    from kagglehub.handle import parse_dataset_handle

    try:
        dataset = parse_dataset_handle(handle)
    except ValueError:
        dataset = None
    if dataset is None or not all(handle.split("/")):
        raise DataError(f"Expected a Kaggle dataset as OWNER/DATASET. Received: {handle!r:.80}")
    return dataset


def _with_version(client: "KaggleClient", dataset: "DatasetHandle") -> "DatasetHandle":
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest  # type: ignore[import-untyped]

    if dataset.is_versioned():
        return dataset
    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = dataset.owner, dataset.dataset
    return dataset.with_version(client.datasets.dataset_api_client.get_dataset(request).current_version_number)


def _ask(client: "KaggleClient", dataset: "DatasetHandle") -> "requests.Response":
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = dataset.owner, dataset.dataset
    request.dataset_version_number = dataset.version
    answer: requests.Response = client.datasets.dataset_api_client.download_dataset(request)
    return answer


def _save(answer: "requests.Response", dataset: "DatasetHandle", downloads: Path, progress: Progress) -> Path:
    """Store the archive under a name made of its identity, so that two archives are never mixed."""
    total = int(answer.headers.get("Content-Length", 0))
    identity = f"{dataset} {total} {answer.headers.get('ETag')}"
    archive = downloads / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.zip"
    partial = archive.with_suffix(".part")
    downloads.mkdir(parents=True, exist_ok=True)
    for stale in set(downloads.iterdir()) - {archive, partial}:
        if stale.is_file():
            stale.unlink()
    if not archive.exists():
        _receive(answer, partial, total, progress)
        _verify(answer, partial, total)
        partial.rename(archive)
    return archive


def _receive(answer: "requests.Response", partial: Path, total: int, progress: Progress) -> None:
    import requests

    have = partial.stat().st_size if partial.exists() else 0
    if total and have == total:
        return
    have = have if have < total else 0
    require_room(partial.parent, total - have, "the download")
    if answer.history:
        # Kaggle redirects to a file store, which, unlike its API, can begin anywhere and be asked with a timeout.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        answer = requests.get(answer.url, headers=headers, stream=True, timeout=_TIMEOUT)
        answer.raise_for_status()
    resumed = answer.status_code == requests.codes.partial
    done = have if resumed else 0
    with answer, partial.open("ab" if resumed else "wb") as sink:
        try:
            for chunk in answer.iter_content(_CHUNK):
                sink.write(chunk)
                done += len(chunk)
                progress(done, total)
        except requests.ConnectionError as error:
            # As requests calls it where nothing comes for too long.
            raise requests.ReadTimeout(type(error).__name__) from None


def _verify(answer: "requests.Response", partial: Path, total: int) -> None:
    from kagglehub.integrity import get_md5_checksum_from_response, to_b64_digest

    size = partial.stat().st_size
    problem = f"{size} bytes instead of {total}" if total and size != total else None
    if expected := get_md5_checksum_from_response(answer):
        with partial.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
        if to_b64_digest(digest) != expected:
            problem = problem or "content that does not match its checksum"
    if problem:
        partial.unlink()
        raise DataError(f"Expected Kaggle's archive to be intact. Received: {problem}. It was deleted; run it again.")


@contextmanager
def _readable_errors(handle: str, signed_in: bool) -> Iterator[None]:
    """Say what happened in our words: the texts of ``requests`` hold signed addresses, which are secrets."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise DataError(_explain(status, handle, signed_in)) from None
    except (requests.exceptions.ChunkedEncodingError, requests.ReadTimeout) as error:
        raise DataError(
            f"Expected the whole archive from Kaggle. Received: a broken connection "
            f"({type(error).__name__}). Run it again: it resumes where this one stopped."
        ) from None
    except requests.RequestException as error:
        hint = "" if signed_in else f" No Kaggle credentials were found either. {_CREDENTIALS}"
        raise DataError(
            f"Expected an answer from Kaggle. Received: {type(error).__name__}. Check the network, and "
            f"HTTPS_PROXY if you are behind a proxy.{hint}\n{_ALTERNATIVES}"
        ) from None


def _explain(status: int, handle: str, signed_in: bool) -> str:
    if status in (401, 403) and not signed_in:
        return (
            f"Expected Kaggle credentials. Received: none, and Kaggle requires them ({status}). {_CREDENTIALS}\n"
            f"{_ALTERNATIVES}"
        )
    if status in (401, 403):
        return (
            f"Expected Kaggle to accept your credentials for {handle}. Received: {status}. They may be mistyped or "
            f"expired, or the dataset requires your consent on its page. {_CREDENTIALS}"
        )
    if status == 404:
        return f"Expected the Kaggle dataset {handle}. Received: 404, no such dataset, or it is private."
    return f"Expected Kaggle to send {handle}. Received: status {status}. Try again later."
