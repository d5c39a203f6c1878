from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.labels.issues import PredictionsError, find_label_issues, read_predictions, summarise

CLASSES = ("Angry", "Happy", "Sad")
# Image to (its wrong label, its true class).
PLANTED = {6: ("Sad", "Angry"), 40: ("Angry", "Happy"), 77: ("Happy", "Sad")}


def predictions(images: int = 90) -> pd.DataFrame:
    """Predictions of the true classes, which take turns; the labels of ``PLANTED`` are wrong, and surely so."""
    truth = np.arange(images) % len(CLASSES)
    sure = np.where(np.isin(np.arange(images), list(PLANTED)), 0.9, 0.5)
    probabilities = (1 - sure)[:, None] * np.random.default_rng(0).dirichlet(np.ones(3), images)
    probabilities[np.arange(images), truth] += sure
    given = [PLANTED.get(index, (CLASSES[true],))[0] for index, true in enumerate(truth)]
    columns = {f"probability_{name}": probabilities[:, column] for column, name in enumerate(CLASSES)}
    names = [f"{label}/{index}.jpg" for index, label in enumerate(given)]
    return pd.DataFrame({"file_name": names, "label": given, **columns})


def test_planted_errors_are_found_and_the_true_class_is_suggested() -> None:
    found = find_label_issues(predictions())
    expected = {f"{wrong}/{index}.jpg": true for index, (wrong, true) in PLANTED.items()}
    assert dict(zip(found["file_name"], found["suggested"], strict=True)) == expected
    assert list(found["given"]) == [name.split("/")[0] for name in found["file_name"]]


def test_the_surest_contradiction_comes_first() -> None:
    table = predictions()
    table.loc[40, ["probability_Angry", "probability_Happy", "probability_Sad"]] = (0.001, 0.998, 0.001)
    found = find_label_issues(table)
    assert found["self_confidence"].is_monotonic_increasing
    worst = found.iloc[0]
    assert (worst["file_name"], worst["suggested"]) == ("Angry/40.jpg", "Happy")
    assert (worst["confidence"], worst["self_confidence"]) == pytest.approx((0.998, 0.001))


def test_the_order_of_the_rows_is_no_matter() -> None:
    table = predictions()
    pd.testing.assert_frame_equal(find_label_issues(table), find_label_issues(table.sample(frac=1, random_state=1)))


def test_labels_that_are_all_as_predicted_give_no_issue() -> None:
    table = predictions().drop(index=list(PLANTED))
    assert find_label_issues(table).empty
    assert summarise(table, find_label_issues(table))["issues"].sum() == 0


def test_the_summary_counts_by_given_class() -> None:
    table = predictions()
    summary = summarise(table, find_label_issues(table))
    assert summary.to_dict("list") == {
        "label": ["Angry", "Happy", "Sad"],
        "images": [30, 30, 30],
        "issues": [1, 1, 1],
        "suggested": ["Happy", "Sad", "Angry"],
    }


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    # A class may be called NA, and a file name look like a number.
    table = predictions().rename(columns={"probability_Sad": "probability_NA"})
    table["label"] = table["label"].replace("Sad", "NA")
    table.to_csv(tmp_path / "predictions.csv", index=False)
    assert len(find_label_issues(read_predictions(tmp_path / "predictions.csv"))) == len(PLANTED)


def test_without_predictions_the_message_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"no such file\. Run `python -m flows\.cross_validation` first"):
        read_predictions(tmp_path / "predictions.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="label"), "without label"),
        (lambda t: t.drop(columns=["probability_Sad", "probability_Happy"]), "at least two classes. Received: Angry"),
        (lambda t: t.head(0), "no rows"),
        (lambda t: t.assign(label="Happpy"), "among Angry, Happy, Sad. Received: Happpy"),
        (lambda t: pd.concat([t, t.head(1)]), "Received twice: Angry/0.jpg"),
        (lambda t: t.assign(probability_Sad=t["probability_Sad"] + 0.2), "add up to 1 .*Angry/0.jpg, .* and 85 more"),
        (lambda t: t.assign(probability_Sad=float("nan")), "add up to 1"),
        (lambda t: t.assign(probability_Sad="high"), "add up to 1"),
    ],
)
def test_what_are_no_predictions_is_named(tmp_path: Path, change: object, message: str) -> None:
    change(predictions()).to_csv(tmp_path / "predictions.csv", index=False)  # type: ignore[operator]
    with pytest.raises(PredictionsError, match=message):
        read_predictions(tmp_path / "predictions.csv")
