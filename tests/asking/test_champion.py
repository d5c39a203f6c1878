import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import facesent
from facesent import load_champion, predict
from facesent.asking.champion import _loaded
from facesent.cli import main
from facesent.core.errors import FacesentError, TrackingError
from facesent.core.ports import free_port
from facesent.images.reading import ImageError
from facesent.registry.versions import RegistryError
from tests.helpers.documents import blocks
from tests.helpers.tracking_server import tracking_server
from tests.helpers.trained_project import make_project


def test_what_is_exported_is_imported_without_tensorflow() -> None:
    code = "from facesent import Answer, Champion, load_champion, predict; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tensorflow", "keras", "mlflow", "pandas"} & set(loaded)
    with pytest.raises(AttributeError, match="no attribute 'champion'"):
        _ = facesent.champion
    for name in facesent.__all__:
        assert getattr(facesent, name).__doc__


def test_outside_a_project_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FacesentError, match="Run it in the project's root folder"):
        load_champion()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def champion(mlflow_store: Path, project: Path) -> Path:
    from facesent.promotion import register
    from facesent.registry import versions

    with pytest.raises(RegistryError, match="Expected a champion"):
        load_champion()
    candidate = register.register(make_project(project))
    versions.set_alias(versions.CHAMPION, candidate.version)
    return project


@pytest.mark.slow
def test_a_program_gets_the_answers_of_the_terminal(champion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((champion / "data").glob("*/*.png"))
    lines = CliRunner().invoke(main, ["predict", "data", "--json"], catch_exceptions=False).stdout.splitlines()
    said = [{name: value for name, value in json.loads(line).items() if name != "file"} for line in lines]
    loaded = load_champion()
    assert (loaded.version, loaded.labels, loaded.min_confidence) == (1, ("Dark", "Light"), 0.0)
    assert [answer.as_dict() for answer in loaded.predict(files)] == said
    arrays = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    assert [answer.as_dict() for answer in predict(arrays)] == said
    assert [answer.as_dict() for answer in predict(files[0])] == said[:1]
    assert predict(files[0], min_confidence=1)[0].label == "uncertain"
    assert [*predict(files[-1], top_k=1)[0].probabilities] == ["Light"]
    assert predict([]) == []
    assert "_classifier" not in repr(loaded)

    with pytest.raises(ImageError, match=r"^Photo 1: Expected an image file\. Received: no bytes"):
        loaded.predict([files[0], b""])
    for wrong in ({"min_confidence": 2}, {"top_k": -1}, {"crop": "all"}):
        [name] = wrong
        with pytest.raises(ValueError, match=f"^{name}: Expected .* Received: "):
            loaded.predict(files[0], **wrong)


@pytest.mark.slow
def test_an_address_is_for_one_call(champion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    store = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert load_champion(store).version == 1
    assert predict(champion / "data" / "Light" / "29.png", tracking_uri=store)[0].label == "Light"
    assert os.environ["MLFLOW_TRACKING_URI"] == mlflow.get_tracking_uri() == "http://127.0.0.1:9"
    with pytest.raises(FacesentError, match="expected the form http://HOST:5000"):
        load_champion("127.0.0.1:5000")
    with chdir(tmp_path), pytest.raises((TrackingError, RegistryError)):
        load_champion("sqlite:///nowhere/mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not mlflow.is_tracking_uri_set()


@pytest.mark.slow
def test_threads_may_ask_at_once(champion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    _loaded.cache_clear()
    photo = champion / "data" / "Light" / "29.png"
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(predict, photo, tracking_uri=store) for _ in range(8)]
        assert [answer.label for future in asked for answer in future.result()] == ["Light"] * 8
    assert _loaded.cache_info().misses == 1
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("project")
def test_a_server_is_asked_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.promotion import register
    from facesent.registry import versions

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    with tracking_server(tmp_path, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        project = make_project(Path.cwd())
        versions.set_alias(versions.CHAMPION, register.register(project).version)
        photo = (project.data / "Light" / "29.png").absolute()
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        monkeypatch.chdir(notebooks)
        champion = load_champion(address)
        assert predict(photo, tracking_uri=address) == champion.predict(photo)
        # In a process of its own, that imports Keras, which writes where it is told to.
        monkeypatch.delenv("KERAS_HOME", raising=False)
        code = f"from facesent import predict; print(predict({str(photo)!r}, tracking_uri={address!r})[0].label)"
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert asked.stdout == "Light\n", asked.stderr
    assert champion.predict(photo)[0].label == "Light"
    assert list(notebooks.iterdir()) == []


@pytest.mark.slow
def test_the_notebook_of_the_docs_runs(champion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from facesent.sources.drawn_faces.portrait import draw_portrait

    Image.fromarray(draw_portrait(7, 4, 1, "Neutral", 160)).save(champion / "party.jpg")
    code = [block.code for block in blocks("docs/install.md") if block.language == "python"]
    exec("\n".join(code), {})  # noqa: S102
    assert "Light" in capsys.readouterr().out
