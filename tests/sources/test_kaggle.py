"""Downloads against a local server that speaks Kaggle's protocol."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from facesent.core.errors import DataError, FacesentError
from facesent.sources.kaggle import fetch_archive

ARCHIVE = bytes(range(256)) * 20_000
HANDLE = "owner/faces"


def test_fetches_the_current_version_and_reports_progress(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.version = ARCHIVE, 3
    seen: list[tuple[int, int]] = []
    archive = fetch_archive(HANDLE, tmp_path / "d", progress=lambda done, total: seen.append((done, total)))
    assert archive.read_bytes() == ARCHIVE
    assert seen[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert [path.name for path in (tmp_path / "d").iterdir()] == [archive.name]


def test_a_versioned_handle_asks_for_that_version(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.version = ARCHIVE, 2
    fetch_archive(f"{HANDLE}/versions/2", tmp_path)
    assert "GetDataset" not in kaggle.asked


def test_certificates_that_are_gone_are_named_with_their_variable(
    kaggle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone.pem")
    with pytest.raises(FacesentError, match=r"REQUESTS_CA_BUNDLE: expected certificates. Received: /gone\.pem"):
        fetch_archive(HANDLE, tmp_path)


def test_a_broken_download_goes_on_where_it_stopped(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.break_after = ARCHIVE, 3_000_000
    with pytest.raises(DataError, match="resumes where this one stopped"):
        fetch_archive(HANDLE, tmp_path)
    (partial,) = tmp_path.glob("*.part")
    have = partial.stat().st_size
    assert 0 < have < len(ARCHIVE)
    kaggle.break_after = None
    assert fetch_archive(HANDLE, tmp_path).read_bytes() == ARCHIVE
    assert kaggle.asked[-1] == f"bytes={have}-"


def test_a_download_that_stalls_can_go_on(kaggle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesent.sources.kaggle._TIMEOUT", (10, 0.2))
    kaggle.archive, kaggle.break_after, kaggle.go_on = ARCHIVE, 3_000_000, threading.Event()
    with pytest.raises(DataError, match="resumes where this one stopped"):
        fetch_archive(HANDLE, tmp_path)
    kaggle.go_on.set()
    (partial,) = tmp_path.glob("*.part")
    assert partial.stat().st_size > 0


def test_a_complete_archive_is_not_fetched_again(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive = ARCHIVE
    fetch_archive(HANDLE, tmp_path)
    kaggle.asked.clear()
    assert fetch_archive(HANDLE, tmp_path).read_bytes() == ARCHIVE
    # One request, for the headers.
    assert kaggle.asked == ["GetDataset", "DownloadDataset", "all"]


def test_a_store_without_ranges_begins_anew(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.break_after, kaggle.ranges = ARCHIVE, 3_000_000, False
    with pytest.raises(DataError):
        fetch_archive(HANDLE, tmp_path)
    kaggle.break_after = None
    assert fetch_archive(HANDLE, tmp_path).read_bytes() == ARCHIVE


def test_parts_of_two_archives_are_never_joined(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.break_after = ARCHIVE, 3_000_000
    with pytest.raises(DataError):
        fetch_archive(HANDLE, tmp_path)
    kaggle.archive, kaggle.break_after = ARCHIVE[::-1], None
    archive = fetch_archive(HANDLE, tmp_path)
    assert archive.read_bytes() == ARCHIVE[::-1]
    assert list(tmp_path.glob("*.*")) == [archive]


def test_other_content_than_the_checksum_says_is_deleted(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.checksum = ARCHIVE, "1B2M2Y8AsgTpgAmY7PhCfg=="
    with pytest.raises(DataError, match="checksum"):
        fetch_archive(HANDLE, tmp_path)
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize("source", ["environment", "file"])
def test_the_users_credentials_are_used(
    kaggle: Any, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    kaggle.archive, kaggle.key = ARCHIVE, "s3cret"
    if source == "environment":
        monkeypatch.setenv("KAGGLE_USERNAME", "me")
        monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    else:
        (home / ".kaggle").mkdir()
        (home / ".kaggle" / "kaggle.json").write_text('{"username": "me", "key": "s3cret"}')
    assert fetch_archive(HANDLE, tmp_path / "d").read_bytes() == ARCHIVE


def test_without_credentials_it_says_what_to_set(kaggle: Any, tmp_path: Path) -> None:
    kaggle.key = "s3cret"
    with pytest.raises(DataError, match=r"(?s)KAGGLE_API_TOKEN.*KAGGLE_USERNAME.*KAGGLE_KEY.*~/.kaggle"):
        fetch_archive(HANDLE, tmp_path)


def test_refused_credentials_are_not_shown(kaggle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kaggle.key = "s3cret"
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "mistyped-key")
    with pytest.raises(DataError, match=r"accept your credentials.*401") as caught:
        fetch_archive(HANDLE, tmp_path)
    assert "mistyped-key" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(("status", "said"), [(403, "requires them"), (404, "no such dataset"), (503, "later")])
def test_what_kaggle_answers_is_explained(kaggle: Any, tmp_path: Path, status: int, said: str) -> None:
    kaggle.status = status
    with pytest.raises(DataError, match=said):
        fetch_archive(HANDLE, tmp_path)


def test_a_broken_credentials_file_is_named(kaggle: Any, tmp_path: Path, home: Path) -> None:
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text('{"username": "me", "key": "s3cret"')
    with pytest.raises(DataError, match=r"kaggle\.json") as caught:
        fetch_archive(HANDLE, tmp_path)
    assert "s3cret" not in str(caught.value)


def test_no_network_is_said(kaggle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        with pytest.raises(DataError, match=r"(?s)Check the network.*KAGGLE_USERNAME.*facesent data draw"):
            fetch_archive(HANDLE, tmp_path)


@pytest.mark.parametrize("handle", ["faces", "owner/", "/faces", "owner/faces/versions/x", "a/b/c"])
def test_a_wrong_handle_is_refused(tmp_path: Path, handle: str) -> None:
    with pytest.raises(DataError, match="OWNER/DATASET"):
        fetch_archive(handle, tmp_path)


def test_the_signed_address_is_not_shown(kaggle: Any, tmp_path: Path) -> None:
    kaggle.archive, kaggle.break_after = ARCHIVE, 1000
    with pytest.raises(DataError) as caught:
        fetch_archive(HANDLE, tmp_path)
    assert "signed-secret" not in str(caught.value)
