import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from facesent.training.settings import Distillation
from facesent.training.soft_targets import SoftTargetsError, mixed_targets

LABELS = ("Happy", "NA", "Sad")
IMAGES = pd.DataFrame({"sha256": ["c", "a", "b"], "label": ["Sad", "Happy", "NA"]})
TABLE = pd.DataFrame(
    {
        "sha256": ["a", "b", "c"],
        "label": ["Happy", "NA", "Sad"],
        "probability_Happy": [0.8, 0.1, 0.0],
        "probability_NA": [0.2, 0.6, 0.0],
        "probability_Sad": [0.0, 0.3, 1.0],
    }
)


def settings(path: Path, weight: float = 0.5, sha256: str = "") -> Distillation:
    known = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return Distillation(soft_targets=str(path), soft_targets_sha256=known, weight=weight)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "soft_targets.csv"
    TABLE.to_csv(path, index=False)
    return path


def refused(path: Path, table: pd.DataFrame) -> str:
    table.to_csv(path, index=False)
    with pytest.raises(SoftTargetsError) as error:
        mixed_targets(settings(path), IMAGES, LABELS)
    return str(error.value)


def test_each_image_has_its_own_and_the_label_has_the_rest(file: Path) -> None:
    mixed = mixed_targets(settings(file, 0.5), IMAGES, LABELS)
    assert mixed == pytest.approx(np.array([[0, 0, 1], [0.9, 0.1, 0], [0.05, 0.8, 0.15]]))
    assert mixed is not None
    assert mixed.dtype == np.float32
    alone = mixed_targets(settings(file, 1), IMAGES, LABELS)
    assert alone == pytest.approx(TABLE.iloc[[2, 0, 1], 2:].to_numpy())


def test_a_class_whose_name_holds_a_carriage_return_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "soft_targets.csv"
    renamed = {"probability_Sad": "probability_Sad\r"}
    TABLE.rename(columns=renamed).replace({"label": {"Sad": "Sad\r"}}).to_csv(path, index=False, lineterminator="\n")
    images = IMAGES.replace({"label": {"Sad": "Sad\r"}})
    assert mixed_targets(settings(path), images, ("Happy", "NA", "Sad\r")) is not None


def test_equal_images_share_a_row(file: Path) -> None:
    twice = pd.concat([IMAGES, IMAGES.iloc[:1]])
    mixed = mixed_targets(settings(file), twice, LABELS)
    assert mixed is not None
    assert np.array_equal(mixed[0], mixed[3])


def test_without_soft_targets_there_are_labels_alone() -> None:
    assert mixed_targets(Distillation(), IMAGES, LABELS) is None


def test_a_file_that_is_not_there_or_was_changed_is_named_with_the_command(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SoftTargetsError, match=r"none\.csv .*no such file\. Take the file and params\.yaml"):
        mixed_targets(settings(tmp_path / "none.csv", sha256="0" * 64), IMAGES, LABELS)
    known = settings(file)
    file.write_text(file.read_text().replace("0.8", "0.7"))
    with pytest.raises(
        SoftTargetsError, match=f"SHA-256 {known.soft_targets_sha256} .*git checkout COMMIT -- .*Or: Train"
    ):
        mixed_targets(known, IMAGES, LABELS)


def test_soft_targets_of_other_images_are_refused_as_they_may_be_validations_now(file: Path) -> None:
    said = refused(file, TABLE.replace("a", "d"))
    assert "exactly the 3 images of train" in said
    assert "soft targets: 1; with another label: 0; rows of other images, which may be in val or test now: 1" in said
    more = pd.concat([TABLE, TABLE.iloc[:1].replace("a", "d")])
    assert (
        "soft targets: 0; with another label: 0; rows of other images, which may be in val or test now: 1"
        in refused(file, more)
    )
    assert "Expected a column sha256" in refused(file, TABLE.drop(columns="sha256"))


def test_soft_targets_of_other_labels_are_refused(file: Path) -> None:
    assert "soft targets: 0; with another label: 1" in refused(file, TABLE.replace({"label": {"NA": "Sad"}}))


def test_other_classes_and_what_are_no_probabilities_are_refused(file: Path) -> None:
    said = refused(file, TABLE.rename(columns={"probability_NA": "probability_Angry"}))
    assert "Expected the columns probability_Happy, probability_NA, probability_Sad" in said
    for wrong in (-0.1, 0.5, "much", ""):
        table = TABLE.astype({"probability_Happy": object})
        table.loc[1, "probability_Happy"] = wrong
        assert "Expected probabilities with the sum 1" in refused(file, table)


def test_a_file_without_its_hash_is_no_setting() -> None:
    with pytest.raises(ValidationError, match=r"expected soft_targets_sha256, as printed by `sha256sum a\.csv`"):
        Distillation(soft_targets="a.csv")
    with pytest.raises(ValidationError, match="weight"):
        Distillation(weight=0)
