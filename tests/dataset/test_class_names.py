import re

import pytest

from facesent.core.errors import DataError
from facesent.dataset.files import check_class_names
from facesent.registry.runs import metric_name


@pytest.mark.parametrize("name", ["uncertain", "Uncertain"])
def test_a_class_that_is_an_answer_already_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"Received: {name}"):
        check_class_names(["Happy", name])


@pytest.mark.parametrize(
    "names", [("Happy", "happy"), ("C+", "C#"), ("a b", "a_b"), ("a b", "a  b"), ("Zoë", "Zoe\u0308"), ("😀", "😡")]
)
def test_two_classes_that_share_a_measure_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=f"Received: {re.escape(names[0])} and {re.escape(names[1])}"):
        check_class_names(names)


def test_a_class_that_nobody_can_type_is_refused() -> None:
    with pytest.raises(DataError, match="NFC"):
        check_class_names(["Happy", "Zoe\u0308"])


def test_a_class_with_a_name_of_255_bytes_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match=r"at most 100 characters\. Received: 255, SSS") as error:
        check_class_names(["S" * 255])
    assert len(str(error.value)) < 200


def test_other_names_pass_and_each_has_measures_of_its_own_in_mlflow() -> None:
    names = ["Happy", "uncertainty", "Ærlig", "C", "C+", "高兴", "-Sad, 50% #1", "S" * 100]
    check_class_names(names)
    measures = {metric_name(f"test_precision/{name}").casefold() for name in names}
    assert len(measures) == len(names)
    assert max(map(len, measures)) < 250
