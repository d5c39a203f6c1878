"""The pages as a site: whole, with links that lead somewhere, and without anything from other machines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.documents import ROOT
from tools import structure


def test_the_structure_is_that_of_dvc_yaml_and_of_the_layers() -> None:
    assert structure.PAGE.read_text(encoding="utf-8") == structure.page(), "run: python -m tools.structure"


def test_the_readme_takes_five_minutes_and_links_to_what_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    names = [page if isinstance(page, str) else next(iter(page.values())) for page in nav]
    assert {Path(name).stem for name in names} == {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert all((site / name).with_suffix(".html").is_file() for name in names)


def test_a_page_asks_other_machines_for_nothing(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(?:https?:)?//", text) == []
        assert [link for link in re.findall(r"<link[^>]*>", text) if "//" in link] == []
