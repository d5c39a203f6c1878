from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.labels.contact_sheet import PER_PAGE, Tile, save_page
from tests.helpers.pictures import a_style_of_ones_own

RED = np.full((20, 20, 3), (255, 0, 0), np.uint8)


def pixels(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_page_is_drawn_the_same_way_each_time_whatever_the_users_style(tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file, style in zip(files, (nullcontext(), a_style_of_ones_own()), strict=True):
        with style:
            save_page([Tile(1, "Happy\n→ Sad 90%", RED), Tile(2, "Sad\n→ Happy 80%", None)], "Page", file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_each_picture_stands_in_its_place(tmp_path: Path) -> None:
    for place in (0, 9):
        tiles = [Tile(number, "", RED if number == place else None) for number in range(16)]
        save_page(tiles, "", tmp_path / "page.png")
        page = pixels(tmp_path / "page.png")
        rows, columns = np.nonzero((page == (255, 0, 0)).all(axis=2))
        assert len(rows) > 0.6 * page.shape[1] / 8 * page.shape[1] / 8
        assert {int(x * 8 / page.shape[1]) for x in columns} == {place % 8}
        assert {int(y * 2 / page.shape[0]) for y in rows} == {place // 8}


def test_a_page_that_is_not_full_is_as_high_as_it_needs(tmp_path: Path) -> None:
    for count in (1, 9):
        save_page([Tile(number, "", RED) for number in range(count)], "", tmp_path / f"{count}.png")
    assert pixels(tmp_path / "1.png").shape[0] < pixels(tmp_path / "9.png").shape[0]


def test_more_than_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 40"):
        save_page([Tile(0, "", None)] * (PER_PAGE + 1), "", tmp_path / "page.png")
