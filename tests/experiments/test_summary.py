import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.experiments import fold_result, summary
from facesent.experiments.fold_result import FoldResult, measures_of, prediction_table
from facesent.experiments.folds import CrossValidationError, Folder, assign, round_of
from facesent.params import Params, load_params
from tests.helpers.folds_project import LABELS, REPOSITORY, images
from tests.helpers.tables import cells

SETTINGS = load_params(REPOSITORY / "params.yaml").evaluate
ASSIGNED = assign(images(), folds=3, seed=7)


def scored(fold: int) -> FoldResult:
    """A fold whose network is right about all but the first ``fold`` images."""
    held_out = round_of(ASSIGNED, fold).test
    targets = held_out["label"].map(LABELS.index).to_numpy()
    answers = np.where(np.arange(len(targets)) < fold, (targets + 1) % 3, targets)
    probabilities = np.full((len(targets), 3), 0.1, np.float32)
    probabilities[np.arange(len(targets)), answers] = 0.8
    history = pd.DataFrame({name: [0.5, 0.25] for name in ("loss", "accuracy", "val_loss", "val_accuracy")})
    history.index = pd.RangeIndex(1, 3, name="epoch")
    return FoldResult(
        fold=fold,
        fingerprint=f"fingerprint {fold}",
        best_epoch=2,
        measures=measures_of(targets, probabilities, [str(row) for row in range(len(targets))], LABELS, SETTINGS),
        history=history,
        predictions=prediction_table(held_out, fold, probabilities, LABELS),
    )


RESULTS = [scored(fold) for fold in (1, 2, 3)]
FINGERPRINTS = [fold.fingerprint for fold in RESULTS]


def test_a_result_comes_back_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "fold-1"
    assert not fold_result.holds(folder, "fingerprint 1")
    fold_result.write(RESULTS[0], folder)
    read = fold_result.read(folder)
    assert fold_result.holds(folder, "fingerprint 1")
    assert not fold_result.holds(folder, "fingerprint 2")
    assert replace(read, history=RESULTS[0].history, predictions=RESULTS[0].predictions) == RESULTS[0]
    pd.testing.assert_frame_equal(read.history, RESULTS[0].history)
    pd.testing.assert_frame_equal(read.predictions, RESULTS[0].predictions, check_dtype=False, atol=1e-6)


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "predictions.csv"])
def test_a_result_that_was_changed_since_is_none(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "fold-1"
    for damage in (lambda text: text.replace("0.", "0.1", 1), lambda text: text[:20]):
        fold_result.write(RESULTS[0], folder)
        text = (folder / name).read_text()
        assert damage(text) != text
        (folder / name).write_text(damage(text))
        assert not fold_result.holds(folder, "fingerprint 1")


def test_a_later_result_takes_the_place_of_an_earlier_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "fold-1"
    fold_result.write(RESULTS[0], folder)
    (folder / "left over").touch()
    fold_result.write(RESULTS[1], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "metrics.json", "predictions.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["fold-1"]


def test_measures_of_a_fold_are_those_of_its_predictions() -> None:
    [first, *_] = RESULTS
    wrong = first.predictions["label"] != first.predictions["predicted"]
    assert wrong.sum() == 1
    assert first.measures["accuracy"] == pytest.approx(1 - 1 / len(wrong))
    recalls = (~wrong).groupby(first.predictions["label"]).mean()
    assert first.measures["macro_recall"] == pytest.approx(recalls.mean())


def test_a_class_that_a_fold_does_not_hold_counts_in_no_mean() -> None:
    targets = np.array([0, 0, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], np.float32)
    assert measures_of(targets, probabilities, [str(row) for row in range(len(targets))], LABELS, SETTINGS)[
        "macro_recall"
    ] == pytest.approx(0.75)


def test_mean_and_deviation_are_over_folds() -> None:
    accuracies = [fold.measures["accuracy"] for fold in RESULTS]
    found = summary.summarise(RESULTS, SETTINGS)
    assert found.mean["accuracy"] == pytest.approx(np.mean(accuracies))
    assert found.deviation["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert f"accuracy {np.mean(accuracies):.3f} ± {np.std(accuracies, ddof=1):.3f}" in found.sentence


def test_calibration_is_that_of_all_answers_together() -> None:
    found = summary.summarise(RESULTS, SETTINGS)
    assert found.pooled.images == 60
    assert found.pooled.ece == pytest.approx(0.1, abs=1e-6), "54 of 60 are right, and each answer is 80 % sure"
    assert f"All 60 out-of-fold answers: calibration error (ECE) {found.pooled.ece:.3f}" in found.to_markdown()
    assert json.loads(found.to_json())["pooled"]["ece"] == found.pooled.ece


def test_all_folds_are_written_as_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for fold in RESULTS:
        fold_result.write(fold, folder.fold(fold.fold))
    summary.write(folder, summary.gather(folder, FINGERPRINTS), ASSIGNED, SETTINGS)
    predictions = pd.read_csv(folder.predictions)
    assert list(predictions) == [
        *("file_name", "label", "group", "fold", "predicted", "confidence"),
        *(f"probability_{label}" for label in LABELS),
    ]
    assert predictions["file_name"].tolist() == sorted(images()["file_name"])
    assert predictions.merge(ASSIGNED, on=["file_name", "label", "group", "fold"]).shape[0] == len(ASSIGNED)
    written = json.loads(folder.summary.read_text())
    assert [fold["fold"] for fold in written["folds"]] == [1, 2, 3]
    assert set(written["mean"]) == set(written["deviation"]) == {"accuracy", "macro_recall", "macro_f1", "log_loss"}
    report = folder.report.read_text()
    assert {"3", "deviation"} <= {row[0] for row in cells(report)}
    before = folder.curves.read_bytes()
    assert before.startswith(b"\x89PNG")
    summary.write(folder, RESULTS, ASSIGNED, SETTINGS)
    assert folder.curves.read_bytes() == before


def test_a_later_summary_is_never_seen_in_part(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "folds")
    folder.root.mkdir()
    summary.write(folder, RESULTS, ASSIGNED, SETTINGS)
    shutil.copytree(folder.root, tmp_path / "earlier", copy_function=os.link)
    summary.write(folder, RESULTS, ASSIGNED, SETTINGS)
    for path in (folder.predictions, folder.summary, folder.report):
        assert not path.samefile(tmp_path / "earlier" / path.name), "the file was written over, not replaced"
    assert len(list(folder.root.iterdir())) == 4


@pytest.mark.parametrize("key", ["key of other settings", None])
def test_a_fold_that_is_missing_or_of_other_settings_is_not_counted(tmp_path: Path, key: str | None) -> None:
    folder = Folder(tmp_path)
    for fold in RESULTS[:2] if key is None else RESULTS:
        fold_result.write(fold, folder.fold(fold.fold))
    with pytest.raises(CrossValidationError, match=r"Expected the result of fold 3 .*Received: none, or another one"):
        summary.gather(folder, [*FINGERPRINTS[:2], key or FINGERPRINTS[2]])


def test_predictions_of_other_images_are_refused() -> None:
    with pytest.raises(CrossValidationError, match="Expected a prediction for each of the 60 planned images"):
        summary.out_of_fold(RESULTS[:2], ASSIGNED)


def test_a_fingerprint_changes_with_settings_fold_and_the_weights_to_start_from() -> None:
    params = load_params(REPOSITORY / "params.yaml")

    def starting_from(digest: str) -> Params:
        known = {"name": "mobilenet", "weights": "backbone.weights.h5", "weights_sha256": digest * 64}
        return params.model_copy(update={"model": params.model.model_copy(update=known)})

    first = round_of(ASSIGNED, 1)
    known = [
        fold_result.fingerprint_of(params, first),
        fold_result.fingerprint_of(params, round_of(ASSIGNED, 2)),
        *(fold_result.fingerprint_of(starting_from(digest), first) for digest in "12"),
    ]
    assert len(set(known)) == 4
    assert fold_result.fingerprint_of(params, first) == known[0]
