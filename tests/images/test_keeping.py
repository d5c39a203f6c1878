import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.images.keeping import DecodedImages, decoded_files
from facesent.images.reading import ImageError, decode
from facesent.images.spill import MEMORY_BUDGET, SpillError

SIDE = 10
SIZES = [(8, 8), (16, 12), (5, 16), (3, 4), (11, 7)]
BUDGETS = {"memory": MEMORY_BUDGET, "both": 500, "disk": 0}

SPILLS = """
import sys, time
from pathlib import Path
import numpy as np
from facesent.images.keeping import DecodedImages
images = DecodedImages(lambda index: np.full((8, 8, 3), 7, np.uint8), 1, 8, budget=0, spill=Path(sys.argv[1]))
print(images[0].max(), images[0].max(), flush=True)
time.sleep(600)
"""


def pictures() -> list[np.ndarray]:
    chance = np.random.default_rng(1)
    return [chance.integers(0, 255, (height, width, 3), dtype=np.uint8) for width, height in SIZES]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{index}.png" for index in range(len(SIZES))]
    for path, picture in zip(paths, pictures(), strict=True):
        Image.fromarray(picture).save(path)
    return paths


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_images_come_back_as_they_were_decoded(files: list[Path], tmp_path: Path, budget: int) -> None:
    images = decoded_files(files, SIDE, budget=budget, spill=tmp_path / "spill")
    assert len(images) == len(files)
    for _ in range(2):
        assert all(np.array_equal(images[index], picture) for index, picture in enumerate(pictures()))


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
def test_an_image_is_decoded_once(tmp_path: Path, budget: int) -> None:
    decoded = []

    def decode_counted(index: int) -> np.ndarray:
        decoded.append(index)
        return pictures()[index]

    images = DecodedImages(decode_counted, len(SIZES), SIDE, budget=budget, spill=tmp_path)
    for index in (3, 1, 3, 0, 1):
        assert np.array_equal(images[index], pictures()[index])
    assert decoded == [3, 1, 0]


def test_threads_that_meet_at_one_image_get_the_same(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=30)

    def decode_together(index: int) -> np.ndarray:
        both.wait()
        return pictures()[index]

    images = DecodedImages(decode_together, len(SIZES), SIDE, budget=0, spill=tmp_path)
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(images.__getitem__, [2, 2]))
    assert all(np.array_equal(image, pictures()[2]) for image in (*seen, images[2]))


def test_an_image_much_larger_than_the_side_is_shrunk() -> None:
    images = DecodedImages(lambda index: np.full((40, 12, 3), 99, np.uint8), 1, SIDE)
    for _ in range(2):
        assert images[0].shape == (16, 12, 3)
        assert images[0].min() == images[0].max() == 99


def test_a_large_jpeg_is_decoded_at_a_share_of_its_size() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 1200), "grey").save(buffer, "JPEG")
    assert decode(buffer.getvalue(), 150).shape == (150, 200, 3)
    assert decode(buffer.getvalue(), 700).shape == (1200, 1600, 3)


def test_what_fits_leaves_no_trace_on_the_disk(tmp_path: Path) -> None:
    images = DecodedImages(pictures().__getitem__, len(SIZES), SIDE, spill=tmp_path / "spill")
    assert images[0].size
    assert not (tmp_path / "spill").exists()


def test_memory_holds_no_more_than_the_budget(tmp_path: Path) -> None:
    count, budget = 50, 3000
    images = DecodedImages(lambda index: np.zeros((8, 8, 3), np.uint8), count, SIDE, budget=budget, spill=tmp_path)
    for index in range(count):
        assert images[index].size
    in_memory = [np.shares_memory(images[index], images[index]) for index in range(count)]
    assert sum(in_memory) == budget // (8 * 8 * 3)


def test_nothing_is_left_on_the_disk_after_a_kill(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with subprocess.Popen([sys.executable, "-c", SPILLS, spill], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "7 7\n"
            assert list(spill.iterdir()) == []
        finally:
            process.kill()
    assert list(spill.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    images = DecodedImages(pictures().__getitem__, len(SIZES), SIDE, budget=0, spill=tmp_path)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        images._file = full
        with pytest.raises(SpillError, match="Expected free disk space"):
            images[0]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    images = DecodedImages(pictures().__getitem__, len(SIZES), SIDE, budget=0, spill=tmp_path / "file")
    with pytest.raises(SpillError, match=r"Expected free disk space in .*file"):
        images[0]


def test_a_bad_file_among_many_is_named(files: list[Path]) -> None:
    files[3].write_bytes(b"no")
    with pytest.raises(ImageError, match=r"3\.png"):
        decoded_files(files, SIDE)[3]
