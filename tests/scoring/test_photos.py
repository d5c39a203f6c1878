import errno
import os
import shutil
from pathlib import Path

import fsspec
import pytest

from facesent.asking.photos import prepared
from facesent.images.reading import ImageError
from facesent.scoring import in_order
from facesent.scoring.errors import ScoringError
from facesent.scoring.photos import check_source, content_of, images_under, photos_of

NAMES = ["a/z.jpg", "a.png", "b/c/deep.JPEG", "b/d.webp", "ü.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*NAMES, ".hidden/x.jpg", "b/.y.jpg", "@eaDir/thumbnail.jpg", "notes.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path / "photos"


def test_a_folder_gives_the_images_under_it_in_the_order_of_paths(folder: Path) -> None:
    expected = sorted(folder / name for name in NAMES)
    assert list(photos_of(str(folder))) == [str(path) for path in expected]


@pytest.mark.parametrize("most", [1, 2])
def test_the_order_is_the_same_where_memory_is_short(folder: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(images_under(folder))
    monkeypatch.setattr(in_order.in_order, "__defaults__", (most,))
    assert list(images_under(folder)) == expected


def test_here_is_no_part_of_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert sorted(photos_of(".")) == sorted(NAMES)


def test_what_is_not_taken_has_a_row_that_says_so(folder: Path) -> None:
    (folder / "b" / "circle").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    names = {*images_under(folder)} - {str(folder / name) for name in NAMES}
    assert names == {str(folder / name) for name in ("b/circle", "itself", "phone.HEIC")}
    with pytest.raises(ImageError, match="no regular file"):
        prepared(folder / "b" / "circle", 8, "none")
    with pytest.raises(ImageError, match="HEIC"):
        prepared(folder / "phone.HEIC", 8, "none")


def test_a_folder_that_is_gone_or_empty_is_no_reason_to_write_errors(folder: Path) -> None:
    check_source(folder.parent, "photos", ["photos/a.png"])
    check_source(folder.parent, "memory://photos", ["memory://photos/a.png"])
    # A list is not needed any more once it has been read.
    check_source(folder.parent, "list.txt", ["elsewhere/a.png"])
    for change in (shutil.rmtree, Path.mkdir):
        change(folder)
        with pytest.raises(ScoringError, match="Mount its disk again"):
            check_source(folder.parent, "photos", ["photos/a.png"])


def test_a_disk_that_is_away_says_nothing_of_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    # No disk here goes away when asked to.
    monkeypatch.setattr("facesent.asking.photos.read_content", gone)
    with pytest.raises(OSError, match="Stale file handle"):
        prepared("a.png", 8, "none")


def test_a_list_is_read_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"b.jpg\r\n\n a.jpg\ns3://bucket/c.jpg\n\xe4.jpg")
    assert list(photos_of(str(tmp_path / "list.txt"))) == ["b.jpg", " a.jpg", "s3://bucket/c.jpg", "\udce4.jpg"]


def test_a_list_of_a_windows_editor_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffa.jpg\r\nb.jpg".encode())
    assert list(photos_of(str(tmp_path / "list.txt"))) == ["a.jpg", "b.jpg"]
    (tmp_path / "list.txt").write_bytes("a.jpg\r\n".encode("utf-16"))
    with pytest.raises(ScoringError, match=r"UTF-16, as PowerShell"):
        list(photos_of(str(tmp_path / "list.txt")))


def test_a_store_gives_the_addresses_under_it(folder: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in (*NAMES, ".hidden/x.jpg", "notes.txt"):
        store.pipe(f"/photos-of-a-store/{name}", name.encode())
    addresses = list(photos_of("memory://photos-of-a-store"))
    assert addresses == [f"memory:///photos-of-a-store/{path}" for path in map(str, sorted(map(Path, NAMES)))]
    assert [content_of(address).decode() for address in addresses] == [str(path) for path in sorted(map(Path, NAMES))]


def test_a_list_may_be_in_a_store() -> None:
    fsspec.filesystem("memory").pipe("/lists/some.txt", b"\xef\xbb\xbfa.jpg\r\nb.jpg\n")
    assert list(photos_of("memory://lists/some.txt")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("source", "received"),
    [
        ("nowhere", r"Expected a folder.*Received: nowhere, none of that name"),
        ("photo.jpg", r"Received: photo.jpg, a single image.*facesent predict"),
        ("phone.HEIC", r"Received: phone.HEIC, a single image.*facesent predict"),
        (
            "memory://single/photo.jpg",
            r"Expected a folder.*Received: memory://single/photo.jpg, a single image\. Write",
        ),
        ("memory://single/list.txt", r"Received: memory://single/list.txt, in UTF-16, as PowerShell"),
        # None of the extras has it.
        ("gs://bucket/photos", r"Install it: pip install gcsfs"),
        ("teapot://photos", r"Protocol not known: teapot.*fsspec's list"),
        ("memory://nobody/put/this", r"Expected photos under memory://nobody/put/this"),
    ],
)
def test_what_is_no_source_is_named(
    source: str, received: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "phone.HEIC"):
        Path(name).touch()
    fsspec.filesystem("memory").pipe({"/single/photo.jpg": b"photo", "/single/list.txt": "a.jpg".encode("utf-16")})
    with pytest.raises(ScoringError, match=received):
        list(photos_of(source))


def test_a_file_that_is_gone_is_the_photos_fault_and_a_store_that_fails_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        content_of("memory://gone.jpg")
    store = fsspec.filesystem("memory")
    store.pipe("/there.jpg", b"photo")

    def fail(*_: object, **__: object) -> bytes:
        raise OSError("the network is down")

    monkeypatch.setattr(type(store), "cat_file", fail)
    with pytest.raises(
        ScoringError,
        match=r"Expected memory://there.jpg.*network is down.*Run it again when the store answers. Finished",
    ):
        content_of("memory://there.jpg")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="no regular file"):
        content_of("pipe.jpg", tmp_path)
