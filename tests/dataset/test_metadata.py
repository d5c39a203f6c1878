"""What people's programs write as metadata.csv reaches the images, or is refused by name; no row is lost silently."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.dataset.files import describe
from facesent.dataset.metadata import Metadata, cells_of, read_metadata
from facesent.sources.folder import import_folder

IMAGES = ("Happy/Zoë 1.jpg", "Happy/a,b.jpg", "Sad/c.jpg")
PLAIN = 'file_name,group\nHappy/Zoë 1.jpg,007\n"Happy/a,b.jpg",NA\nSad/c.jpg,Zoë\n'
GROUPS = {"Happy/Zoë 1.jpg": "007", "Happy/a,b.jpg": "NA", "Sad/c.jpg": "Zoë"}


def excel(text: str) -> str:
    return (
        text.replace('"Happy/a,b.jpg"', "Happy/a,b.jpg").replace(".jpg,", ".jpg;").replace("file_name,", "file_name;")
    )


def prefixed(prefix: str) -> Callable[[str], str]:
    return lambda text: text.replace("Happy/", f"{prefix}Happy/").replace("Sad/", f"{prefix}Sad/")


FORMS: dict[str, Callable[[str], str | bytes]] = {
    "as it should be": str,
    "semicolons of a German Excel": lambda text: ("\ufeff" + excel(text)).replace("\n", "\r\n"),
    "Excel's word about the separator": lambda text: "sep=;\n" + excel(text),
    "Excel's Unicode text": lambda text: excel(text).replace(";", "\t").encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "bars": lambda text: excel(text).replace(";", "|"),
    "empty last rows": lambda text: text + ",\n\n , \n",
    "empty last columns": lambda text: "".join(f"{line},,\n" for line in text.splitlines()),
    "backslashes": lambda text: text.replace("/", "\\"),
    "a dot in front": prefixed("./"),
    "the folder in front": prefixed("source/"),
    "a way from elsewhere": prefixed("../source/"),
    "absolute paths": prefixed("{folder}/"),
    "spaces": lambda text: text.replace(".jpg,", ".jpg , ").replace('.jpg",', '.jpg ", ').replace("\n", " \n"),
    "capitals in the header": lambda text: text.replace("file_name,group", "File_Name, Group"),
    "letters taken apart": lambda text: unicodedata.normalize("NFD", text),
    "quotes around all": lambda text: '"' + text.replace('"', "").strip().replace("\n", '"\n"')
    .replace(".jpg,", '.jpg","').replace("name,", 'name","') + '"\n',
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in IMAGES:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "source"


def read(source: Path, content: str | bytes) -> Metadata:
    content = content if isinstance(content, bytes) else content.replace("{folder}", str(source)).encode()
    (source / "metadata.csv").write_bytes(content)
    return read_metadata(source / "metadata.csv", IMAGES)


def groups(metadata: Metadata) -> dict[str, str]:
    return {row["file_name"]: row["group"] for row in metadata.rows}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_each_image_its_group_there_and_after_an_import(
    source: Path, tmp_path: Path, form: str
) -> None:
    metadata = read(source, FORMS[form](PLAIN))

    assert groups(metadata) == GROUPS
    assert not list(metadata.notes())
    assert describe(source).groups == 3
    assert import_folder(source, tmp_path / "incoming").unmatched == ()
    assert groups(read_metadata(tmp_path / "incoming" / "metadata.csv", IMAGES)) == GROUPS


def test_names_on_a_disk_that_takes_letters_apart_are_found(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", IMAGES[0])
    (tmp_path / "metadata.csv").write_text(PLAIN.splitlines()[0] + f"\n{IMAGES[0]},007\n", encoding="utf-8")
    assert groups(read_metadata(tmp_path / "metadata.csv", [apart])) == {apart: "007"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("filename,person\nSad/c.jpg,1\n", "column file_name .* Received: filename, person"),
        ("", "column file_name .* Received: an empty file"),
        ("file_name,group,Group\nSad/c.jpg,1,2\n", "each column once"),
        ("file_name,group\nHappy/a,b.jpg,1\n", "2 cells in row 2 .* Received: 3"),
        ('file_name,group\n"Sad/c.jpg,1\nHappy/Zoë 1.jpg,1\n', "unexpected end of data"),
        ("file_name,group\n,1\n", "Received: row 2 without one"),
        ("file_name,group\nSad/c.jpg,1\nSad\\c.jpg,2\n", "each image once"),
        ("file_name,split\nSad/c.jpg,validation\n", r"validation \(Sad/c.jpg\)"),
        ("file_name,group\nc.jpg,1\n", "names such as Happy/Zoë 1.jpg .* Received: c.jpg. No row"),
        (b"file_name,group\nHappy/Zo\xeb 1.jpg,1\n", "UTF-8 or UTF-16 .* Save it as CSV UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(source: Path, tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(source, content)
    with pytest.raises(DataError, match=said):
        import_folder(source, tmp_path / "incoming")


@pytest.mark.parametrize("name", ["Metadata.csv", "metadata.csv.txt", "metadata.xlsx"])
def test_a_table_of_nearly_that_name_is_not_passed_over(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).write_text(PLAIN)
    for take in (
        lambda: read_metadata(source / "metadata.csv", IMAGES),
        lambda: import_folder(source, tmp_path / "in"),
    ):
        with pytest.raises(DataError, match=f"Received: {name}. Save it there as CSV UTF-8"):
            take()


def test_a_folder_of_that_name_is_called_one(source: Path) -> None:
    (source / "metadata.csv").mkdir()
    with pytest.raises(DataError, match=r"metadata\.csv, a file\. Received: metadata\.csv, a folder\. Save it there"):
        read_metadata(source / "metadata.csv", IMAGES)


@pytest.mark.parametrize("nothing", ["nan", "None", "NULL"])
def test_what_programs_write_for_nothing_is_no_person(source: Path, nothing: str) -> None:
    text = f"file_name,group,split\nHappy/Zoë 1.jpg,{nothing},{nothing}\nSad/c.jpg,Nan,test\n"
    rows = read(source, text).rows
    assert [(row["group"], row["split"]) for row in rows] == [("", ""), ("Nan", "test")]


@pytest.mark.parametrize("word", ["NA", "N/A", "#N/A", "unknown", "Nan", "-1"])
def test_a_word_for_unknown_is_a_name_until_many_have_it_and_then_warned_of(tmp_path: Path, word: str) -> None:
    images = [f"Sad/{number}.jpg" for number in range(10)]
    for last in (word, "Ann"):
        rows = [f"{name},{group}\n" for name, group in zip(images, [word] * 9 + [last], strict=True)]
        (tmp_path / "metadata.csv").write_text("".join(["file_name,group\n", *rows]))
        metadata = read_metadata(tmp_path / "metadata.csv", images)
        assert groups(metadata)["Sad/0.jpg"] == word
        warned = [f"Warning: 10 images have the group {word} in metadata.csv, which makes them one person. If it says "
                  "that the person is not known, leave these cells empty."]  # fmt: skip
        assert list(metadata.notes()) == (warned if last == word else [])


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (("12.0", "12", "3.0"), ("12", "12", "3")),
        (("12.0", "", "12"), ("12", "", "12")),
        (("12.0", "12.5", "1"), ("12", "12.5", "1")),
        (("12.0", "3.0", ""), ("12.0", "3.0", "")),
        (("12.0", "12", "Ann"), ("12.0", "12", "Ann")),
        (("1.2.0", "1", "1.0"), ("1.2.0", "1", "1.0")),
    ],
)
def test_a_number_with_the_point_that_pandas_adds_is_the_same_person(
    source: Path, written: tuple[str, ...], read_as: tuple[str, ...]
) -> None:
    rows = [f'"{name}",{group}\n' for name, group in zip(IMAGES, written, strict=True)]
    metadata = read(source, "".join(["file_name,group\n", *rows]))
    assert groups(metadata) == dict(zip(IMAGES, read_as, strict=True))
    assert describe(source).groups == len({*read_as} - {""})


def test_rows_and_images_that_miss_each_other_are_warned_of(source: Path) -> None:
    (note,) = read(source, "file_name,group\nSad/c.jpg,1\nZoë 1.jpg,2\n").notes()
    assert note.startswith(
        "Warning: 1 rows of metadata.csv match no image, such as Zoë 1.jpg, and 2 images have no row"
    )


def test_other_columns_do_not_pass_for_groups(source: Path) -> None:
    (note,) = read(source, "file_name,person\nSad/c.jpg,1\n").notes()
    assert "no column group" in note
    assert "person" in note


def test_a_name_with_line_ends_survives_being_written(tmp_path: Path) -> None:
    name = 'Sad/a\rb\n"c".jpg'
    metadata = Metadata()
    (tmp_path / "metadata.csv").write_text(
        metadata.text([{"file_name": name, "group": "1", "split": ""}]), encoding="utf-8", newline=""
    )
    assert groups(read_metadata(tmp_path / "metadata.csv", [name])) == {name: "1"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    assert cells_of(f"file_name,group{end}a.png,ann{end}".encode()) == [["file_name", "group"], ["a.png", "ann"]]


@pytest.mark.parametrize("name", ["a\rb.png", '"a\rb.png"'])
def test_a_carriage_return_in_a_name_ends_no_line(name: str) -> None:
    assert cells_of(f"file_name,group\n{name},ann\n".encode()) == [["file_name", "group"], ["a\rb.png", "ann"]]
