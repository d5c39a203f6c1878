import json
from pathlib import Path

from flows.artifacts import publish_link, stage_report, table, verbatim
from tests.helpers.tables import cells

PNG = b"\x89PNG\r\n"
EMBEDDED = "data:image/png;base64,iVBORw0K"


def test_a_stage_that_wrote_nothing_for_people_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "manifest.parquet").write_bytes(b"rows")
    assert stage_report(tmp_path) == ""
    assert stage_report(tmp_path / "missing") == ""


def test_the_report_is_the_markdown_with_its_pictures_inside(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("# Result\n\n![Matrix](matrix.png) ![gone](gone.png)\n")
    (tmp_path / "matrix.png").write_bytes(PNG)
    (tmp_path / "some_curves.png").write_bytes(PNG)
    (tmp_path / "metrics.json").write_text("{}")
    assert stage_report(tmp_path) == (
        f"# Result\n\n![Matrix]({EMBEDDED}) ![gone](gone.png)\n\n![some curves]({EMBEDDED})"
    )


def test_without_markdown_the_metrics_are_the_report(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"epochs": 3, "val_loss": 0.123456}))
    assert cells(stage_report(tmp_path))[1:] == [("epochs", "3"), ("val_loss", "0.1235")]


def test_a_table_of_nested_values_names_them_by_dots() -> None:
    assert cells(table({"test": {"f1": 0.5}, "name": "a"}))[1:] == [("test.f1", "0.5"), ("name", "a")]


def test_what_was_printed_stays_as_it_was_but_for_long_lines() -> None:
    long = "  a " + "long " * 30
    first, *lines, last = verbatim(f"# no heading\n\n{long}").splitlines()
    assert first == last == "```"
    assert lines[:2] == ["# no heading", ""]
    assert lines[2].startswith("  a long")
    assert all(len(line) <= 84 for line in lines)
    assert " ".join(lines[2:]).split() == long.split()


def test_what_no_browser_can_open_is_no_link() -> None:
    # An address would need Prefect's server.
    publish_link("MLflow run", "outputs/report.html", "the run")
