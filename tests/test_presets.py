from itertools import permutations
from pathlib import Path

import pytest
import yaml

from facesent.core.nested import flatten
from facesent.params import load_params
from facesent.presets import (
    BASE,
    Change,
    load_preset,
    nearest_preset,
    preset,
    presets,
    rewritten,
    save,
    whole,
)
from facesent.section import ParamsError

ROOT = Path(__file__).parents[1]
PRESETS = presets(ROOT)
FILES = {path.stem: path.read_text() for path in sorted((ROOT / "presets").glob("*.yaml"))}


def settings_of(name: str) -> dict[str, str]:
    """As MLflow has them."""
    return {key: str(value) for key, value in load_preset(ROOT, name).flat().items()}


def test_the_committed_settings_are_the_base_and_hold_every_key() -> None:
    assert (ROOT / "params.yaml").read_text() == PRESETS[BASE] == FILES[BASE]
    known = {key for key in flatten(load_preset(ROOT, BASE).nested()) if not key.startswith("sweep.space.")}
    assert known <= flatten(yaml.safe_load(FILES[BASE])).keys()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_and_says_first_what_it_is(name: str) -> None:
    assert load_preset(ROOT, name).model.image_size >= 16
    assert PRESETS[name].startswith(f'# Preset "{name}": ')
    assert f"facesent preset {name}" in PRESETS[name].split("\n\n")[0]


@pytest.mark.parametrize("name", sorted({*PRESETS} - {BASE}))
def test_a_preset_holds_what_differs_and_no_more(name: str) -> None:
    held = flatten(yaml.safe_load(FILES[name]))
    base = load_preset(ROOT, BASE).flat()
    assert {key for key, value in held.items() if base.get(key) == value} == set()


def comments(text: str) -> set[str]:
    return {line.partition("#")[2] for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_keeps_the_comments_of_the_base(name: str) -> None:
    assert comments(FILES[BASE]) <= comments(PRESETS[name])


def test_what_a_preset_says_does_not_depend_on_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for first, second in permutations(PRESETS, 2):
        save(preset(ROOT, first), path)
        save(preset(ROOT, second), path)
        assert path.read_text() == PRESETS[second]


def test_a_file_that_is_whole_stays_what_it_says() -> None:
    composed = whole({**FILES, **{f"whole {name}": text for name, text in PRESETS.items()}})
    for name, text in PRESETS.items():
        assert composed[f"whole {name}"] == text


def test_a_space_is_replaced_and_not_mixed() -> None:
    space = {"train.batch_size": {"choices": [8, 16]}}
    texts = whole({BASE: FILES[BASE], "a": yaml.safe_dump({"sweep": {"space": space}}), "b": "sweep: {space: {}}"})
    assert [yaml.safe_load(texts[name])["sweep"]["space"] for name in ("a", "b")] == [space, {}]


def test_an_unknown_preset_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"best, fast, finetuned, quick, reference\. Received: best-ever"):
        preset(ROOT, "best-ever")
    (tmp_path / "presets").mkdir()
    with pytest.raises(ParamsError, match="none here"):
        preset(tmp_path, "quick")


def test_a_project_without_presets_has_those_of_the_package(tmp_path: Path) -> None:
    assert presets(tmp_path) == PRESETS
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("# Mine\n")
    assert [*presets(tmp_path)] == ["mine"]


def test_settings_that_are_not_valid_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    save(PRESETS[BASE], path)
    with pytest.raises(ParamsError, match=r"train\.epochs"):
        save(rewritten(PRESETS[BASE], {"train.epochs": -1}), path)
    assert path.read_text() == PRESETS[BASE]
    assert list(tmp_path.iterdir()) == [path]


def test_the_settings_of_a_preset_differ_in_nothing() -> None:
    for name in PRESETS:
        nearest = nearest_preset(settings_of(name), PRESETS)
        assert nearest
        assert (nearest.preset, nearest.changes) == (name, ())
        assert nearest_preset(load_preset(ROOT, name).flat(), PRESETS) == nearest


def test_what_differs_is_named_with_both_values() -> None:
    run = settings_of("quick") | {"train.epochs": "3", "model.dropout": "0.10", "train.seed": "7.0"}
    nearest = nearest_preset(run, PRESETS)
    assert nearest
    assert (nearest.preset, nearest.changes) == ("quick", (Change("train.epochs", "30", "3"),))


def test_a_preset_of_another_release_is_compared_by_its_text() -> None:
    nearest = nearest_preset({"train.epochs": "3", "train.new": "1"}, {"old": "train: {epochs: 3, gone: true}"})
    assert nearest
    assert nearest.changes == (Change("train.gone", "True", None), Change("train.new", None, "1"))


def test_a_key_that_neither_the_run_nor_the_preset_of_its_time_knew_is_no_difference() -> None:
    run = {key: value for key, value in settings_of(BASE).items() if key != "evaluate.smiling_class"}
    older = yaml.safe_load(FILES[BASE])
    del older["evaluate"]["smiling_class"]
    nearest = nearest_preset(run, {BASE: yaml.safe_dump(older)})
    assert nearest
    assert nearest.changes == ()
    nearest = nearest_preset({**run, "evaluate.smiling_class": "Happy"}, {BASE: yaml.safe_dump(older)})
    assert nearest
    assert nearest.changes == (Change("evaluate.smiling_class", "None", "Happy"),)


def test_nothing_to_compare_with() -> None:
    assert nearest_preset({"train.epochs": "3"}, {}) is None
    assert nearest_preset({}, PRESETS) is None


def test_the_committed_file_can_be_read(tmp_path: Path) -> None:
    save(PRESETS["reference"], tmp_path / "params.yaml")
    assert load_params(tmp_path / "params.yaml") == load_preset(ROOT, "reference")


UNREADABLE = {
    "mine": (b"# Mine\ntrain:\n\tepochs: 3\n", r"Expected YAML in .*mine\.yaml.* line 3"),
    "bytes": (b"\x00\x05\x16\x07\xff", r"Expected UTF-8 in .*bytes\.yaml"),
    "list": (b"- train\n", r"Expected settings, KEY: VALUE in each line, in .*list\.yaml"),
    "twice": (b"train: {epochs: 3, epochs: 4}\n", r"epochs twice"),
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A project with presets of its own, and what editors and macOS leave beside them."""
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "quick.yaml").write_bytes((ROOT / "presets" / "quick.yaml").read_bytes())
    (folder / ".#quick.yaml").symlink_to("someone@host.123")
    (folder / "._quick.yaml").write_bytes(b"\x00\x05\x16\x07\xff")
    return tmp_path


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_preset_that_cannot_be_read_is_told_where_it_is_asked_for(own: Path, name: str) -> None:
    content, words = UNREADABLE[name]
    (own / "presets" / f"{name}.yaml").write_bytes(content)
    assert [*presets(own)] == ["quick"]
    with pytest.raises(ParamsError, match=words):
        preset(own, name)


def test_presets_over_a_base_that_cannot_be_read_are_none(own: Path) -> None:
    (own / "presets" / "mine.yaml").write_text("train: {epochs: 3}\n")
    (own / "presets" / "quick.yaml").write_text("train: [\n")
    assert presets(own) == {}
    with pytest.raises(ParamsError, match=r"Expected YAML in .*quick\.yaml"):
        preset(own, "mine")
