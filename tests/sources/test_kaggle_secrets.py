"""A download leaves Kaggle's credentials in no file, no log and no line on the terminal."""

import base64
import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from facesent.cli import main

KEY = "marked-kaggle-key-81"
# As the stand-in for Kaggle signs an address.
SIGNATURE = "signed-secret"


@pytest.mark.parametrize(("key", "code"), [(KEY, 0), ("another-key", 1)])
def test_the_key_stays_in_the_environment(
    project: Path, kaggle: Any, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    key: str, code: int,
) -> None:  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("dataset/Happy/1.jpg", "dataset/Sad/1.jpg"):
            archive.writestr(name, name)
    kaggle.archive, kaggle.key = content.getvalue(), key
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    with caplog.at_level(logging.DEBUG):
        result = CliRunner().invoke(main, ["data", "download"])
    assert result.exit_code == code, result.output
    basic = base64.b64encode(f"me:{KEY}".encode()).decode()
    assert not any(sign in result.output + caplog.text for sign in (KEY, basic))
    # What Kaggle redirects to is signed; urllib3 logs it, but to those alone who ask for DEBUG.
    assert SIGNATURE not in result.output
    for file in (file for folder in (project, home) for file in folder.rglob("*") if file.is_file()):
        assert not any(sign.encode() in file.read_bytes() for sign in (KEY, basic, SIGNATURE)), file
