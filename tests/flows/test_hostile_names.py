"""Whatever classes, files and people are called: what is written for people shows the names, and nothing comes of them.

One test for each form (markdown, HTML, CSV, picture), over all that write it.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from facesent.dataset.expectations import Checked
from facesent.dataset.reports import split_markdown, validation_markdown, validation_summary
from facesent.dataset.splits import SplitReport
from facesent.evaluation.behaviour import Behaviour
from facesent.evaluation.card import description, model_card
from facesent.evaluation.examination import Examination
from facesent.evaluation.gaps import ColumnResult
from facesent.evaluation.intervals import share_of
from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.evaluation.plots import save_confusion
from facesent.evaluation.report.content import HardPair
from facesent.evaluation.report.page import render
from facesent.evaluation.slices import Slice
from facesent.evaluation.tables import class_table, evaluation_markdown, slices_markdown
from facesent.labels.contact_sheet import Tile, save_page
from facesent.labels.review import write_table
from facesent.params import load_params
from facesent.promotion.aliases import Promotion
from facesent.promotion.verdict import Check
from facesent.registry.notes import training_note
from facesent.serving.export.check import Parity
from facesent.serving.export.formats import FORMATS
from facesent.serving.export.usage import usage
from facesent.watch import page as watch_page
from facesent.watch.hours import Hours
from facesent.watch.look import DriftStatus
from flows import pages
from flows.failures import Failure
from flows.summary import Step, Summary
from tests.evaluation.test_card import report
from tests.helpers.promoters import passed_canary, verdict_on

NAMES = [
    "<script>alert(1)</script>",
    "a|b",
    "one\n# two",
    "`x` ```` y",
    "=cmd()",
    "[x](http://evil.example)",
    "![x](http://evil.example/p.png)",
    "*x* _y_ \\",
    "&lt;b&gt;",
    r"$\frac$",
]
MEASURES = Measures(
    200,
    0.8,
    0.74,
    0.86,
    0.79,
    0.72,
    0.85,
    0.78,
    0.6,
    0.05,
    0.02,
    0.04,
    {name: ClassMeasures(0.9, 0.8, 0.85, 20) for name in NAMES},
)
TEST = Examination(MEASURES, 1.8, MEASURES, None, Behaviour({}, None))
REPORT = report(
    labels=NAMES,
    slices=[Slice("size", name, (0, 60), share_of(3, 20, 0.95), "weaker") for name in NAMES],
    pairs=[HardPair(NAMES[0], NAMES[2], 5, 2, 40)],
)
FILES = [f"{name}/{name}.jpg".replace("</script>", "") for name in NAMES]
WORDS = " ".join(NAMES)


def column(name: str) -> ColumnResult:
    return ColumnResult(name, [], None)


def splits() -> str:
    counts = {name: {"train": 8, "val": 1, "test": 1} for name in NAMES}
    left_out = dict.fromkeys(FILES, WORDS)
    return split_markdown(SplitReport(10, 0, 0, left_out, counts, 9, 2, (), (tuple(FILES),), (WORDS,)), 0)


def validation() -> str:
    labels = [name for name in NAMES for _ in range(2)]
    rows = {"label": labels, "file_name": FILES * 2, "reason": [None, WORDS] * 10, "ok": [True, False] * 10}
    sizes = dict.fromkeys(("width", "height", "bytes"), 9) | {"format": "PNG", "mode": "RGB", "sha256": "ab"}
    checked = Checked("rule", "Rule.", "warning", False, WORDS, "validate.min_side = 1", tuple(FILES))
    return validation_markdown(validation_summary(pd.DataFrame(rows).assign(**sizes), NAMES, [checked], [WORDS]))


def summary() -> str:
    made = Summary({"verdict": WORDS}, f"REJECTED: version 1. {WORDS}", {"MLflow run": WORDS}, (WORDS,))
    return made.to_markdown([Step("train", "ran", 1.0)])


WRITERS: dict[str, Callable[[], str]] = {
    "model_card.md": lambda: model_card(REPORT, "").split("---\n", 2)[2],
    "MLflow's description of a version": lambda: description(model_card(REPORT, "")),
    "MLflow's description of a run": lambda: training_note(
        load_params(Path(__file__).parents[2] / "params.yaml").model,
        3,
        1,
        dict.fromkeys(("train", "val", "test"), MEASURES),
    )["mlflow.note.content"],
    "report.md": lambda: evaluation_markdown({"test": MEASURES}, TEST) + slices_markdown(map(column, NAMES)),
    "the report of split": splits,
    "the summary of validate": validation,
    "an export's README": lambda: usage(FORMATS["onnx"], 1, 64, NAMES, Parity(4, 0.0, 0)),
    "canary": lambda: replace(passed_canary(1), problems=tuple(NAMES)).to_markdown(),
    "verdict": lambda: replace(
        verdict_on(1, None), reason=WORDS, checks=tuple(Check.of(name, "whole", 1, "above", 0, WORDS) for name in NAMES)
    ).to_markdown(),
    "promotion": lambda: pages.promoted(1, Promotion(2, None, changed=False, note=WORDS, approved_by=WORDS)),
    "the flow's summary": summary,
    "a failed flow": lambda: Failure("train", WORDS, "Run it again.").to_markdown([]),
}


@pytest.mark.usefixtures("mlflow_store")
@pytest.mark.parametrize("writer", WRITERS)
def test_names_are_words_in_markdown(writer: str) -> None:
    text = WRITERS[writer]()
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert not re.search(r"<(script|img)|<em>[xy]|<h\d>two|evil[^<]*\"", shown)
    assert not re.search(r'href="(?!http://127\.0\.0\.1|file:)', shown)
    assert all(row.count("<td") == row.count("</td") for row in shown.splitlines())
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", shown)).split())
    some = "<script>alert(1)" if writer == "MLflow's description of a run" else "a|b"
    assert some in words
    assert "# two" not in text.splitlines()


def test_names_are_words_on_pages() -> None:
    look = DriftStatus(1, "quiet", WORDS, Hours([], [], np.zeros((0, len(NAMES))), tuple(NAMES)))
    strange = [
        {"label": name, "picture": None, "confidence": 0.5, "time": datetime.now(UTC), "id": name} for name in NAMES
    ]
    for page in (render(REPORT), watch_page.render(look, [], strange, None, datetime.now(UTC))):
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_no_name_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    class_table(MEASURES).to_csv(tmp_path / "classes.csv")
    write_table(tmp_path / "queue.csv", ["file_name"], [[name] for name in FILES])
    for file in tmp_path.glob("*.csv"):
        with file.open(newline="") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        assert "'=cmd()" in " ".join(cells)
        assert not [cell for cell in cells if cell.startswith("=")]


def test_no_name_is_a_formula_in_a_picture(tmp_path: Path) -> None:
    plain, formula = ["Happy", "Sad"], [r"$\frac$", "Sad"]
    for number, labels in enumerate((plain, formula)):
        save_confusion(np.eye(2, dtype=np.int64), labels, tmp_path / f"{number}.png", normalised=False)
        save_page([Tile(1, label, None) for label in labels], labels[0], tmp_path / f"page-{number}.png")
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()
