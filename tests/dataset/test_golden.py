"""What depends on no processor: facts of the drawn faces, and their splits, are these and no others.

Change a hash only together with a change that is meant to give other facts or other splits: everybody's test set is one
of them.
"""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from facesent.dataset import splits
from facesent.dataset.assignment import read_assignment
from facesent.dataset.manifest import scan
from facesent.params import load_params
from facesent.sources.drawn_faces.dataset import draw_dataset

ROOT = Path(__file__).parents[2]
FACTS = "b898b016817f5e0d00dcf9377fcdc668f872cec579a339472d2a024b45b0e6a1"
SPLITS = "d388dcb2bb9de19fa7a4e542a9bc000876888b3417ccddb505b188df031163af"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    data = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(data, persons=24, image_size=32, workers=1)
    return scan(data, max_pixels=10**6, workers=1)


def sha256(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def test_the_facts_of_the_drawn_faces(manifest: pd.DataFrame) -> None:
    assert manifest[["source_sha256", "source_phash"]].isna().all(axis=None)
    # Why an image is quarantined is Pillow's word.
    assert sha256(manifest.drop(columns=["reason", "source_sha256", "source_phash"])) == FACTS


def test_the_splits_of_the_drawn_faces(manifest: pd.DataFrame) -> None:
    settings = load_params(ROOT / "presets" / "quick.yaml").split
    result, _, _ = splits.split(manifest, read_assignment(Path("none")), **settings.model_dump())
    assert sha256(result[list(splits.COLUMNS)]) == SPLITS
