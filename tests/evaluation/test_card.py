"""The model card from values alone, and the description that the registry gets of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from facesent.dataset.assignment import COLUMNS
from facesent.dataset.reports import split_summary
from facesent.dataset.splits import split
from facesent.evaluation.card import MOST_CHARACTERS, description, model_card
from facesent.evaluation.intervals import Estimate, share_of
from facesent.evaluation.report.collect import data_of
from facesent.evaluation.report.content import (
    Abstention,
    Calibration,
    ClassCounts,
    ClassResult,
    CurvePoint,
    Data,
    Gallery,
    HardPair,
    Link,
    Report,
    Training,
)
from facesent.evaluation.slices import Slice


def estimate(right: int, images: int = 40) -> Estimate:
    return share_of(right, images, 0.95)


def report(
    labels: Sequence[str] = ("Angry", "Happy"),
    slices: Sequence[Slice] = (),
    abstention: Abstention | None = None,
    pairs: Sequence[HardPair] = (),
) -> Report:
    return Report(
        confidence_level=0.95,
        accuracy=estimate(30),
        split_accuracy={name: estimate(30) for name in ("train", "val", "test")},
        commonest_share=0.5,
        macro_recall=Estimate(40, 0.76, 0.61, 0.87),
        macro_f1=0.74,
        data=Data([ClassCounts(label, 101, 1, 60, 20, 20) for label in labels], {"truncated": 2}, []),
        training=Training("reference_cnn", 64, 27_900_000, 1, 3, [CurvePoint(1, 1, 0.5, 0.5)] * 5),
        labels=list(labels),
        confusion=[[0] * len(labels)] * len(labels),
        classes=[ClassResult(label, estimate(15, 20), estimate(15, 22)) for label in labels],
        calibration=Calibration([], ece=0.111, ece_noise=0.052, temperature=1.25),
        abstention=abstention,
        slices=list(slices),
        same_answer={},
        mistakes=Gallery([], 0),
        successes=Gallery([], 0),
        no_thumbnails=["Ahegao"],
        pairs=list(pairs),
        precision_recall=[],
    )


def test_is_a_card_that_the_hub_reads() -> None:
    card = ModelCard(model_card(report(), "ada@example.org"))
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results == {"accuracy": 0.75, "recall": 0.76, "f1": 0.74, "expected_calibration_error": 0.111}
    assert "Macro recall 0.760 (0.610 to 0.870), macro F1 0.740." in card.text
    assert card.data.library_name == "keras"
    assert "reference_cnn" in card.data.tags


def test_metadata_name_nobody_and_no_day() -> None:
    header = model_card(report(), "ada@example.org").split("---\n")[1]
    assert set(yaml.safe_load(header)) <= {
        "library_name", "license", "license_name", "pipeline_tag", "tags", "model-index",
    }  # fmt: skip


def test_same_report_same_card() -> None:
    assert model_card(report(), "") == model_card(report(), "")


def test_says_who_to_write_to_or_that_nobody_is_named() -> None:
    assert "ada@example.org" in model_card(report(), "ada@example.org").split("## Contact")[1]
    assert "report.contact" in model_card(report(), "").split("## Contact")[1]


def test_says_what_it_is_not_for_and_where_it_fails() -> None:
    pairs = [HardPair("Sad", "Neutral", 5, 2, 40)]
    weak = Slice("brightness", "dark", (0, 60), estimate(3, 20), "weaker")
    text = model_card(report(slices=[weak], pairs=pairs), "")
    assert "Not for deciding about people" in text
    assert "Sad and Neutral are confused most often: 7 of 40 images" in text
    row = next(line for line in text.splitlines() if line.startswith("| brightness: dark"))
    assert "15.0%" in row
    assert "weaker" in row


def test_classes_are_no_rows_of_the_slices() -> None:
    of_class = Slice("class", "Angry", None, estimate(3, 20), "weaker")
    assert "| class: Angry" not in model_card(report(slices=[of_class]), "")


def test_tables_are_whole() -> None:
    part = Slice("size", "small", (0, 60), estimate(3, 20), "")
    blocks = model_card(report(slices=[part, part]), "").split("---\n", 2)[2].split("\n\n")
    tables = [block.strip().splitlines() for block in blocks if block.strip().startswith("|")]
    assert [len(table) for table in tables] == [4, 4, 4]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_says_how_much_it_answers_only_where_it_abstains() -> None:
    assert "uncertain" not in model_card(report(), "")
    text = model_card(report(abstention=Abstention(0.6, 0.8, 0.9)), "")
    assert "Below a confidence of 60.0%" in text
    assert "80.0% of the test images" in text


def links(people: Sequence[str | None], splits: Sequence[str | None] = (None,) * 60) -> list[Link]:
    """Of images that have nothing else in common, divided as the stage ``split`` does; given splits stay."""
    chance = np.random.default_rng(0)
    hashes = [[f"{number:016x}" for number in chance.integers(0, 2**63, 60)] for _ in range(3)]
    manifest = pd.DataFrame(
        {
            "file_name": [f"Angry/{index:02d}.png" for index in range(60)],
            "label": "Angry",
            "group": pd.Series(people, dtype="str"),
            "split": pd.Series(splits, dtype="str"),
            **dict(zip(("sha256", "phash", "phash_mirrored"), hashes, strict=True)),
            "ok": True,
        }
    )
    nothing = pd.DataFrame(columns=list(COLUMNS), dtype=str)
    placed, _, found = split(manifest, nothing, val=0.2, test=0.2, seed=7, near_duplicate_distance=4, torn="keep")
    frames = {name: placed[placed["split"] == name] for name in ("train", "val", "test")}
    return data_of(frames, None, split_summary(found, 0)).links


TWO_EACH = [f"person {index // 2}" for index in range(60)]
IN_TWO_SPLITS = ["train", "test"] * 15 + ["train", "val"] * 15


@pytest.mark.parametrize(
    ("found", "said", "unsaid"),
    [
        ([], "of two splits. Test images influenced", "near duplicate"),
        (links([None] * 60), "No two images are known to be of one person", "metadata.csv"),
        (links(TWO_EACH), "in training, as far as metadata.csv says. Test images influenced", "several splits"),
        (links([f"proposed-{name}" for name in TWO_EACH]), "metadata.csv says. Some of its groups", "No two"),
        (links(TWO_EACH, IN_TWO_SPLITS), "30 times a validation or test image has a related", "No validation"),
    ],
    ids=["nothing known", "nobody known", "people", "proposed people", "torn as given"],
)
def test_says_what_is_known_to_be_kept_apart(found: list[Link], said: str, unsaid: str) -> None:
    known = report()
    data = model_card(replace(known, data=replace(known.data, links=found)), "").split("## Data")[1]
    assert said in data
    assert unsaid not in data
    assert "  " not in data


def test_a_temperature_of_1_is_not_called_fitted() -> None:
    known = report()
    assert "temperature 1.250, fitted on validation." in model_card(known, "")
    text = model_card(replace(known, calibration=replace(known.calibration, temperature=1.0)), "")
    assert "The probabilities are not calibrated." in text
    assert "fitted" not in text


def test_description_has_no_metadata() -> None:
    card = model_card(report(), "")
    assert description(card).startswith("# facesent: 2 facial expressions")
    assert description(card).endswith(card[-40:].strip())


def test_description_lets_no_line_break_inside_a_paragraph() -> None:
    # MLflow's pages show each end of a line.
    blocks = description(model_card(report(), "")).split("\n\n")
    prose = [block for block in blocks if not block.startswith(("|", "-", "#"))]
    assert prose
    assert not any("\n" in block for block in prose)


def test_long_description_is_cut_between_paragraphs() -> None:
    card = model_card(report(labels=[f"Class number {number}" for number in range(60)]), "")
    text = description(card)
    assert len(text) <= MOST_CHARACTERS
    assert text.endswith("The rest is in the run's artifact `evaluation/model_card.md`.")
    whole = card.split("---\n", 2)[2].strip()
    kept = text.rpartition("\n\n")[0]
    assert whole.startswith(kept + "\n\n")
