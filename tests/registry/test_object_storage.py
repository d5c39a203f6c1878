"""Artifacts in moto's object storage: models come back from it, and what it refuses is one line."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from facesent.core.errors import TrackingError
from facesent.core.watching import Start
from facesent.params import load_params
from facesent.promotion import register
from facesent.registry import versions
from facesent.registry.recorder import Recorder
from facesent.registry.runs import EXPERIMENT
from facesent.registry.troubles import of_server
from facesent.serving.server import served
from tests.helpers.object_storage import Storage
from tests.helpers.stubs import stub
from tests.helpers.trained_project import make_project

pytestmark = pytest.mark.slow

BUCKET = "runs"
REFUSED = "Expected the object storage of MLflow's artifacts to answer. Received: "
EXPIRED = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"""
# As where it is not installed.
WITHOUT_BOTO3 = """
import sys
class Gone:
    def find_spec(self, name, *_):
        if name == "boto3":
            raise ModuleNotFoundError("No module named 'boto3'", name=name)
sys.meta_path.insert(0, Gone())
from facesent.cli import main
main(["predict", "data/Dark"])
"""


@pytest.fixture
def bucket(mlflow_store: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The storage that has the artifacts of the tracking store."""
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", object_storage.address)
    object_storage.bucket(BUCKET)
    MlflowClient().create_experiment(EXPERIMENT, artifact_location=f"s3://{BUCKET}/artifacts")
    return object_storage


def said(*command: str, **variables: str) -> str:
    """The last line on stderr of a command that is refused, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "facesent.cli", *command], env={**os.environ, **variables}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    return done.stderr.splitlines()[-1]


def champion() -> int:
    version = register.register(make_project(Path())).version
    versions.set_alias(versions.CHAMPION, version)
    return version


@pytest.mark.long
def test_a_version_is_registered_once_loaded_and_served(project: Path, bucket: Storage) -> None:
    version = champion()
    assert any(key.endswith("/artifacts/model.keras") for key in bucket.keys(BUCKET))
    assert not register.register(make_project(Path())).created
    photo = next(Path("data/Dark").iterdir())
    classifier = versions.load_classifier(version)
    assert classifier.predict([classifier.read(photo.read_bytes())])[0].label == "Dark"
    with served(versions.model_uri(version)) as server:
        asked = {"dataframe_records": [{"image": base64.b64encode(photo.read_bytes()).decode()}]}
        answer = httpx.post(server.address, content=json.dumps(asked), headers={"Content-Type": "application/json"})
    assert answer.json()["predictions"][0]["label"] == "Dark"


@pytest.mark.long
def test_a_version_whose_weights_are_gone_is_registered_again(project: Path, bucket: Storage) -> None:
    version = champion()
    [weights] = [key for key in bucket.keys(BUCKET) if key.endswith("/artifacts/model.keras")]
    bucket.client().delete_object(Bucket=BUCKET, Key=weights)
    with pytest.raises(versions.RegistryError, match="To register the model in outputs/ again: facesent promote"):
        versions.load_classifier(version)
    assert register.register(make_project(Path())).created


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is said of a champion that is loaded with other variables; MLflow keeps its clients for minutes."""
    from mlflow.store.artifact.s3_artifact_repo import _cached_get_s3_client

    def load(**variables: str) -> str:
        _cached_get_s3_client.cache_clear()
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(TrackingError) as refused:
                versions.load_classifier(versions.version_named().number)
        _cached_get_s3_client.cache_clear()
        return str(refused.value)

    return load


@pytest.mark.long
def test_what_is_refused_is_one_line_that_says_what_to_do(
    project: Path, bucket: Storage, anew: Callable[..., str]
) -> None:
    champion()
    assert anew(MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9") == (
        f'{REFUSED}Could not connect to the endpoint URL: "http://127.0.0.1:9/{BUCKET}". Check its address and the '
        "network, then run this again."
    )
    with stub(400, EXPIRED) as address:
        assert anew(MLFLOW_S3_ENDPOINT_URL=address).endswith(
            "The provided token has expired. Get new credentials, for instance: aws sso login"
        )
    with bucket.asking_who_is_there():
        unknown = anew(AWS_SECRET_ACCESS_KEY="hidden-word")  # noqa: S106
    assert unknown.startswith(REFUSED)
    assert "Access Key Id you provided does not exist" in unknown
    assert "hidden-word" not in unknown


@pytest.mark.long
@pytest.mark.parametrize("command", [
    ["export", "champion"],
    ["serve", "--port", "0"],
    ["promote"],
    ["predict", "data/Dark"],
])  # fmt: skip
def test_each_command_says_it(project: Path, bucket: Storage, command: list[str]) -> None:
    champion()
    line = said(*command, AWS_ACCESS_KEY_ID="")
    assert "Unable to locate credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE." in line


@pytest.mark.long
def test_what_a_refusal_leaves_a_rerun_repairs(project: Path, bucket: Storage) -> None:
    bucket.remove(BUCKET)
    # Its stage evaluate goes on without MLflow.
    made = make_project(Path(), recorded=False)
    with pytest.raises(TrackingError, match=r"bucket does not exist. Make the bucket, or correct its name"):
        register.register(made)
    assert versions.all_versions() == []
    bucket.bucket(BUCKET)
    assert versions.load_classifier(register.register(made).version)


def test_a_server_that_cannot_fetch_a_model_says_nothing_of_the_model() -> None:
    problem = "Expected `mlflow models serve` to answer. Received: NoCredentialsError: Unable to locate credentials"
    assert "AWS_PROFILE" in str(of_server(problem))
    assert of_server("Expected `mlflow models serve` to answer. Received: ValueError: bad weights") is None


@pytest.mark.long
def test_the_extra_that_is_missing_is_named(project: Path, bucket: Storage) -> None:
    champion()
    done = subprocess.run([sys.executable, "-c", WITHOUT_BOTO3], capture_output=True, text=True, check=False)
    [line] = done.stderr.splitlines()
    assert line.endswith("Received: No module named 'boto3'. Install what speaks to it: pip install -e '.[s3]'")


@pytest.mark.long
def test_a_training_goes_on_without_the_storage(
    project: Path, bucket: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_project(Path())
    bucket.remove(BUCKET)
    # Changes to the commit are kept as a file of the run.
    Path("dvc.yaml").touch()
    subprocess.run(["git", "add", "dvc.yaml"], check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "Stages"], check=True)
    Path("dvc.yaml").write_text("stages: {}\n")
    recorder = Recorder(made, load_params(made.params))
    recorder.started(Start("fingerprint", "float32", None, 1, (), {}))
    recorder.ended(None)
    assert "MLflow does not have this training" in capsys.readouterr().out
