import os
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from facesent.registry import runs, versions
from facesent.registry.versions import CHAMPION, RegistryError, number_named, set_alias, version_named
from tests.helpers import promoters

pytestmark = pytest.mark.usefixtures("mlflow_store")


def test_a_version_goes_by_its_number_and_its_aliases() -> None:
    promoters.make_versions(2)
    set_alias(CHAMPION, 1)
    for numbered in (lambda name: version_named(name).number, number_named):
        assert [numbered(name) for name in ("2", "1", "champion", None)] == [2, 1, 1, 1]
        with pytest.raises(RegistryError, match=r"Expected a version of facesent \(1 champion, 2\).*Received: 3"):
            numbered("3")


def test_one_version_is_what_the_list_says_of_it() -> None:
    promoters.make_versions(2)
    set_alias(CHAMPION, 1)
    versions.tag_version(1, {"test_accuracy": "0.9100", "test_accuracy_interval": "0.8800 to 0.9300"})
    assert [versions.get(2), versions.get(1)] == versions.all_versions()
    assert versions.get(1).aliases == (CHAMPION,)
    assert (versions.get(1).accuracy, versions.get(1).accuracy_interval) == (0.91, (0.88, 0.93))
    assert (versions.get(2).accuracy, versions.get(2).accuracy_interval) == (None, None)
    with pytest.raises(RegistryError, match="Received: 3, which does not exist"):
        versions.get(3)


def test_of_a_long_text_a_tag_has_the_beginning() -> None:
    promoters.make_versions(1)
    run_id = runs.begin("run", {})
    for text, held in (("word " * 200, "word " * 200), ("word " * 201, "word " * 199 + "wor …")):
        versions.tag_version(1, {"why": text})
        runs.tag_run(run_id, {"why": text})
        assert versions.get(1).tags["why"] == runs.run_tags(run_id)["why"] == held


def test_an_empty_registry_says_what_to_run() -> None:
    for name in (None, "1"):
        with pytest.raises(RegistryError, match="facesent promote"):
            number_named(name)


@pytest.mark.long
def test_a_run_that_was_deleted_is_not_written_to() -> None:
    client, run_id = MlflowClient(), runs.begin("run", {})
    client.create_registered_model(versions.NAME)
    client.create_model_version(versions.NAME, "file:///nowhere", run_id=run_id)
    assert versions.run_of(1) == run_id
    client.delete_run(run_id)
    assert versions.run_of(1) == ""
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", os.environ["MLFLOW_TRACKING_URI"]]
    subprocess.run([*command, "--tracking-uri", command[-1]], check=True)
    assert versions.run_of(1) == ""
