from pathlib import Path

import pytest

from benchmarks.projects import configure
from benchmarks.recipes import RECIPES
from facesent.core.nested import with_values
from facesent.core.paths import Project
from facesent.params import Params, load_params


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_valid_settings_and_changes_what_it_names(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    configure(tmp_path, recipe.preset, recipe.changes)
    params = load_params(Project(tmp_path).params)
    assert Params.model_validate(with_values(params.nested(), recipe.changes)) == params
