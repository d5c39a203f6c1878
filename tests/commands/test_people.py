"""`facesent data people` as people call it, with a network of random weights: nearly equal pictures are alike."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facesent.cli import main
from facesent.dataset.assignment import COLUMNS, read_assignment, write_assignment
from facesent.people.embeddings import NETWORK
from facesent.sources.weights import catalogue
from tests.helpers.relabelling import contents

PARAMS = Path(__file__).parents[2] / "params.yaml"
PEOPLE = 6


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["data", "people", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def paint(name: str, person: int, photo: int) -> None:
    small = np.random.default_rng(person).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((48, 48))).astype(int)
    pixels += np.random.default_rng(photo).integers(-2, 3, pixels.shape)
    Path("data", name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(Path("data", name))


@pytest.fixture
def photos(project: Path) -> Path:
    """Two photos each of six people, one in each class."""
    shutil.copy(PARAMS, "params.yaml")
    for person in range(PEOPLE):
        paint(f"Happy/{person}.png", person, 0)
        paint(f"Sad/{person}.png", person, 1)
    return Path("data")


def test_help_has_an_example() -> None:
    assert "facesent data people --dry-run" in call("--help").output.split("Example:")[1]


def test_without_weights_it_says_which_command_makes_them(photos: Path) -> None:
    result = call()
    assert result.exit_code == 1
    assert "Run: facesent weights vggface2_mobilenet" in result.output
    assert not Path("data.dvc").exists()


@pytest.mark.long
@pytest.mark.slow
def test_from_a_look_to_groups_that_need_new_splits(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.model.architectures.backbones import untrained
    from facesent.model.backend import keras
    from facesent.model.settings import Model
    from facesent.sources.weights.file import save_weights

    keras.utils.set_random_seed(0)
    fields = {"name": "mobilenet", "image_size": 32, "dropout": 0.0, "batch_norm_momentum": 0.99}
    made = save_weights(untrained(Model.model_validate(fields)), Path(f"weights/{NETWORK}.weights.h5"))
    monkeypatch.setattr(catalogue, "SOURCES", {NETWORK: replace(catalogue.SOURCES[NETWORK], sha256=made)})
    before, cache = contents(photos), Path("outputs/cache/people.db")

    looked = call("--dry-run")
    assert looked.exit_code == 0, looked.output
    assert "Proposed: 12 images in 6 new groups; 0 join existing groups." in looked.output
    assert looked.output.endswith("Dry run: nothing was changed.\n")
    assert contents(photos) == before
    assert Path("outputs/people/groups-01.png").is_file()
    assert len(pd.read_csv("outputs/people/groups.csv")) == 2 * PEOPLE
    assert cache.is_file()

    content = [
        hashlib.sha256(Path("data", f"{label}/0.png").read_bytes()).hexdigest()[:16] for label in ("Happy", "Sad")
    ]
    rows = zip(content, ["", ""], ["0" * 16, "f" * 16], ["test", "train"], ["", ""], ["", ""], strict=True)
    write_assignment(Path("assignment.csv"), pd.DataFrame(rows, columns=list(COLUMNS)))
    refused = call()
    assert refused.exit_code == 1
    assert "1 groups have images in several splits, 2 images in total" in refused.output
    assert "Expected one of --resplit and --keep-splits. Received: none." in refused.output
    assert contents(photos) == before
    assert call("--keep-splits").exit_code == 0
    assert len(read_assignment(Path("assignment.csv"))) == 2
    (photos / "metadata.csv").unlink()

    done = call("--resplit", "--no-cache")
    assert done.exit_code == 0, done.output
    assert "Forgot the splits of 2 images, and set split.seed in params.yaml to " in done.output
    assert "To restore the previous content: cp " in done.output
    assert read_assignment(Path("assignment.csv")).empty
    assert not cache.exists()
    table = pd.read_csv("data/metadata.csv")
    assert table["group"].str.startswith("proposed-").all()
    assert (table.groupby(table["file_name"].str[-5])["group"].nunique() == 1).all()
    assert table["group"].nunique() == PEOPLE

    status = CliRunner().invoke(main, ["data", "status"]).output
    assert "6 groups, 6 of them proposed" in status

    again = call()
    assert "Nothing to propose: every image has a group" in again.output
    assert "Expected people with several photos" in call("--measure").output
    (photos / "metadata.csv").write_text((photos / "metadata.csv").read_text().replace("proposed-", "person-"))
    assert "12 images of known people, 6 of them with several photos." in call("--measure").output
