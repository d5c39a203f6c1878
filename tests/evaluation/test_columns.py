"""The columns of metadata.csv that evaluate.slices names, as people write them."""

from pathlib import Path

import pandas as pd
import pytest

from facesent.core.errors import DataError
from facesent.core.paths import Project
from facesent.evaluation.columns import check_columns, read_columns

ROWS = ["file_name,group,Age band,skin tone", "Happy/1.jpg,a,18-30,V", "./Happy/2.jpg,b,  30-60 ,", "Sad/3.jpg,c,60+,I"]


@pytest.fixture
def made(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.data.mkdir()
    (made.data / "metadata.csv").write_text("\n".join(ROWS), encoding="utf-8")
    made.split("test").parent.mkdir(parents=True)
    for name, images in {"train": ["Sad/3.jpg"], "test": ["Happy/2.jpg", "Happy/1.jpg", "Sad/4.jpg"]}.items():
        pd.DataFrame({"file_name": images}).to_csv(made.split(name), index=False)
    return made


def test_each_test_image_has_its_values_and_a_value_without_one_is_known(made: Project) -> None:
    test = pd.read_csv(made.split("test"))
    columns = read_columns(made, ["Age band", "skin tone", "Age band"], test)
    assert list(columns) == ["Age band", "skin tone"]
    assert columns["Age band"].astype(object).where(columns["Age band"].notna(), None).tolist() == [
        "30-60",
        "18-30",
        None,
    ]
    assert list(columns["Age band"].cat.categories) == ["18-30", "30-60", "60+"]
    assert columns["skin tone"].isna().tolist() == [True, False, True]
    assert read_columns(made, [], test).shape == (3, 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("age band", "Did you mean Age band? Its columns: Age band, skin tone."),
        ("Skintone", "Did you mean skin tone?"),
        ("group", "Received: group. Its columns: Age band, skin tone."),
        ("camera", "Received: camera. Its columns"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(made: Project, name: str, expected: str) -> None:
    with pytest.raises(DataError) as refused:
        check_columns(made.data, ["skin tone", name])
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_column_of_many_values_is_refused_with_how_many(made: Project) -> None:
    rows = ["file_name,age", *(f"Happy/{age}.jpg,{age}" for age in range(18, 31))]
    (made.data / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"^Expected at most 12 values in the column age .* Received: 13, such as 18"):
        check_columns(made.data, ["age"])


def test_without_metadata_it_says_which_file_is_missing(made: Project) -> None:
    (made.data / "metadata.csv").unlink()
    check_columns(made.data, [])
    with pytest.raises(DataError, match=r"evaluate\.slices \(age\) in .*metadata\.csv\. Received: no such file"):
        check_columns(made.data, ["age"])
