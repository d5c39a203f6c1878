import io
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from facesent.dataset import scan_cache
from facesent.dataset.files import image_files
from facesent.dataset.manifest import scan
from facesent.dataset.scan_cache import ScanCache

HOUR = 3600 * 10**9
PIXELS = 40 * 30


def picture(seed: int) -> bytes:
    """A bitmap: all of them are equally long."""
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "BMP")
    return stream.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pictures and a file that is none."""
    for index in range(6):
        path = tmp_path / "data" / "AB"[index % 2] / f"{index}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(index))
    (tmp_path / "data" / "A" / "bad.jpg").write_bytes(b"text")
    return tmp_path / "data"


def cache_of(data: Path) -> ScanCache:
    return ScanCache.read(data.parent / "cache" / "scan.parquet")


def scan_again(data: Path, *, settled: bool = True, max_pixels: int = PIXELS) -> int:
    """Scan with the cache, compare with a scan without, and give the number of images that were not decoded."""
    cache = cache_of(data)
    if settled:
        cache.settled_before += HOUR
    cached = scan(data, max_pixels=max_pixels, cache=cache)
    cache.write(data.parent / "cache" / "scan.parquet")
    plain = scan(data, max_pixels=max_pixels)
    for name, table in (("cached", cached), ("plain", plain)):
        table.to_parquet(data.parent / name, index=False)
    assert (data.parent / "cached").read_bytes() == (data.parent / "plain").read_bytes()
    return cache.unchanged


def unread(data: Path) -> set[str]:
    """The images whose rows the next scan takes without reading them."""
    cache = cache_of(data)
    return {file.name for file in image_files(data) if cache.row(file)}


def names(*kept: int) -> set[str]:
    return {f"{'AB'[index % 2]}/{index}.bmp" for index in kept}


def test_unchanged_images_are_not_read_and_broken_ones_are_looked_at_again(data: Path) -> None:
    assert unread(data) == set()
    assert scan_again(data) == 0
    assert unread(data) == names(0, 1, 2, 3, 4, 5)
    assert scan_again(data) == 6


def test_what_changed_is_read_however_it_changed(data: Path) -> None:
    scan_again(data)
    in_place, replaced, touched = data / "A/0.bmp", data / "B/1.bmp", data / "A/2.bmp"
    before = {path: path.stat() for path in (in_place, replaced)}
    in_place.write_bytes(picture(10))
    (data / "new").write_bytes(picture(11))
    (data / "new").rename(replaced)
    for path, status in before.items():
        # The same name, size and time: only the inode and the time of the change of status tell.
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    touched.touch()

    assert unread(data) == names(3, 4, 5)
    assert scan_again(data) == 4, "a touched file has its old content"
    assert unread(data) == names(0, 1, 2, 3, 4, 5)


def test_files_that_came_went_or_moved(data: Path) -> None:
    scan_again(data)
    (data / "A/0.bmp").unlink()
    (data / "B/1.bmp").rename(data / "B/moved.bmp")
    (data / "A/2.bmp").rename(data / "B/2.bmp")
    (data / "A/copy.bmp").write_bytes(picture(4))
    (data / "A/new.bmp").write_bytes(picture(12))

    assert unread(data) == names(3, 4, 5)
    assert scan_again(data) == 6, "moved and copied content is known"
    (data / "A/4.bmp").write_bytes(picture(0))
    assert scan_again(data) == 6, "what went is forgotten"


def test_a_file_that_was_just_written_is_not_trusted_by_its_time(data: Path) -> None:
    scan_again(data, settled=False)
    assert unread(data) == set()
    assert scan_again(data) == 6, "its content is"


def test_a_lower_limit_of_pixels_holds_for_known_images_too(data: Path) -> None:
    scan_again(data)
    assert scan_again(data, max_pixels=PIXELS - 1) == 0


def test_links_are_always_followed(data: Path) -> None:
    (data / "A" / "link.bmp").symlink_to(data / "B" / "1.bmp")
    scan_again(data)
    (data / "B" / "1.bmp").write_bytes(picture(10))
    assert scan_again(data) == 5


@pytest.mark.parametrize("content", [b"", b"PAR1 torn", None], ids=["empty", "torn", "cut"])
def test_a_broken_cache_is_none(data: Path, content: bytes | None) -> None:
    scan_again(data)
    file = data.parent / "cache" / "scan.parquet"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    assert scan_again(data) == 0


def test_rows_that_other_libraries_measured_do_not_count(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan_again(data)
    monkeypatch.setattr(scan_cache, "version", lambda name: "another")
    assert scan_again(data) == 0
    assert scan_again(data) == 6


@pytest.mark.parametrize("module", [scan_cache.measure, scan_cache.reading])
def test_rows_that_other_code_measured_do_not_count(
    data: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    scan_again(data)
    other = data.parent / "other.py"
    other.write_text("# another rule\n")
    monkeypatch.setattr(module, "__file__", str(other))
    assert scan_again(data) == 0
    assert scan_again(data) == 6


def test_a_cache_of_no_usable_image_can_be_written_and_read(tmp_path: Path) -> None:
    (tmp_path / "data" / "A").mkdir(parents=True)
    (tmp_path / "data" / "A" / "bad.jpg").write_bytes(b"text")
    assert scan_again(tmp_path / "data") == 0
    assert scan_again(tmp_path / "data") == 0
