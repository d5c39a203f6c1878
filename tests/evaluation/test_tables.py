from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.evaluation.tables import class_table, comparison_markdown, evaluation_markdown

MEASURES = Measures(200, 0.8, 0.74, 0.86, 0.79, 0.78, 0.6, 0.05, {"Happy": ClassMeasures(0.9, 0.8, 0.85, 120)})
SPLITS = dict.fromkeys(("train", "val", "test"), MEASURES)


def test_the_comparison_stands_beside_the_reference() -> None:
    rows = comparison_markdown(SPLITS).splitlines()
    assert rows[-1] == "| test | 200 | 80.00% | 74.00% to 86.00% | 80.78% |"
    assert [row.split("|")[-2].strip() for row in rows[2:]] == ["83.14%", "82.52%", "80.78%"]


def test_the_report_names_every_class() -> None:
    assert "| Happy | 0.900 | 0.800 | 0.850 | 120 |" in evaluation_markdown(SPLITS)


def test_the_class_table_has_a_row_a_class() -> None:
    assert class_table(MEASURES).to_dict("records") == [
        {"label": "Happy", "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 120}
    ]
