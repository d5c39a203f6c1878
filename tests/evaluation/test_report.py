"""The page from values alone: no network, no files."""

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.evaluation.behaviour import Behaviour
from facesent.evaluation.examination import Answered, Examination
from facesent.evaluation.heat_map import HeatMap
from facesent.evaluation.intervals import Estimate
from facesent.evaluation.metrics import measure
from facesent.evaluation.report.collect import (
    Background,
    Measured,
    Network,
    data_of,
    make_report,
    reference_of,
    training_of,
)
from facesent.evaluation.report.content import Report
from facesent.evaluation.report.judgement import DifferenceRow, Judgement, Row
from facesent.evaluation.report.page import render
from facesent.evaluation.report.pictures import ScoredImages, choose_mistakes, choose_successes
from facesent.evaluation.settings import Reference
from facesent.params import load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SIDE = 32
VOID = {"meta", "img", "br", "line", "polyline", "circle"}


class Page(HTMLParser):
    """The elements of a page, checked to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.words += " " * (tag in {"th", "td"})

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data

    @property
    def text(self) -> str:
        """What people read, with single spaces."""
        return re.sub(r"\s+", " ", self.words)


def scored(targets: Sequence[int], answers: Sequence[int], labels: Sequence[str], sure: Any = 0.9) -> ScoredImages:
    """Grey test images, and answers of the confidences ``sure``."""
    count = len(targets)
    scores = np.repeat(((1 - np.broadcast_to(sure, count)) / (len(labels) - 1))[:, None], len(labels), axis=1)
    scores[np.arange(count), answers] = sure
    images = np.repeat(np.arange(count, dtype=np.uint8), SIDE * SIDE * 3).reshape(count, SIDE, SIDE, 3)
    names = [f"{labels[target]}/{index:02d}.png" for index, target in enumerate(targets)]
    return ScoredImages(names, images, np.array(targets), scores, labels, np.array(names))


def even_heat(images: Any, answers: Any) -> HeatMap:
    return np.full(images.shape[:3], 0.5, np.float32)


def make(test: ScoredImages, *, heat: Any = even_heat, hidden: Sequence[str] = (), **background: Any) -> Report:
    measures = measure(test.targets, test.scores, test.file_names, test.labels, PARAMS.evaluate)
    examination = Examination(measures, 1.5, measures, Answered(0.5, 0.9, 0.95), Behaviour({"mirror": 0.5}, None))
    labels = [test.labels[target] for target in test.targets]
    frame = pd.DataFrame({"file_name": test.file_names, "label": labels, "group": test.groups})
    history = pd.DataFrame({"loss": [2, 1], "val_loss": [2.5, 1.5], "accuracy": [0.2, 0.6], "val_accuracy": [0.1, 0.5]})
    parts = Background(
        background.get("data") or data_of({"train": frame, "val": frame, "test": frame}, None, None),
        training_of(Network("reference_cnn", SIDE, 12_345, 2_500_000), history, kept=2),
        background.get("facts", frame),
        background.get("reference"),
    )
    shown = PARAMS.report.model_copy(update={"no_thumbnails": list(hidden)})
    return make_report(test, Measured({"test": measures}, examination), parts, heat, PARAMS.evaluate, shown)


def some_report(**options: Any) -> Report:
    """Two classes of 20, of the first one 5 are taken for the second."""
    return make(scored([0] * 20 + [1] * 20, [0] * 15 + [1] * 25, ["Angry", "Happy"]), **options)


def judged(**values: Any) -> Judgement:
    known = Judgement(
        outcome="REJECTED",
        reason="Failed: accuracy.",
        candidate=3,
        champion=2,
        champion_accuracy=Estimate(40, 0.85, 0.7, 0.95),
        served=2,
        differences=[DifferenceRow("macro recall", 0.031, -0.012, 0.074)],
        checks=[Row("accuracy", "0.8750", "at least 0.9000", False, "interval")],
        cost={"Memory of the server": "1,450 MB"},
        problems=[],
        lineage={"Commit": "0123abcd"},
    )
    return replace(known, **values)


def test_the_page_needs_nothing_else_and_is_accessible() -> None:
    page = Page(render(some_report(), judged()))
    tags = [tag for tag, _ in page.elements]
    assert not {"script", "link", "iframe", "object"} & set(tags)
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 2 * (5 + 6)
    assert all(str(picture["src"]).startswith("data:image/jpeg;base64,") and picture["alt"] for picture in pictures)
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert all(attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg")
    anchors = [str(attributes["href"]) for tag, attributes in page.elements if tag == "a"]
    identities = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
    assert anchors
    assert set(anchors) <= identities


def test_nothing_on_the_page_is_fetched() -> None:
    text = render(some_report(), judged())
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[^\"]+", "", text))
    assert "default-src 'none'" in text


def test_the_values_survive_json_and_give_the_same_page() -> None:
    people = [str(number) for number in range(40)]
    facts = {"label": ["Angry"] * 20 + ["Happy"] * 20, "group": people, "brightness": np.arange(40.0)}
    report = some_report(facts=pd.DataFrame(facts))
    again = Report.from_json(report.to_json())
    assert again == report
    assert render(again) == render(report)


def test_the_answer_comes_first_in_plain_words() -> None:
    text = Page(render(some_report())).text
    assert "87.5% of the test photos are classified correctly: 35 of 40." in text
    assert "Not judged yet." in text
    assert "Its weakest class is Angry: it finds 15 of 20 (interval 51% to 90%)." in text
    assert "It confuses Angry and Happy most often: 5 of their 40 photos." in text
    assert text.index("87.5%") < text.index("Not judged yet.") < text.index("Where it fails") < text.index("The photos")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "Version 3 is better than version 2"),
        (-0.05, -0.01, "Version 3 is worse than version 2"),
        (-0.01, 0.05, "Version 3 is neither clearly better nor clearly worse than version 2"),
    ],
)
def test_which_model_is_better_is_said_by_the_interval(low: float, high: float, said: str) -> None:
    judgement = judged(differences=[DifferenceRow("macro recall", (low + high) / 2, low, high)])
    text = Page(render(some_report(), judgement)).text
    assert said in text
    assert ("which may be due to chance" in text) == (low <= 0 <= high)


def test_the_champion_stands_beside_the_model_where_they_were_compared() -> None:
    text = Page(render(some_report(), judged())).text
    assert "This model (version 3) 87.5%" in text
    assert "The champion (version 2) 85.0% 70.0–95.0%" in text
    assert "The champion (version" not in Page(render(some_report(), judged(champion_accuracy=None))).text
    assert "The champion (version" not in Page(render(some_report())).text


@pytest.mark.parametrize(
    ("served", "said"),
    [(None, "No model is served yet."), (3, "Version 3, this one, is the champion"), (2, "is version 2.")],
)
def test_what_is_served_is_said(served: int | None, said: str) -> None:
    assert said in Page(render(some_report(), judged(served=served))).text


def test_the_judged_page_has_verdict_cost_problems_and_lineage() -> None:
    text = Page(render(some_report(), judged(problems=["It did not start."]))).text
    for part in ("REJECTED", "at least 0.9000", "1,450 MB", "It did not start.", "0123abcd", "2.5 MB", "+3.1 points"):
        assert part in text
    assert "Not judged yet" not in text


def test_names_are_text_never_markup() -> None:
    report = make(scored([0] * 12 + [1] * 12, [0] * 11 + [1] * 13, ["<b>A&B", '"onclick="x']))
    page = Page(render(report, judged(reason="<script>alert(1)</script>")))
    assert "<b>A&B" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert not any("onclick" in attributes for _, attributes in page.elements)


def test_a_class_without_pictures_is_shown_neither_as_truth_nor_as_answer() -> None:
    labels = ["Ahegao", "Angry", "Happy"]
    targets, answers = [0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 2, 2]
    report = make(scored(targets, answers, labels), hidden=["Ahegao"])
    shown = report.mistakes.shown + report.successes.shown
    assert {(example.actual, example.predicted) for example in shown} == {
        ("Angry", "Happy"), ("Angry", "Angry"), ("Happy", "Happy"),
    }  # fmt: skip
    assert (report.mistakes.withheld, report.successes.withheld) == (2, 1)
    text = render(report)
    assert "Ahegao/" not in text
    assert "2 more are not shown: no pictures of Ahegao." in Page(text).text


def test_the_surest_mistakes_and_each_class_s_surest_success_are_chosen() -> None:
    targets, answers = [0, 0, 1, 1, 1, 0], [1, 1, 0, 1, 1, 0]
    test = scored(targets, answers, ["Angry", "Happy"], np.array([0.6, 0.8, 0.7, 0.9, 0.95, 0.55]))
    assert choose_mistakes(test, []).shown == [1, 2, 0]
    assert choose_successes(test, []).shown == [4, 5, 3]


def test_heat_is_laid_over_the_grey_photo() -> None:
    def left_half(images: Any, answers: Any) -> HeatMap:
        heat = np.zeros(images.shape[:3], np.float32)
        heat[:, :, : SIDE // 2] = 1
        return heat

    [example, *_] = some_report(heat=left_half).successes.shown
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(example.heat.partition(",")[2]))), int)
    assert picture.shape == (128, 128, 3)
    warm, cold = picture[:, :48].mean(axis=(0, 1)), picture[:, 80:].mean(axis=(0, 1))
    assert warm[0] > warm[2] + 30
    assert np.ptp(cold) < 3


def test_without_heat_maps_the_photos_stand_alone() -> None:
    page = Page(render(some_report(heat=lambda images, answers: None)))
    assert "Grad-CAM" not in page.text
    assert len([tag for tag, _ in page.elements if tag == "img"]) == 11


def test_all_right_is_not_called_certain() -> None:
    report = make(scored([0] * 10 + [1] * 10, [0] * 10 + [1] * 10, ["Angry", "Happy"]))
    assert report.accuracy.low < 0.9
    text = Page(render(report)).text
    assert "None: every test photo was classified correctly." in text
    assert "It made no mistake on the test photos." in text


def test_classes_with_one_or_no_test_image() -> None:
    report = make(scored([0] * 12 + [1], [0] * 13, ["Angry", "Happy", "Sad"]))
    text = Page(render(report)).text
    assert "Sad no test photos, so nothing is known" in text
    assert "too few to say" in text
    assert "never predicted" in text
    assert [result.recall.images for result in report.classes] == [12, 1, 0]


def test_photos_of_one_person_say_nothing_of_a_class() -> None:
    test = scored([0] * 20 + [1] * 20, [0] * 15 + [1] * 25, ["Angry", "Happy"])
    apart, _ = make(test).classes
    together, _ = make(replace(test, groups=np.array(["one"] * 20 + list(test.file_names[20:])))).classes
    for alone, of_many in ((together.recall, apart.recall), (together.precision, apart.precision)):
        assert (alone.images, alone.value) == (of_many.images, of_many.value)
        assert (alone.low, alone.high) == (0, 1)
        assert 0.5 < of_many.low < of_many.high


def test_each_class_with_photos_has_its_curve_of_precision_over_recall() -> None:
    report = some_report()
    assert [curve.label for curve in report.precision_recall] == ["Angry", "Happy"]
    for curve in report.precision_recall:
        recalls = [recall for recall, _ in curve.points]
        assert recalls == sorted(recalls)
        assert recalls[-1] == 1
        assert 0.5 < curve.average_precision <= 1
        assert f"{curve.label}: average precision {curve.average_precision:.2f}" in Page(render(report)).text


def test_the_judged_page_holds_the_settings() -> None:
    text = Page(render(some_report(), judged(settings={"train.epochs": "30"}))).text
    assert "train.epochs 30" in text


def test_the_counts_of_the_data() -> None:
    manifest = pd.DataFrame(
        {
            "file_name": ["1", "2", "3", "4", "5"],
            "label": ["Angry", "Angry", "Angry", "Happy", "Happy"],
            "ok": [True, False, False, True, True],
            "reason": [None, "same content under another label: Sad/1.jpg", "truncated", None, None],
        }
    )
    frames = {name: pd.DataFrame({"label": ["Angry"] * (name != "val")}) for name in ("train", "val", "test")}
    crossing = {"ungrouped": {"pairs": 9, "held_out": 5}, "found": {"pairs": 1, "held_out": 1}}
    links = [{"name": "same person", "groups": 2, "images": 7, **crossing}]
    data = data_of(frames, manifest, {"links": links, "left_out": {"5": "it belongs to images in train and test"}})
    angry, happy = data.classes
    assert (angry.files, angry.left_out, angry.train, angry.val, angry.test) == (3, 2, 1, 0, 1)
    assert (happy.files, happy.left_out, happy.train) == (2, 1, 0)
    between = {"belongs to images of two splits": 1}
    assert data.reasons == {**between, "same content under another label": 1, "truncated": 1}
    assert (data.links[0].prevented, data.links[0].leaked) == (4, 1)
    text = Page(render(some_report(data=data))).text
    assert "1 × same content under another label; 1 × truncated." in text
    assert "Same person 2 7 4 1" in text


KNOWN = Reference(name="Theirs, <2019>", classes=["Angry", "Happy"], images=300, accuracy={"test": 80.78})


@pytest.mark.parametrize(
    ("labels", "images", "is_theirs"),
    [
        (["Angry", "Happy"], 300, True),
        (["Angry", "Happy"], 298, True),
        (["Angry", "Happy"], 290, False),
        (["Angry", "Happy", "Sad"], 300, False),
        (["Angry"], 300, False),
    ],
)
def test_a_reference_is_of_images_of_its_classes_and_about_as_many(
    labels: list[str], images: int, is_theirs: bool
) -> None:
    files = pd.DataFrame({"label": np.resize(labels, images)})
    used = {"train": files[:200], "val": files[200:240], "test": files[240:]}
    settings = PARAMS.evaluate.model_copy(update={"reference": KNOWN})
    expected = KNOWN if is_theirs else None
    assert reference_of(settings, used, None) == expected
    assert reference_of(settings, {name: frame[:1] for name, frame in used.items()}, files) == expected
    assert reference_of(PARAMS.evaluate, used, files) is None


def test_a_reference_is_shown_only_where_there_is_one() -> None:
    text = Page(render(some_report(reference=KNOWN))).text
    assert "Theirs, <2019> 80.8% not known" in text
    assert "not on the same test photos" in text
    for absent in (None, KNOWN.model_copy(update={"accuracy": {"val": 82.52}})):
        text = Page(render(some_report(reference=absent))).text
        assert "Theirs" not in text
        assert "not on the same test" not in text


def test_a_report_of_an_older_release_shows_no_reference() -> None:
    values = json.loads(some_report().to_json())
    del values["reference"]
    values |= {"reference_accuracy": 0.8078, "data": {**values["data"], "is_reference": False}}
    assert Report.from_json(json.dumps(values).encode()) == some_report()


def test_hard_pairs_count_both_ways() -> None:
    targets, answers = [0, 0, 0, 1, 1, 2, 2, 2], [1, 0, 0, 0, 0, 2, 0, 2]
    [first, second] = make(scored(targets, answers, ["Angry", "Happy", "Sad"])).pairs
    assert (first.first, first.second, first.first_as_second, first.second_as_first) == ("Happy", "Angry", 2, 1)
    assert (first.mistakes, first.images) == (3, 5)
    assert (second.first, second.second, second.mistakes) == ("Sad", "Angry", 1)


def test_a_page_full_of_large_pictures_stays_small() -> None:
    test = scored([0] * 20 + [1] * 20, [0] * 10 + [1] * 20 + [0] * 10, ["Angry", "Happy"])
    noise = np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), dtype=np.uint8)
    assert len(render(make(replace(test, images=noise)))) < 1_000_000
