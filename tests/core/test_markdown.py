import pytest

from facesent.core.markdown import bullets, table

HEADERS = ("class", "images")


def test_a_table_has_columns_of_one_width_and_numbers_on_the_right() -> None:
    assert table(HEADERS, [("Happy", 120), ("share", "9.5%")]).splitlines() == [
        "| class | images |",
        "| ----- | -----: |",
        "| Happy |    120 |",
        "| share |   9.5% |",
    ]
    assert table(HEADERS, [("A", "many"), ("B", 5)]).splitlines()[1:] == [
        "| ----- | ------ |",
        "| A     | many   |",
        "| B     | 5      |",
    ]


def test_a_compact_table_has_none() -> None:
    assert table(HEADERS, [("Happy", 0.123456), ("", "")], right=1, compact=True).splitlines() == [
        "| class | images |",
        "|---|---:|",
        "| Happy | 0.1235 |",
        "|  |  |",
    ]


@pytest.mark.parametrize("compact", [True, False])
def test_a_cell_is_one_line_and_ends_at_no_bar_of_its_own(compact: bool) -> None:
    [*_, row] = table(HEADERS, [("a|b", "one\ntwo")], compact=compact).splitlines()
    assert row.split() == ["|", r"a\|b", "|", "one", "two", "|"]


@pytest.mark.parametrize("compact", [True, False])
def test_a_table_without_rows_is_its_headers(compact: bool) -> None:
    head, rule = table(HEADERS, [], right=2, compact=compact).splitlines()
    assert head == "| class | images |"
    assert set(rule) <= set("|- ")


def test_numbers_are_written_as_they_are_given() -> None:
    assert "0.8140" in table(HEADERS, [("Happy", "0.8140"), ("1e5", "007")])


def test_a_long_list_is_cut_and_counted() -> None:
    assert bullets(["one", "two"]) == "- one\n- two"
    assert bullets(["line"] * 23).splitlines()[-2:] == ["- line", "- and 3 more, in the JSON file"]
