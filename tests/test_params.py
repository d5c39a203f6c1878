from pathlib import Path
from typing import Any

import pytest
import yaml

from facesent.dataset.settings import Split
from facesent.params import load_params
from facesent.section import ParamsError, Section, parse_yaml, read_yaml, section
from facesent.training.settings import Train

ROOT = Path(__file__).parents[1]


def written(folder: Path, **changes: object) -> Path:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in changes.items():
        section, _, name = key.partition("__")
        settings[section][name] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"train\.epoch:.*Received: 3"):
        load_params(written(tmp_path, train__epoch=3))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("train.epoch", "train.epochs"),
        ("train.optimizer.learningrate", "train.optimizer.learning_rate"),
        ("train.learning_rate", "train.head.learning_rate or train.optimizer.learning_rate"),
        ("dropout", "model.dropout"),
        ("valdate", "validate"),
        ("validate.min_sid", "validate.min_side"),
    ],
)
def test_an_unknown_key_that_looks_like_one_is_asked_about(tmp_path: Path, typed: str, meant: str) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    *sections, name = typed.split(".")
    place = settings
    for section_ in sections:
        place = place[section_]
    place[name] = 3
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(ParamsError, match=rf"{typed}: .*\. Received: 3\. Did you mean {meant}\?"):
        load_params(path)


def test_a_stage_asks_too_and_about_what_is_like_nothing_nobody_does(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"train\.epoch: .*Did you mean train\.epochs\?"):
        section(written(tmp_path, train__epoch=3), "train", Train)
    with pytest.raises(ParamsError, match=r"train\.colour: .*Received: 3$"):
        load_params(written(tmp_path, train__colour=3))


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("  epochs: 30\n", "  epochs: 30\n  epochs: 2\n"))
    with pytest.raises(ParamsError, match=r"Received: epochs twice .*line \d+"):
        load_params(path)


@pytest.mark.parametrize("content", ["# Größe\n".encode("latin-1"), "a: 1\n".encode("utf-16")])
def test_what_is_no_utf_8_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(ParamsError, match=r"Expected UTF-8 in .*params\.yaml"):
        load_params(tmp_path / "params.yaml")


def test_a_folder_in_the_place_of_the_settings_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(ParamsError, match=r"Expected the settings in .*params\.yaml\. Received: Is a directory"):
        load_params(tmp_path / "params.yaml")


def test_a_value_out_of_range_is_named_with_what_was_received(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"model\.dropout:.*Received: 1\.5"):
        load_params(written(tmp_path, model__dropout=1.5))


@pytest.mark.parametrize("seed", [-1, 2**32])
@pytest.mark.parametrize("name", ["split", "train", "evaluate", "gate", "watch", "cross_validation", "sweep"])
def test_a_seed_that_some_library_does_not_take_is_refused(tmp_path: Path, name: str, seed: int) -> None:
    with pytest.raises(ParamsError, match=rf"{name}\.seed: .*Received: {seed}"):
        load_params(written(tmp_path, **{f"{name}__seed": seed}))
    load_params(written(tmp_path, **{f"{name}__seed": 2**32 - 1}))


def test_validate_may_not_take_what_no_reader_would(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"validate\.max_pixels: .* 50000000\. Received: 80000000"):
        load_params(written(tmp_path, validate__max_pixels=80_000_000))


def test_shares_that_leave_no_training_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="must leave images for training"):
        load_params(written(tmp_path, split__val=0.6, split__test=0.4))


def test_a_baseline_of_fewer_hours_than_the_alarm_can_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"watch: .*at least 4 times block_hours, 96\. Received: 95"):
        load_params(written(tmp_path, watch__baseline_hours=95, watch__block_hours=24))
    load_params(written(tmp_path, watch__baseline_hours=96, watch__block_hours=24))


def test_a_gap_between_slices_needs_slices(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"^Expected columns .* in evaluate\.slices .* Received: none\."):
        load_params(written(tmp_path, gate__max_slice_gap=0.1))


def test_a_file_from_before_facts_of_a_dataset_were_settings_still_loads(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key in ("smiling_class", "reference", "slices"):
        del settings["evaluate"][key]
    del settings["gate"]["max_slice_gap"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(settings))
    evaluate = load_params(path).evaluate
    assert (evaluate.smiling_class, evaluate.reference, evaluate.slices) == (None, None, [])


def test_settings_are_frozen() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.train.epochs = 3  # type: ignore[misc]


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="root folder"):
        load_params(tmp_path / "params.yaml")


def test_flat_names_are_those_of_the_file() -> None:
    flat = load_params(ROOT / "params.yaml").flat()
    assert flat["validate.min_side"] == 32
    assert flat["train.augment.flip"] is True


def test_addresses_of_people_are_no_part_of_what_runs_log() -> None:
    assert not any(name.startswith("notify") for name in load_params(ROOT / "params.yaml").flat())


def test_a_missing_section_is_told_with_the_lines_to_add(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = yaml.safe_load(path.read_text())
    del settings["notify"]
    path.write_text(yaml.safe_dump(settings))
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "quick.yaml").write_bytes((ROOT / "presets" / "quick.yaml").read_bytes())
    with pytest.raises(ParamsError) as refused:
        load_params(path)
    first, missing, advice, *lines = str(refused.value).splitlines()
    assert (first, missing) == (f"{path} is not valid:", "  notify: Field required.")
    assert advice == "Add these lines, or others:"
    assert yaml.safe_load("\n".join(lines)) == {"notify": yaml.safe_load((ROOT / "params.yaml").read_text())["notify"]}


def test_a_stage_is_refused_a_section_that_is_not_there(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert section(path, "serve.min_confidence", float) == 0
    with pytest.raises(ParamsError, match=r"serve\.confidence: Field required"):
        section(path, "serve.confidence", float)
    with pytest.raises(ParamsError, match=r"split\.val: Input should be less than 1\. Received: 2"):
        section(written(tmp_path, split__val=2), "split", Split)


def test_an_empty_file_is_told_with_the_command_that_fills_it(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("# nothing yet\n")
    with pytest.raises(ParamsError, match=r"Received: an empty file\. Write some: facesent preset quick"):
        load_params(path)


@pytest.mark.parametrize(
    ("key", "word", "words"),
    [
        ("gate__max_ece", False, r"gate\.max_ece: Expected a number or null\. Received: false, no or off"),
        ("train__epochs", True, r"train\.epochs: Expected a number\. Received: true, yes or on"),
        ("split__val", True, r"split\.val: Expected a number"),
    ],
)
def test_a_word_of_yaml_is_no_number(tmp_path: Path, key: str, word: bool, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        load_params(written(tmp_path, **{key: word}))


def test_a_word_of_yaml_among_numbers_is_refused(tmp_path: Path) -> None:
    class Ages(Section):
        edges: list[float]
        any_: list[Any]

    path = tmp_path / "ages.yaml"
    path.write_text("ages: {edges: [18, on], any_: [1, on]}")
    with pytest.raises(ParamsError, match=r"edges: Expected numbers\. Received: \[18, True\]$"):
        section(path, "ages", Ages)


@pytest.mark.parametrize("number", ["010", "-010", "1:30"])
def test_a_number_that_dvc_reads_as_another_one_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train:\n  epochs: {number}\n")
    with pytest.raises(ParamsError, match=rf"Received: {number}, which readers take for different numbers.* line 2"):
        read_yaml(path)
    for plain in ("0", "10", "-10", "1_000"):
        path.write_text(f"train: {{epochs: {plain}}}")
        assert read_yaml(path) == {"train": {"epochs": int(plain)}}


def test_a_date_that_there_is_not_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("since: 2026-02-30\n")
    with pytest.raises(ParamsError, match=r"Expected YAML in .*params\.yaml"):
        read_yaml(tmp_path / "params.yaml")


def test_what_is_merged_may_replace_keys_of_what_it_merges_itself() -> None:
    text = """
first: &first {epochs: 1, seed: 7}
outer:
  second: &second
    <<: *first
    epochs: 2
third:
  <<: *second
  epochs: 3
"""
    assert parse_yaml(text) == {
        "first": {"epochs": 1, "seed": 7},
        "outer": {"second": {"epochs": 2, "seed": 7}},
        "third": {"epochs": 3, "seed": 7},
    }
