import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facesent.cli import main
from facesent.core.paths import Project
from tests.helpers.trained_project import make_project, write_model

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


def test_a_folder_without_images_is_said_before_any_work(project: Path) -> None:
    (project / "notes").mkdir()
    (project / "notes" / "readme.txt").write_text("no photo")
    result = run("notes")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Expected images under notes")


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


def test_a_table_has_a_row_for_each_photo(champion: Path) -> None:
    (champion / "data" / "Dark" / "07.png").write_bytes(b"no photo")
    for name in ("answers.parquet", "answers.csv"):
        result = run("data", "--output", name)
        assert result.exit_code == 1
        assert result.stdout == f"Wrote {name}: 60 photos, 1 of which could not be read.\n"
    rows = pd.json_normalize(pd.read_parquet("answers.parquet").to_dict("records"))
    assert rows["path"].tolist() == [f"data/{label}/{i:02d}.png" for label in ("Dark", "Light") for i in range(30)]
    assert rows["error"].notna().tolist() == [i == 7 for i in range(60)]
    told = [json.loads(line) for line in run("data", "--json").stdout.splitlines()]
    read = rows[rows["error"].isna()]
    assert read["label"].tolist() == [answer["label"] for answer in told]
    assert read["probabilities.Light"].tolist() == [answer["probabilities"]["Light"] for answer in told]
    as_csv = pd.read_csv("answers.csv")
    assert as_csv[["path", "label", "error"]].equals(rows[["path", "label", "error"]])
    assert as_csv["probabilities.Light"].astype("float32").equals(rows["probabilities.Light"].astype("float32"))


def test_a_folder_of_answers_begins_with_the_champion_and_answers_as_predict(champion: Path) -> None:
    from facesent.promotion import register
    from facesent.registry import versions
    from facesent.registry.versions import RegistryError
    from facesent.run import run as run_stage
    from facesent.scoring.errors import ScoringError
    from facesent.scoring.opening import open_answers
    from facesent.scoring.plan import Wanted
    from facesent.scoring.shards import score

    target, wanted = champion / "answers", Wanted("data", shard_size=32)
    planned = open_answers(target, wanted, None)
    for number in range(planned.shards):
        score(champion, target, number)
    assert run("data", "--output", "one.parquet").exit_code == 0
    assert pd.read_parquet(target).equals(pd.read_parquet("one.parquet"))
    # A later champion changes nothing, and is refused where it is named.
    assert open_answers(target, wanted, "champion") == planned
    by_alias = open_answers(champion / "by-alias", wanted, "champion")
    write_model(Project(champion), ("Dark", "Light"), 0.1)
    run_stage("evaluate", Project(champion))
    versions.set_alias(versions.CHAMPION, register.register(Project(champion)).version)
    assert open_answers(target, wanted, None) == planned
    with pytest.raises(ScoringError, match=r"Expected version 1, .* Received: 2"):
        open_answers(target, wanted, "champion")
    # But the command that named it goes on.
    assert by_alias.version == 1
    for same in ("champion", "1", None):
        assert open_answers(champion / "by-alias", wanted, same) == by_alias
    with pytest.raises(ScoringError, match=r"Expected version 1, .* Received: 2"):
        open_answers(champion / "by-alias", wanted, "2")
    with pytest.raises(RegistryError):
        open_answers(champion / "others", wanted, "9")


def test_a_table_that_cannot_be_written_is_refused(project: Path) -> None:
    (project / "data").mkdir()
    for options, said in ((["a.xlsx"], "ends in .parquet or .csv"), (["a.csv", "--json"], "not both")):
        result = run("data", "--output", *options)
        assert result.exit_code == 2
        assert said in result.stderr


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
    line = run("data/Light/29.png", "--crop", "largest").stdout
    assert line.startswith("data/Light/29.png as a whole, no face was found: Light ")
    assert "face" not in run("data/Light/29.png").stdout
