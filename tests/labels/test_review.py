from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.labels.review import (
    Applied,
    Decision,
    read_decisions,
    read_record,
    recorded,
    write_table,
)

ONE = Applied("A/1.jpg", "11", "B", "B/1.jpg")
TWO = Applied("A/2.jpg", "22", "drop", "")


def unchanged() -> bool:
    """The images are as they were."""
    return False


def queue(folder: Path, *rows: str, header: str = "file_name,decision,sha256") -> Path:
    path = folder / "queue.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def test_only_decided_rows_are_read_with_the_line_they_stand_in(tmp_path: Path) -> None:
    path = queue(tmp_path, "A/1.jpg,,11", "A/2.jpg,B,22", ",,", "", "A/3.jpg, Drop ,33", "A/4.jpg,  ,44")
    assert read_decisions(path) == [Decision(3, "A/2.jpg", "22", "B"), Decision(6, "A/3.jpg", "33", "drop")]


def test_what_a_spreadsheet_makes_of_it_is_read(tmp_path: Path) -> None:
    # A byte order mark, Windows line ends, columns moved and added, short rows.
    path = tmp_path / "queue.csv"
    path.write_bytes("\ufeffdecision,note,sha256,file_name\r\nKEEP,ok?,11,A/ü.jpg\r\nB\r\n".encode())
    assert read_decisions(path) == [Decision(2, "A/ü.jpg", "11", "keep"), Decision(3, "", "", "B")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_of_excel_are_read(tmp_path: Path, encoding: str, separator: str) -> None:
    path = queue(tmp_path, "A/1.jpg,keep,11")
    path.write_bytes(path.read_text().replace(",", separator).encode(encoding))
    assert read_decisions(path) == [Decision(2, "A/1.jpg", "11", "keep")]


@pytest.mark.parametrize("name", ["=1+1/1.jpg", "-Sad/2.jpg", "@A/3.jpg", "'+B/4.jpg", "'quoted/5.jpg", "Sad/-6.jpg"])
def test_no_name_is_a_formula_in_a_spreadsheet_and_each_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / "queue.csv"
    write_table(path, ("file_name", "decision", "sha256"), [(name, "drop", "11")])
    assert path.read_text().splitlines()[1][0] not in "=+-@"
    assert read_decisions(path) == [Decision(2, name, "11", "drop")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file_name;decision\n", r"queue\.csv. Received: file_name, decision"),
        (b"", "Received: an empty file"),
        (b"file_name,decision,sha256\n\xff,B,1\n", "CSV in UTF-8"),
        (None, "no such file. `facesent data label-issues` writes one"),
    ],
)
def test_what_is_no_queue_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "queue.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_decisions(path)


def test_the_record_is_the_same_in_any_order(tmp_path: Path) -> None:
    contents = []
    for name, rows in (("a", [ONE, TWO]), ("b", [TWO, ONE]), ("b", [ONE])):
        with recorded(tmp_path / name, rows, unchanged):
            pass
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert read_record(tmp_path / "a") == [ONE, TWO]


def test_a_second_decision_on_an_image_takes_the_place_of_the_first(tmp_path: Path) -> None:
    again = ONE._replace(decision="keep", new_name="A/1.jpg")
    for row in (ONE, again):
        with recorded(tmp_path / "applied.csv", [row], unchanged):
            pass
    assert read_record(tmp_path / "applied.csv") == [again]


def test_the_record_stands_before_the_images_change_and_goes_when_that_fails(tmp_path: Path) -> None:
    record = tmp_path / "applied.csv"

    def fail(row: Applied) -> None:
        with recorded(record, [row], unchanged):
            assert row in read_record(record)
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail(ONE)
    assert not record.exists()
    with recorded(record, [ONE], unchanged):
        pass
    with pytest.raises(OSError, match="full"):
        fail(TWO)
    assert read_record(record) == [ONE]
    assert list(tmp_path.iterdir()) == [record]
