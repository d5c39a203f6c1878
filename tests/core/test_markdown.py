from facesent.core.markdown import bullets, table

HEADERS = ("class", "images")


def test_numbers_stand_on_the_right_and_texts_on_the_left() -> None:
    assert table(HEADERS, [("Happy", 120), ("share", "9.5%")]).splitlines() == [
        "| class   |   images |",
        "|:--------|---------:|",
        "| Happy   |      120 |",
        "| share   |     9.5% |",
    ]
    assert table(HEADERS, [("A", "many"), ("B", 5)]).splitlines()[1] == "|:--------|:---------|"


def test_a_cell_is_one_line_and_ends_at_no_bar_of_its_own() -> None:
    [*_, row] = table(HEADERS, [("a|b", "one\ntwo")]).splitlines()
    assert row.split() == ["|", r"a\|b", "|", "one", "two", "|"]


def test_a_table_without_rows_is_its_headers() -> None:
    head, rule = table(HEADERS, []).splitlines()
    assert head.split() == ["|", "class", "|", "images", "|"]
    assert set(rule) <= set("|-: ")


def test_texts_that_look_like_numbers_stay_as_they_are() -> None:
    rows = table(HEADERS, [("1e5", "007"), ("0.8140", "1.10")])
    assert all(text in rows for text in ("1e5", "007", "0.8140", "1.10"))


def test_a_long_list_is_cut_and_counted() -> None:
    assert bullets(["one", "two"]) == "- one\n- two"
    assert bullets(["line"] * 23).splitlines()[-2:] == ["- line", "- and 3 more, in the JSON file"]
