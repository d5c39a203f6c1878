"""What `facesent serve` may ask the registry for."""

from pathlib import Path

import pytest

from facesent.params import load_params
from facesent.promotion.releases import RegistryReleases
from facesent.registry import versions
from facesent.registry.versions import RegistryError
from tests.helpers import promoters

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.mark.parametrize("named", ["3", "staging"])
def test_no_other_alias_than_the_champion_is_moved_back(named: str) -> None:
    with pytest.raises(RegistryError, match=rf"Expected the alias champion, to move it\. Received: {named}\."):
        RegistryReleases(named, PARAMS).roll_back(3, 2, "slow")


@pytest.mark.slow
@pytest.mark.usefixtures("mlflow_store")
def test_a_version_may_not_be_served_again_that_knows_who_was_forgotten_or_that_is_gone() -> None:
    promoters.make_versions(2)
    versions.tag_version(2, {versions.RETRAIN_TAG: "2026-01-02"})
    releases = RegistryReleases(None, PARAMS)
    assert releases.objection_to(1) == ""
    assert "must be trained again" in releases.objection_to(2)
    assert "Received: 3, which does not exist" in releases.objection_to(3)
