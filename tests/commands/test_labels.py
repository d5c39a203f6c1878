"""`facesent data label-issues` and `facesent data relabel` as people call them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facesent.cli import main
from facesent.core.files import images_alone

CLASSES = ("Ahegao", "Happy", "Sad")
PARAMS = Path(__file__).parents[2] / "params.yaml"


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["data", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def predicted(project: Path) -> Path:
    """Thirty images, and sure predictions of them that contradict the labels of two."""
    shutil.copy(PARAMS, "params.yaml")
    rows = []
    for index in range(30):
        label = CLASSES[index % 3]
        wrong = {1: "Sad", 5: "Happy"}.get(index)
        probabilities = {name: 0.96 if name == (wrong or label) else 0.02 for name in CLASSES}
        rows.append({"file_name": f"{label}/{index}.png", "label": label, "group": index, "fold": 0}
                    | {f"probability_{name}": value for name, value in probabilities.items()})  # fmt: skip
        file = Path("data", rows[-1]["file_name"])
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(file)
    Path("outputs/cross_validation").mkdir(parents=True)
    pd.DataFrame(rows).to_csv("outputs/cross_validation/predictions.csv", index=False)
    return project


def test_without_predictions_the_message_says_what_makes_them(project: Path) -> None:
    shutil.copy(PARAMS, "params.yaml")
    result = call("label-issues")
    assert result.exit_code == 1
    assert result.output.startswith("Error: Expected out-of-fold predictions")
    assert "python -m flows.cross_validation" in result.output


@pytest.mark.slow
def test_from_predictions_over_decisions_to_other_labels(predicted: Path) -> None:
    found = call("label-issues").output
    assert "2 issues in 30 images (6.7%)." in found
    assert "Queued the 2 most doubtful images in outputs/label_issues/queue.csv, with thumbnails in" in found
    queue = Path("outputs/label_issues/queue.csv")
    assert queue.with_name("queue-01.png").is_file()
    queue.write_text(queue.read_text().replace(",,", ",Sad,", 1).replace(",,", ",drop,", 1))

    tried = call("relabel", str(queue), "--dry-run").output
    assert "Happy/1.png -> Sad/1.png" in tried
    assert tried.endswith("Dry run: nothing was changed.\n")
    assert Path("data/Happy/1.png").exists()

    applied = call("relabel", str(queue)).output
    assert "Moves: 1. Drops: 1. Kept: 0." in applied
    assert "To restore the previous content: cp " in applied
    assert "Next: dvc repro" in applied
    assert Path("data/Sad/1.png").exists()
    assert not Path("data/Sad/5.png").exists()

    assert "Moves: 0. Drops: 0. Kept: 0. Already done: 2." in call("relabel", str(queue)).output


def test_images_that_are_being_changed_are_not_looked_at(predicted: Path) -> None:
    queue = Path("queue.csv")
    queue.write_text("file_name,decision,sha256\n")
    with images_alone(Path("data")):
        for arguments in (("label-issues",), ("conflicts",), ("relabel", "queue.csv", "--dry-run")):
            result = call(*arguments)
            assert result.exit_code == 1
            assert "they are being changed by `facesent data`. Wait until it has ended." in result.output


def test_a_queue_that_cannot_be_applied_is_one_message(predicted: Path) -> None:
    Path("queue.csv").write_text("file_name,decision,sha256\nHappy/1.png,Joy,00\n../x,drop,00\n")
    result = call("relabel", "queue.csv")
    assert result.exit_code == 1
    assert "row 2: Joy is no class in Ahegao, Happy, Sad" in result.output
    assert "row 3: ../x is not an image in the data folder" in result.output
    assert call("relabel", "gone.csv").output.startswith("Error: Expected a queue")


def test_conflicts_are_queued_by_a_rule_and_relabelled(project: Path) -> None:
    shutil.copy(PARAMS, "params.yaml")
    for number, name in enumerate(("Angry/1.png", "Angry/2.png", "Happy/1.png", "Happy/2.png")):
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number * 60, 90, 90)).save(Path("data", name))
    assert "No image" in call("conflicts").output
    shutil.copy("data/Angry/1.png", "data/Happy/3.png")
    assert "Expected --where and --label together" in call("conflicts", "--where", "*").output

    queued = call("conflicts", "--where", "*Angry*", "--label", "Angry").output
    assert "1 images have several labels" in queued
    assert "decides 1 of them: Angry" in queued
    relabelled = call("relabel", "outputs/label_conflicts/queue.csv").output
    assert "Happy/3.png dropped" in relabelled
    assert "To restore the previous content" in relabelled
