import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.dataset.expectations import Checked, check
from facesent.dataset.manifest import COLUMNS, CONFLICT
from facesent.dataset.settings import Validate
from facesent.dataset.suite import rules

pytestmark = pytest.mark.slow

CLASSES = ("Angry", "Happy")
PARAMS = Validate(
    min_images_per_class=20,
    min_side=32,
    max_side=1000,
    max_pixels=1_000_000,
    max_aspect_ratio=3,
    max_imbalance=4,
    max_duplicates=0.1,
    max_quarantined=0.05,
    min_brightness=10,
    max_brightness=245,
    max_extreme_brightness=0.1,
)


def make_manifest(counts: dict[str, int]) -> pd.DataFrame:
    """A manifest of images that meet every expectation, but perhaps for their number."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    names = [f"{label}/{index:04d}.png" for index, label in enumerate(labels)]
    count = len(labels)
    text = {"file_name": names, "label": labels, "sha256": [f"{index:064x}" for index in range(count)]}
    constant = {
        "group": None,
        "split": None,
        "source_sha256": None,
        "source_phash": None,
        "mode": "RGB",
        "format": "PNG",
        "phash": "0" * 16,
        "phash_mirrored": "1" * 16,
        "reason": None,
    }
    numbers = {"width": 100, "height": 100, "bytes": 1000, "brightness": 120.0, "contrast": 50.0, "sharpness": 9.0}
    table = pd.DataFrame({**text, **constant, **numbers, "ok": True})
    return table.astype({**dict.fromkeys([*text, *constant], "str"), "width": "Int64", "height": "Int64"})[
        list(COLUMNS)
    ]


def check_all(manifest: pd.DataFrame, docs: Path, classes: tuple[str, ...] = CLASSES) -> dict[str, Checked]:
    return {outcome.description: outcome for outcome in check(manifest, classes, PARAMS, docs)}


def failures(outcomes: dict[str, Checked]) -> set[str]:
    return {description for description, outcome in outcomes.items() if not outcome.success}


def test_good_images_meet_all_expectations(tmp_path: Path) -> None:
    outcomes = check_all(make_manifest({"Angry": 50, "Happy": 50}), tmp_path / "docs")
    assert not failures(outcomes)
    assert list(outcomes) == [rule.description for rule in rules(CLASSES, PARAMS)]


def test_each_flaw_fails_its_own_expectation(tmp_path: Path) -> None:
    """One pass over a manifest with nearly all flaws, since each pass takes a second."""
    manifest = make_manifest({"Angry": 120, "Happy": 10})
    manifest.loc[0:6, ["ok", "phash", "width", "height", "reason"]] = [False, None, None, None, "truncated"]
    manifest.loc[7:8, ["ok", "reason"]] = [False, f"{CONFLICT}: Happy/x.png"]
    manifest.loc[10:30, "sha256"] = "f" * 64
    manifest.loc[31:40, "width"] = 20
    manifest.loc[41:50, "height"] = 2000
    manifest.loc[51:80, "brightness"] = 3.0
    outcomes = check_all(manifest, tmp_path / "docs")

    assert failures(outcomes) == {
        "Few images are quarantined.",
        "Each file can be read as an image.",
        "No image has two labels.",
        "Few images are exact duplicates.",
        "Hardly any images are too small.",
        "Hardly any images are too large.",
        "No image is extremely narrow.",
        "Few images are nearly black or nearly white.",
        "Each class folder has enough usable images.",
        "The largest class is not many times as large as the smallest.",
    }
    quarantined = outcomes["Few images are quarantined."]
    assert quarantined.severity == "critical"
    assert quarantined.threshold == "validate.max_quarantined = 0.05"
    assert quarantined.observed == "9 of 130 images differ"
    assert quarantined.examples[0] == "Angry/0000.png (truncated)"
    assert f"Angry/0007.png ({CONFLICT}: Happy/x.png)" in quarantined.examples
    assert outcomes["Each class folder has enough usable images."].examples == ("Happy (images 10)",)
    assert outcomes["Hardly any images are too small."].examples[0] == "Angry/0031.png (short_side 20)"
    assert len(outcomes["Few images are nearly black or nearly white."].examples) == 10
    assert outcomes["Few images are nearly black or nearly white."].severity == "warning"
    assert outcomes["The largest class is not many times as large as the smallest."].observed == "11.1"


def test_a_tolerated_share_passes_and_is_still_named(tmp_path: Path) -> None:
    manifest = make_manifest({"Angry": 50, "Happy": 50})
    manifest.loc[0:3, ["ok", "phash", "reason"]] = [False, None, "empty file"]
    outcomes = check_all(manifest, tmp_path / "docs")
    assert failures(outcomes) == {"Each file can be read as an image."}
    assert len(outcomes["Few images are quarantined."].examples) == 4


def test_an_empty_class_folder_and_foreign_values_fail(tmp_path: Path) -> None:
    manifest = make_manifest({"Angry": 50, "Other": 50})
    manifest.loc[3, "split"] = "holdout"
    manifest.loc[5, "file_name"] = manifest.loc[6, "file_name"]
    outcomes = check_all(manifest, tmp_path / "docs")
    assert failures(outcomes) == {
        "Each file is listed once.",
        "Each label is the name of a class folder.",
        "A split that metadata.csv gives is train, val or test.",
        "Each class folder has enough usable images.",
        "The largest class is not many times as large as the smallest.",
    }
    assert outcomes["Each class folder has enough usable images."].examples == ("Happy (images 0)",)


def test_images_that_are_all_unreadable_are_judged_too(tmp_path: Path) -> None:
    manifest = make_manifest({"Angry": 30, "Happy": 30}).assign(ok=False, reason="truncated", brightness=np.nan)
    manifest[["phash", "width", "height"]] = None
    outcomes = check_all(manifest.astype({"width": "Int64", "height": "Int64", "phash": "str"}), tmp_path / "docs")
    assert "Few images are quarantined." in failures(outcomes)
    assert outcomes["Hardly any images are too small."].observed == "nothing to check"


def test_pages_are_written_the_same_each_time_and_hold_no_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    manifest = make_manifest({"Angry": 50, "Happy": 50})
    manifest.loc[0, ["ok", "phash", "reason"]] = [False, None, "empty file"]
    pages = []
    for name in ("one", "two"):
        docs = tmp_path / name
        docs.mkdir()
        (docs / "stale.html").write_text("old")
        check_all(manifest, docs)
        pages.append({file.relative_to(docs): file.read_bytes() for file in docs.rglob("*") if file.is_file()})

    assert pages[0] == pages[1]
    assert Path("stale.html") not in pages[0]
    index = pages[0][Path("index.html")].decode()
    for path, content in pages[0].items():
        if path.suffix == ".html":
            assert str(tmp_path.parent).encode() not in content
            assert b"dataContextId" not in content
        if path.parts[0] == "validations":
            assert path.as_posix() in index
    assert not (tmp_path / "home").exists()


def test_what_is_only_told_has_pages_of_its_own_which_ask_no_other_machine(tmp_path: Path) -> None:
    manifest = make_manifest({"Angry": 50, "Happy": 50})
    manifest.loc[0, ["ok", "reason"]] = [False, f"{CONFLICT}: Happy/x.png"]
    check_all(manifest, tmp_path / "docs")
    pages = {page.parts[-4]: page.read_text() for page in (tmp_path / "docs" / "validations").rglob("*.html")}
    status = {name: re.search(r"Status:.*?(Succeeded|Failed)\b", text, re.DOTALL)[1] for name, text in pages.items()}
    assert status["images-critical"] == "Succeeded"
    assert status["images-warning"] == "Failed"
    for text in [*pages.values(), (tmp_path / "docs" / "index.html").read_text()]:
        assert not re.search(r"<script|<link[^>]+https?:|1970-01-01", text)
        assert "<style>" in text


def test_names_are_text_on_the_pages(tmp_path: Path) -> None:
    hostile = "<script>alert(1)<img src=x onerror=alert(2)>"
    manifest = make_manifest({hostile: 10, "Happy": 40})
    manifest.loc[0, ["ok", "phash", "reason"]] = [False, None, "<script>alert(3)"]
    outcomes = check_all(manifest, tmp_path / "docs", (hostile, "Happy"))
    assert f"{hostile}/0000.png (<script>alert(3))" in outcomes["Each file can be read as an image."].examples
    pages = "".join(page.read_text() for page in (tmp_path / "docs").rglob("*.html"))
    assert "&lt;script&gt;alert(1)&lt;img" in pages
    assert not re.search("<script|<img src=x", pages)
