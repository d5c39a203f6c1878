import hashlib
from pathlib import Path

from facesent.core.paths import Project
from facesent.lineage.reproduce import _link_named_files


def test_every_backbone_finds_its_weights_in_the_checkout_and_the_training_its_soft_targets(tmp_path: Path) -> None:
    project, copy = Project(tmp_path / "project"), Project(tmp_path / "copy")
    names = ("weights/first.keras", "weights/second.keras", "soft_targets.csv")
    for name in names:
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(name)
    copy.root.mkdir()
    # A preset without `others` has none, nor has a backbone whose weights Keras fetches a file.
    model = f"{{weights: {names[0]}, others: [{{weights: {names[1]}}}, {{weights: imagenet}}]}}"
    copy.params.write_text(f"model: {model}\ntrain: {{distillation: {{soft_targets: {names[2]}}}}}\n")
    _link_named_files(project, copy)
    assert [(copy.root / name).read_text() for name in names] == [*names]
    assert sorted(path.name for path in copy.root.iterdir()) == ["params.yaml", "soft_targets.csv", "weights"]


def test_soft_targets_that_were_committed_after_the_training_are_the_projects(tmp_path: Path) -> None:
    project, copy = Project(tmp_path / "project"), Project(tmp_path / "copy")
    for place, content in ((project, "new"), (copy, "old")):
        place.root.mkdir()
        place.soft_targets.write_text(content)
    for content in ("old", "new"):
        digest = hashlib.sha256(content.encode()).hexdigest()
        learned = f"{{soft_targets: soft_targets.csv, soft_targets_sha256: {digest}}}"
        copy.params.write_text(f"model: {{weights: none}}\ntrain: {{distillation: {learned}}}\n")
        _link_named_files(project, copy)
        assert copy.soft_targets.read_text() == content
    assert project.soft_targets.read_text() == "new"


def test_a_version_from_before_there_were_soft_targets_needs_none(tmp_path: Path) -> None:
    project, copy = Project(tmp_path / "project"), Project(tmp_path)
    copy.params.write_text("model: {weights: none}\ntrain: {seed: 7}\n")
    _link_named_files(project, copy)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
