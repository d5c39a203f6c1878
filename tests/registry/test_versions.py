import pytest

from facesent.registry.versions import CHAMPION, RegistryError, set_alias, version_named
from tests.helpers import promoters

pytestmark = pytest.mark.usefixtures("mlflow_store")


def test_a_version_goes_by_its_number_and_its_aliases() -> None:
    promoters.make_versions(2)
    set_alias(CHAMPION, 1)
    assert [version_named(name).number for name in ("2", "1", "champion", None)] == [2, 1, 1, 1]
    with pytest.raises(RegistryError, match=r"Expected a version of facesent \(1 champion, 2\).*Received: 3"):
        version_named("3")


def test_an_empty_registry_says_what_to_run() -> None:
    for name in (None, "1"):
        with pytest.raises(RegistryError, match="facesent promote"):
            version_named(name)
