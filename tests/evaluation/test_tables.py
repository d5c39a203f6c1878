from dataclasses import replace

from facesent.evaluation.behaviour import Behaviour, Covered
from facesent.evaluation.examination import Answered, Examination
from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.evaluation.settings import Reference
from facesent.evaluation.tables import class_table, comparison_markdown, evaluation_markdown, headline

CLASSES = {"Happy": ClassMeasures(0.9, 0.8, 0.85, 120)}
MEASURES = Measures(200, 0.8, 0.74, 0.86, 0.79, 0.72, 0.85, 0.78, 0.6, 0.05, 0.02, 0.04, CLASSES)
UNCALIBRATED = replace(MEASURES, ece=0.12, log_loss=0.9)
SPLITS = dict.fromkeys(("train", "val", "test"), MEASURES)
TEST = Examination(
    MEASURES, 1.8, UNCALIBRATED, Answered(0.5, 0.91, 0.85), Behaviour({"mirror": 0.97}, Covered(30, 0.83, 0.41))
)


def cells(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]


def test_a_row_a_split() -> None:
    rows = cells(comparison_markdown(SPLITS))
    assert rows[0] == ["split", "images", "accuracy", "interval"]
    assert [row[0] for row in rows[2:]] == ["train", "val", "test"]
    assert rows[-1] == ["test", "200", "80.00%", "74.00% to 86.00%"]


def test_a_reference_stands_beside_it_as_far_as_it_is_known() -> None:
    reference = Reference(name="Theirs", classes=["Happy"], images=200, accuracy={"train": 91, "test": 70.5})
    for markdown in (comparison_markdown(SPLITS, reference), evaluation_markdown(SPLITS, TEST, reference)):
        assert [row[-1] for row in cells(markdown)[2:5]] == ["91.00%", "", "70.50%"]


def test_the_report_names_every_class() -> None:
    assert ["Happy", "0.900", "0.800", "0.850", "120"] in cells(evaluation_markdown(SPLITS, TEST))


def test_macro_recall_is_told_with_its_interval() -> None:
    assert "macro recall 0.790 (0.720 to 0.850), macro F1" in evaluation_markdown(SPLITS, TEST)
    assert headline(SPLITS)["test"].items() >= {"macro_recall_low": 0.72, "macro_recall_high": 0.85}.items()


def test_the_report_tells_calibration_abstention_and_behaviour() -> None:
    report = evaluation_markdown(SPLITS, TEST)
    assert "temperature 1.800; ECE 0.120 at temperature 1, 0.050 as answered" in report
    assert "91.0% of the images are answered, with accuracy 85.0%" in report
    assert ["mirror", "97.0%"] in cells(report)
    assert "from 0.830 to 0.410 (30 images)" in report


def test_what_was_not_measured_is_not_in_the_report() -> None:
    report = evaluation_markdown(SPLITS, replace(TEST, answered=None, behaviour=Behaviour({}, None)))
    assert "uncertain" not in report
    assert "smile" not in report


def test_the_class_table_has_a_row_a_class() -> None:
    assert class_table(MEASURES).to_dict("records") == [
        {"label": "Happy", "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 120}
    ]


def test_no_class_is_a_formula_in_a_spreadsheet() -> None:
    classes = dict.fromkeys(["=1+1", "-Sad", "Happy"], MEASURES.classes["Happy"])
    assert list(class_table(replace(MEASURES, classes=classes))["label"]) == ["'=1+1", "'-Sad", "Happy"]
