import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.images.batches import read_examples, training_examples
from facesent.images.reading import ImageError
from facesent.images.rows import read_split

LABELS = ["Happy", "NA"]


@pytest.fixture
def split(tmp_path: Path) -> pd.DataFrame:
    """Three flat images of 20x10 pixels, of value 10, 20 and 30."""
    rows = []
    for value, label in ((10, "NA"), (20, "Happy"), (30, "NA")):
        name = f"{label}/{value}.png"
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("L", (20, 10), value).save(tmp_path / name)
        rows.append((name, label, f"group {value}", hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()))
    pd.DataFrame(rows, columns=["file_name", "label", "group", "sha256"]).to_csv(tmp_path / "split.csv", index=False)
    return read_split(tmp_path / "split.csv")


def test_scored_images_are_squares_in_the_order_of_the_split(tmp_path: Path, split: pd.DataFrame) -> None:
    examples = read_examples(tmp_path, split, LABELS, 16, "val")
    assert examples.images.shape == (3, 16, 16, 3)
    assert examples.side == 16
    assert examples.images.mean((1, 2, 3)).tolist() == [10, 20, 30]
    assert examples.targets.tolist() == [1, 0, 1]


def test_training_images_keep_their_sizes(tmp_path: Path, split: pd.DataFrame) -> None:
    examples = training_examples(tmp_path, split, LABELS, 16, spill=tmp_path)
    assert [image.shape for image in map(examples.images.__getitem__, range(3))] == [(10, 20, 3)] * 3
    assert examples.side == 16
    assert [int(np.mean(examples.images[index])) for index in range(3)] == [10, 20, 30]
    assert examples.targets.tolist() == [1, 0, 1]


def test_an_image_that_was_not_validated_is_named(tmp_path: Path, split: pd.DataFrame) -> None:
    Image.new("L", (20, 10), 99).save(tmp_path / "Happy" / "20.png")
    with pytest.raises(ImageError, match=r"20\.png: .*Run: dvc repro"):
        read_examples(tmp_path, split, LABELS, 16, "val")
    examples = training_examples(tmp_path, split, LABELS, 16)
    with pytest.raises(ImageError, match=r"20\.png: .*Run: dvc repro"):
        examples.images[1]
