"""What `facesent serve` may ask the registry for."""

from pathlib import Path

import pytest

from facesent.params import load_params
from facesent.promotion.releases import RegistryReleases
from facesent.registry.versions import RegistryError

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.mark.parametrize("named", ["3", "staging"])
def test_no_other_alias_than_the_champion_is_moved_back(named: str) -> None:
    with pytest.raises(RegistryError, match=rf"Expected the alias champion, to move it\. Received: {named}\."):
        RegistryReleases(named, PARAMS).roll_back(3, 2, "slow")
