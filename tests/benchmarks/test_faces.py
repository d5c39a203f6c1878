from pathlib import Path

import imagehash
import pytest
from PIL import Image

from benchmarks.faces import jpegs

SIZE = (70, 60)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_files_are_the_same_each_time_and_what_is_missing_is_made(tmp_path: Path) -> None:
    folder = jpegs(tmp_path, 12, SIZE)
    first = contents(folder)
    (folder / min(first)).unlink()
    kept = folder / max(first)
    kept.write_bytes(b"as it was")

    assert jpegs(tmp_path, 12, SIZE) == folder
    assert kept.read_bytes() == b"as it was"
    assert {**contents(folder), max(first): first[max(first)]} == first
    assert {name.split("/")[0] for name in first} == {"Ahegao", "Angry", "Happy", "Neutral", "Sad", "Surprise"}
    with Image.open(folder / min(first)) as image:
        assert image.size == SIZE


@pytest.mark.long
def test_pictures_of_one_portrait_are_no_near_duplicates(tmp_path: Path) -> None:
    folder = jpegs(tmp_path, 242, SIZE)
    hashes = {int(file.stem): imagehash.phash(Image.open(file)) for file in folder.rglob("*.jpg")}
    assert all(hashes[index] - hashes[index + 240] > 4 for index in range(2))
