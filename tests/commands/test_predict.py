import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facesent.cli import main
from tests.helpers.trained_project import make_project

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("predict", *arguments), catch_exceptions=False)


@pytest.fixture
def champion(project: Path) -> Path:
    from facesent.promotion import register
    from facesent.registry import versions

    candidate = register.register(make_project(project))
    versions.set_alias(versions.CHAMPION, candidate.version)
    return project


def test_a_folder_is_answered_in_batches_and_in_order(champion: Path) -> None:
    broken = champion / "data" / "Dark" / "07.png"
    broken.write_bytes(b"no photo")
    result = run("data", "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert f"{broken.relative_to(champion)}: Expected a JPEG" in result.stderr
    names = [f"data/{label}/{i:02d}.png" for label in ("Dark", "Light") for i in range(30)]
    names.remove("data/Dark/07.png")
    assert [answer["file"] for answer in answers] == names
    assert [answer["label"] for answer in answers] == [Path(name).parent.name for name in names]
    assert {answer["version"] for answer in answers} == {1}


def test_top_k_names_the_likeliest_alone(champion: Path) -> None:
    [answer] = [json.loads(line) for line in run("data/Light/29.png", "--json", "--top-k", "1").stdout.splitlines()]
    assert answer["probabilities"] == {"Light": answer["confidence"]}
    assert "(" not in run("data/Light/29.png", "--top-k", "1").stdout
    assert run("data/Light/29.png", "--top-k", "0").exit_code == 2


def test_crop_says_where_the_face_is(champion: Path) -> None:
    from facesent.sources.drawn_faces.portrait import draw_portrait

    whole = np.full((300, 400, 3), 230, np.uint8)
    whole[60:220, 150:310] = draw_portrait(7, 4, 1, "Neutral", 160)
    Image.fromarray(whole).save(champion / "whole.png")
    cropped, none = (
        json.loads(run(name, "--json", "--crop", "largest").stdout) for name in ("whole.png", "data/Light/29.png")
    )
    box = cropped["box"]
    assert 150 <= box["left"] < box["left"] + box["width"] <= 310
    assert none["box"] is None
    plain = json.loads(run("whole.png", "--json").stdout)
    assert plain["box"] is None
    assert plain["probabilities"] != cropped["probabilities"]
    assert (
        f"whole.png at {box['left']},{box['top']} {box['width']}x{box['height']}: "
        in run("whole.png", "--crop", "largest").stdout
    )
