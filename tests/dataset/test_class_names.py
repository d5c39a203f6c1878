import pytest

from facesent.core.errors import DataError
from facesent.dataset.files import check_class_names


@pytest.mark.parametrize("name", ["uncertain", "Uncertain"])
def test_a_class_that_is_an_answer_already_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"Received: {name}"):
        check_class_names(["Happy", name])


def test_other_names_pass() -> None:
    check_class_names(["Happy", "uncertainty", "Ærlig"])
