"""The page as streamlit runs it, without a browser: its own harness gives it files and reads what it shows."""

import io
import resource
import sys
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from facesent.core.paths import Project
from facesent.params import load_params
from facesent.presets import write_values
from facesent.promotion.register import register
from facesent.serving.answers.corrections import waiting
from facesent.serving.answers.log import opened
from facesent.serving.app.running import PAGE, command
from tests.helpers.trained_project import SIDE, make_project

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    # Streamlit puts the page in its place and leaves it there: later tests' processes would run the page.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def made(project: Path, mlflow_store: Path) -> Project:
    return make_project(project)


@pytest.fixture
def page(made: Project, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    version = str(register(made).version)
    monkeypatch.setattr("sys.argv", ["page.py", version])
    return AppTest.from_file(str(PAGE), default_timeout=120).run()


def with_file(page: AppTest, name: str, content: bytes) -> AppTest:
    return page.file_uploader[0].upload(name, content, "application/octet-stream").run()


def grey_photo(brightness: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4 * SIDE, 3 * SIDE), (brightness,) * 3).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_photo_without_a_face_is_answered_with_a_warning(page: AppTest) -> None:
    assert "version 1" in page.caption[0].value
    shown = with_file(page, "photo.jpg", grey_photo(20))
    assert not shown.exception
    assert shown.subheader[0].value.startswith("Dark, ")
    assert not shown.warning
    shown.toggle[1].set_value(True).run()
    assert "No face was found" in shown.warning[0].value


def test_a_text_file_gets_a_readable_refusal(page: AppTest) -> None:
    shown = with_file(page, "notes.txt", b"I am no photo")
    assert not shown.exception
    assert "This photo cannot be read" in shown.error[0].value
    assert not shown.subheader


def test_below_the_confidence_asked_for_it_is_uncertain(page: AppTest) -> None:
    page.slider[0].set_value(1.0)
    assert with_file(page, "photo.jpg", grey_photo(120)).subheader[0].value.startswith("Uncertain")


def test_without_a_champion_the_page_says_what_to_run(
    project: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["page.py"])
    shown = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert "facesent promote" in shown.error[0].value


def test_a_correction_on_a_full_disk_is_said_on_the_page(page: AppTest, made: Project) -> None:
    write_values(made.params, {"log.photos": True}, made.params)
    shown = with_file(page, "photo.jpg", grey_photo(20) + b" " * 2_000_000)
    shown.selectbox[0].set_value("Light").run()
    full = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, full[1]))
    try:
        shown.button[0].click().run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, full)
    assert not shown.exception
    assert "File too large" in shown.error[0].value
    shown.button[0].click().run()
    assert "waits" in shown.success[0].value


def test_the_server_listens_on_this_machine_alone_and_sends_no_statistics() -> None:
    line = command(8501, None, browser=False)
    assert "--server.address=127.0.0.1" in line
    assert "--browser.gatherUsageStats=false" in line
    # In a new home streamlit would wait for an e-mail address, and end where nobody can give one.
    assert "--server.showEmailPrompt=false" in line


def test_a_wrong_answer_is_noted_and_waits(page: AppTest, made: Project) -> None:
    shown = with_file(page, "photo.jpg", grey_photo(20))
    shown.selectbox[0].set_value("Light").run()
    shown.button[0].click().run()
    assert not shown.exception
    assert "waits" in shown.success[0].value
    with opened(load_params(made.params).log) as store:
        [found] = waiting(store)
    assert (found.version, found.answered, found.label, found.source) == (1, "Dark", "Light", "app")
    # No photo unless it is asked for.
    assert found.photo is None
