from pathlib import Path

from facesent.core.paths import Project
from facesent.lineage.reproduce import _link_pretrained_weights


def test_every_backbone_finds_its_weights_in_the_checkout(tmp_path: Path) -> None:
    project, copy = Project(tmp_path / "project"), Project(tmp_path / "copy")
    names = ("weights/first.keras", "weights/second.keras")
    for name in names:
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(name)
    copy.root.mkdir()
    # A preset without `others` has none, nor has a backbone whose weights Keras fetches a file.
    copy.params.write_text(f"model: {{weights: {names[0]}, others: [{{weights: {names[1]}}}, {{weights: imagenet}}]}}")
    _link_pretrained_weights(project, copy)
    assert [(copy.root / name).read_text() for name in names] == [*names]
    assert sorted(path.name for path in copy.root.iterdir()) == ["params.yaml", "weights"]
