"""Where photos are, in a folder, a list, or a store that fsspec reaches, and their bytes."""

import codecs
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from facesent.core import object_storage
from facesent.core.errors import in_words
from facesent.dataset.files import SUFFIXES, is_ignored
from facesent.images.limits import MAX_BYTES
from facesent.images.reading import ImageError, read_content
from facesent.scoring.errors import ScoringError
from facesent.scoring.in_order import in_order

# What people see a picture in, and has a line or a row of its own, if only one that says why there is no answer.
_PICTURES = SUFFIXES | {".avif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff"}
# Behind the name of a folder. It sorts before every letter, so that folders and files are in the order of their names.
_FOLDER = "\0"
_EXPECTED = "Expected a folder, a text file of paths or an address such as s3://bucket/photos"


def is_remote(name: str) -> bool:
    """Whether a photo or a source is in a store, such as ``s3://bucket/photos``."""
    return "://" in name


def is_same_source(one: str, other: str) -> bool:
    """Whether two ways to write a source, such as ``photos`` and ``photos/``, lead to the same names."""
    if is_remote(one) or is_remote(other):
        return one.rstrip("/") == other.rstrip("/")
    return Path(one) == Path(other)


def photos_of(source: str) -> Iterator[str]:
    """The names of the photos of a source, one at a time, in an order that depends on the names alone.

    Args:
        source: a folder, with all that is under it; a text file of paths or addresses, one a line, in its own order;
            or the address of either.

    Raises:
        ScoringError: there is no such source, it cannot be listed, or what reaches it is not installed.
    """
    try:
        if is_remote(source):
            yield from _in_store(source)
        elif Path(source).is_dir():
            yield from images_under(Path(source))
        else:
            yield from _listed(Path(source))
    except OSError as error:
        raise ScoringError(f"Expected to list the photos of {source}. Received: {in_words(error)}.") from None


def check_source(root: Path, source: str, names: Iterable[str]) -> None:
    """See to it that the folder of a source is still there: a photo of one that is not may be as good as any other.

    Args:
        root: the folder that a relative source starts from.
        source: as for ``photos_of``, listed before.
        names: of photos of it; those of a list need not be under it.

    Raises:
        ScoringError: it is gone, or empty, as the folder of a disk is that is not mounted any more.
    """
    if is_remote(source) or not any(Path(name).is_relative_to(source) for name in names):
        return
    with suppress(OSError), os.scandir(root / source) as entries:
        if next(entries, None):
            return
    raise ScoringError(
        f"Expected the photos in {source} that were listed. Received: none any more. Mount its disk again, or put them "
        "back, and run it again. Finished shards are kept."
    )


def images_under(folder: Path) -> Iterator[str]:
    """The images of a folder and of the folders in it, in the order of their names; hidden ones aside.

    Also what cannot be read, so that it is told of: pictures of other formats, and links to folders.

    Raises:
        OSError: it cannot be listed.
    """
    # "." would stand before every name.
    yield from _walk("" if folder == Path() else str(folder))


def content_of(name: str, root: Path = Path()) -> bytes:
    """The bytes of a photo.

    Args:
        name: a path, or an address in a store.
        root: the folder that relative paths start from.

    Raises:
        ImageError: no regular file, or too long to be an image.
        OSError: there is none, or it may not be read.
        ScoringError: the store does not answer; this photo may be as good as any other.
    """
    if not is_remote(name):
        return read_content(root / name)
    store, path = _store(name)
    try:
        if (size := store.size(path) or 0) > MAX_BYTES:
            raise ImageError(f"Expected at most {MAX_BYTES} bytes. Received: {size}.")
        return bytes(store.cat_file(path))
    except (ImageError, FileNotFoundError, IsADirectoryError):
        raise
    except Exception as error:
        # Each store raises what its own client does. That reading is forbidden is said of a wrong key too, which would
        # make every further photo one that cannot be read.
        advice = object_storage.advice_for(_said(error)) or "Run it again when the store answers."
        raise ScoringError(
            f"Expected {name} from its store. Received: {_said(error)}. {advice} Finished shards are kept."
        ) from None


def _walk(folder: str) -> Iterator[str]:
    for entry in in_order(_entries(folder)):
        place = os.path.join(folder, entry.removesuffix(_FOLDER))  # noqa: PTH118  (Path is ten times slower)
        if entry.endswith(_FOLDER):
            yield from _walk(place)
        else:
            yield place


def _entries(folder: str) -> Iterator[str]:
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if is_ignored(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield entry.name + _FOLDER
            elif _is_picture(entry.name) or (entry.is_symlink() and _leads_to_folder(entry)):
                yield entry.name


def _leads_to_folder(link: "os.DirEntry[str]") -> bool:
    """Also if it cannot be followed, to itself or to where nobody may look."""
    try:
        return link.is_dir()
    except OSError:
        return True


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _PICTURES  # noqa: PTH122  (Path is ten times slower)


def _listed(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise ScoringError(f"{_EXPECTED}. Received: {path}, none of that name.")
    _refuse_image(path.name, path, "See `facesent predict`.")
    with path.open("rb") as file:
        yield from _lines(file, path)


def _refuse_image(name: str, source: object, advice: str) -> None:
    if _is_picture(name):
        raise ScoringError(f"{_EXPECTED}. Received: {source}, a single image. {advice}")


def _lines(file: Any, source: object) -> Iterator[str]:
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ScoringError(
            f"Expected a list of photos in UTF-8. Received: {source}, in UTF-16, as PowerShell's > writes it. Save it "
            "as UTF-8."
        )
    file.seek(0)
    yield from _names(io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape"))


def _names(lines: Any) -> Iterator[str]:
    return (name for name in (line.strip("\r\n") for line in lines) if name.strip())


def _in_store(source: str) -> Iterator[str]:
    store, path = _store(source)
    try:
        if store.isfile(path):
            _refuse_image(path, source, "Write its address into a text file, and name that.")
            with store.open(path, "rb") as file:
                yield from _lines(file, source)
        else:
            yield from (store.unstrip_protocol(name) for name in _walk_store(store, path))
    except ScoringError:
        raise
    except Exception as error:
        advice = object_storage.advice_for(_said(error)) or "Check the address, and that this machine may list it."
        raise ScoringError(f"Expected photos under {source}. Received: {_said(error)}. {advice}") from None


def _walk_store(store: Any, folder: str) -> Iterator[str]:
    entries = store.ls(folder, detail=True, refresh=True)
    kinds = ((entry["name"].rstrip("/"), entry["type"] == "directory") for entry in entries)
    own = store._strip_protocol(folder).rstrip("/")
    for entry in in_order(name + _FOLDER * is_folder for name, is_folder in kinds if name != own):
        name = entry.removesuffix(_FOLDER)
        last = name.rpartition("/")[2]
        if is_ignored(last):
            continue
        if entry.endswith(_FOLDER):
            yield from _walk_store(store, name)
        elif _is_picture(last):
            yield name


def _store(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        store, path = url_to_fs(address, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        scheme = address.partition("://")[0]
        package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
        advice = f"Install it: pip install {package[scheme]}" if scheme in package else "See fsspec's list of stores"
        raise ScoringError(f"Expected a store that fsspec can reach. Received: {address}: {error}. {advice}.") from None
    return store, path


def _said(error: Exception) -> str:
    return (object_storage.in_words(error) or type(error).__name__).rstrip(".")


def expected_images() -> str:
    """What counts as an image, for messages."""
    return f"images ({', '.join(sorted(SUFFIXES))})"
