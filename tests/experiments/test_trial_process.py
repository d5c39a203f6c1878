from pathlib import Path

import pytest

from facesent.experiments.trial_process import TrialFailedError, training_process


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "trial-3"
    folder.mkdir()
    (folder / "params.yaml").write_text("model: {}")
    with (
        pytest.raises(TrialFailedError, match=r"trial-3 failed \(1\)") as caught,
        training_process(tmp_path, folder) as rows,
    ):
        list(rows)
    assert "model.name: Field required" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert str(folder / "log.txt") in str(caught.value)
