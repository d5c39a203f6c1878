import pytest

from facesent.core.console import run_main
from facesent.core.errors import FacesentError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FacesentError("Expected this. Received: that."), "Error: Expected this. Received: that.\n"),
        (
            OSError(28, "No space left on device", "outputs/model.keras"),
            "Error: No space left on device: outputs/model.keras. Free disk space, then run it again.\n",
        ),
        (BrokenPipeError(), ""),
    ],
)
def test_what_a_person_can_put_right_is_one_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit, match="1"):
        run_main(fail)
    assert capsys.readouterr().err == said
