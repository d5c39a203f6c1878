import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.core.errors import DataError
from facesent.dataset.files import class_folders, describe, stray_images
from facesent.dataset.manifest import COLUMNS, mark_conflicts, scan
from facesent.images.limits import MAX_BYTES

MAX_PIXELS = 1_000_000


def encode(seed: int, *, mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, kind)
    return stream.getvalue()


def huge_png(side: int = 20_000) -> bytes:
    """A PNG whose header promises ``side`` x ``side`` pixels; they would take gigabytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def scan_rows(folder: Path, **options: int) -> dict[str, pd.Series]:
    table = scan(folder, max_pixels=MAX_PIXELS, **options)
    return {row["file_name"]: row for _, row in table.iterrows()}


def test_a_usable_image_is_measured(tmp_path: Path) -> None:
    row = scan_rows(fill(tmp_path, {"Happy/a.PNG": encode(1)}))["Happy/a.PNG"]

    assert (row["label"], row["width"], row["height"], row["mode"], row["format"]) == ("Happy", 40, 30, "RGB", "PNG")
    assert row["ok"]
    assert pd.isna(row["reason"])
    assert row["bytes"] == len(encode(1))
    assert len(row["sha256"]) == 64
    assert int(row["phash"], 16) >= 0
    assert len(row["phash"]) == 16


def test_light_is_measured_on_a_scale_to_255(tmp_path: Path) -> None:
    flat = io.BytesIO()
    Image.new("L", (20, 20), 200).save(flat, "PNG")
    deep = io.BytesIO()
    Image.fromarray(np.full((20, 20), 51_400, dtype=np.uint16)).save(deep, "PNG")
    rows = scan_rows(fill(tmp_path, {"A/flat.png": flat.getvalue(), "A/deep.png": deep.getvalue()}))

    for row in rows.values():
        assert (row["brightness"], row["contrast"], row["sharpness"]) == (200, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"this is a letter", "not an image"),
        (encode(2, kind="JPEG")[:-200], "truncated"),
        (encode(2, kind="PNG")[:-200], "truncated"),
        (encode(2, kind="WEBP")[:-200], ""),
        (encode(2, kind="BMP")[:-200], "truncated"),
        (huge_png(), "over 1000000 pixels"),
        (huge_png(900), ""),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
    ],
    ids=["empty", "text", "jpeg", "png", "webp", "bmp", "huge", "png that ends early", "postscript"],
)
def test_what_cannot_be_used_is_quarantined_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    rows = scan_rows(fill(tmp_path, {"A/bad.jpg": content, "A/good.png": encode(1)}))

    assert not rows["A/bad.jpg"]["ok"]
    assert reason in rows["A/bad.jpg"]["reason"]
    assert "0x" not in rows["A/bad.jpg"]["reason"], "an address would differ from run to run"
    assert rows["A/good.png"]["ok"]


def test_the_header_is_believed_before_pixels_are_decoded(tmp_path: Path) -> None:
    row = scan_rows(fill(tmp_path, {"A/huge.png": huge_png(9_000)}))["A/huge.png"]

    assert (row["width"], row["height"]) == (9_000, 9_000)
    assert pd.isna(row["phash"])


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("CMYK", "JPEG"), ("RGB", "WEBP")],
)
def test_every_mode_can_be_used(tmp_path: Path, mode: str, kind: str) -> None:
    row = scan_rows(fill(tmp_path, {"A/image.png": encode(3, mode=mode, kind=kind)}))["A/image.png"]

    assert (row["ok"], row["mode"], row["format"]) == (True, mode, kind)


def test_one_content_under_two_labels_is_quarantined_on_both_sides(tmp_path: Path) -> None:
    rows = scan_rows(fill(tmp_path, {"Angry/a.png": encode(1), "Sad/b.png": encode(1), "Sad/c.png": encode(2)}))

    assert rows["Angry/a.png"]["reason"].endswith("Sad/b.png")
    assert rows["Sad/b.png"]["reason"].endswith("Angry/a.png")
    assert not rows["Angry/a.png"]["ok"]
    assert rows["Sad/c.png"]["ok"]


def test_duplicates_under_one_label_are_kept(tmp_path: Path) -> None:
    rows = scan_rows(fill(tmp_path, {"Sad/a.png": encode(1), "Sad/b.png": encode(1)}))

    assert rows["Sad/a.png"]["ok"]
    assert rows["Sad/b.png"]["ok"]


def test_unreadable_files_do_not_conflict() -> None:
    table = pd.DataFrame(
        {"file_name": ["A/a", "B/b"], "label": ["A", "B"], "sha256": "0" * 64, "ok": False, "reason": "empty file"}
    )
    assert list(mark_conflicts(table)["reason"]) == ["empty file", "empty file"]


def test_files_that_are_no_images_are_ignored(tmp_path: Path) -> None:
    names = ["A/.hidden.png", "A/Thumbs.db", "A/notes.txt", ".cache/x.png", "readme.md", "A/deeper/x.png", "top.png"]
    fill(tmp_path, {"A/a.png": encode(1), **dict.fromkeys(names, encode(2))})

    assert list(scan_rows(tmp_path)) == ["A/a.png"]
    assert stray_images(tmp_path) == ["A/deeper/x.png", "top.png"]
    assert class_folders(tmp_path) == ["A"]


def test_a_class_that_is_an_answer_already_is_refused(tmp_path: Path) -> None:
    (tmp_path / "uncertain").mkdir()
    with pytest.raises(DataError, match=r"serve\.min_confidence"):
        class_folders(tmp_path)


def test_the_result_depends_on_neither_workers_nor_chunks(tmp_path: Path) -> None:
    files = {f"{label}/{index:02d}.png": encode(index) for label in "BA" for index in range(40)}
    fill(tmp_path, {**files, "A/bad.jpg": b"text"})
    seen: list[tuple[int, int]] = []

    alone = scan(tmp_path, max_pixels=MAX_PIXELS, workers=1)
    together = scan(tmp_path, max_pixels=MAX_PIXELS, workers=2, progress=lambda *done: seen.append(done))

    pd.testing.assert_frame_equal(alone, together)
    assert tuple(alone.columns) == COLUMNS
    assert list(alone["file_name"]) == sorted([*files, "A/bad.jpg"])
    assert seen == [(done, 81) for done in range(1, 82)]


def test_the_parquet_file_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    fill(tmp_path / "data", {"A/a.png": encode(1), "A/bad.jpg": b"text"})
    for name in ("one", "two"):
        scan(tmp_path / "data", max_pixels=MAX_PIXELS).to_parquet(tmp_path / name, index=False)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one"), scan(tmp_path / "data", max_pixels=MAX_PIXELS))


def test_metadata_is_joined_as_text(tmp_path: Path) -> None:
    fill(tmp_path, {f"A/{name}.png": encode(ord(name)) for name in "abc"})
    (tmp_path / "metadata.csv").write_bytes(
        b"\xef\xbb\xbffile_name,group,split,age\r\nA/a.png,007,test,30\r\nA/b.png,NA,,\r\nA/gone.png,1,,\r\n"
    )
    rows = scan_rows(tmp_path)

    assert (rows["A/a.png"]["group"], rows["A/a.png"]["split"]) == ("007", "test")
    assert rows["A/b.png"]["group"] == "NA"
    assert pd.isna(rows["A/b.png"]["split"])
    assert pd.isna(rows["A/c.png"]["group"])


def test_what_cannot_be_an_image_is_not_read(tmp_path: Path) -> None:
    fill(tmp_path, {"A/a.png": encode(1), "@eaDir/a.png": encode(2), "A/@eaDir/a.png": encode(3)})
    with (tmp_path / "A/sparse.png").open("wb") as sparse:
        sparse.truncate(12_000_000_000)
    (tmp_path / "A/loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "A/pipe")
    (tmp_path / "A/piped.png").symlink_to("pipe")
    rows = scan_rows(tmp_path)

    assert {name: row["reason"] for name, row in rows.items() if not row["ok"]} == {
        "A/loop.png": "cannot be read: Too many levels of symbolic links",
        "A/piped.png": "not a regular file",
        "A/sparse.png": f"over {MAX_BYTES} bytes",
    }
    assert describe(tmp_path).classes == {"A": 4}


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    secret = fill(tmp_path / "elsewhere", {"x.png": encode(9)}) / "x.png"
    data = fill(tmp_path / "data", {"A/a.png": encode(1)})
    (data / "A" / "out.png").symlink_to(secret)
    (data / "A" / "in.png").symlink_to("a.png")
    (data / "A" / "broken.png").symlink_to("nowhere.png")
    rows = scan_rows(data)

    assert "outside" in rows["A/out.png"]["reason"]
    assert pd.isna(rows["A/out.png"]["sha256"])
    assert rows["A/in.png"]["ok"]
    assert "No such file" in rows["A/broken.png"]["reason"]

    (data / "B").symlink_to(secret.parent, target_is_directory=True)
    with pytest.raises(DataError, match="B is a link"):
        scan(data, max_pixels=MAX_PIXELS)


def test_a_name_that_is_not_utf8_is_quarantined(tmp_path: Path) -> None:
    fill(tmp_path, {"A/a.png": encode(1)})
    try:
        (tmp_path / "A" / "b\udcff.png").write_bytes(encode(2))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    table = scan(tmp_path, max_pixels=MAX_PIXELS)

    assert table.loc[1, "reason"] == "its name is not UTF-8"
    table.to_parquet(tmp_path / "manifest.parquet")


def test_without_data_the_message_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="facesent data status"):
        scan(tmp_path / "data", max_pixels=MAX_PIXELS)
    fill(tmp_path, {"dataset/Happy/a.png": encode(1)})
    with pytest.raises(DataError, match="none in the folders dataset"):
        scan(tmp_path, max_pixels=MAX_PIXELS)
