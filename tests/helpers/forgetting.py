"""``facesent forget`` in a project that the test is in."""

from pathlib import Path

import pandas as pd
from click.testing import CliRunner

from facesent.cli import main
from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.dataset.metadata import parse
from facesent.presets import write_values


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and the output of ``facesent forget``."""
    result = CliRunner().invoke(main, ["forget", *arguments], catch_exceptions=False)
    return result.exit_code, result.output


def groups() -> dict[str, str]:
    """The person of each image of ``data/``."""
    rows = parse(Path("data/metadata.csv"))[1]
    return {row["file_name"]: row["group"] for row in rows if Path("data", row["file_name"]).is_file()}


def images_of(group: str) -> list[str]:
    """Those of a person."""
    return [name for name, theirs in groups().items() if theirs == group]


def first_in(split: str) -> str:
    """The person of an image of a split, which is shown in the report if it is a test image."""
    return groups()[str(pd.read_csv(f"outputs/split/{split}.csv")["file_name"].iloc[0])]


def leave_soft_targets(names: list[str]) -> None:
    """What networks answered to these images, under the name that the flow gives it and under one of somebody's own."""
    rows = {"sha256": [sha256(Path("data", name)) for name in names], "probability_Happy": 0.5, "probability_Sad": 0.5}
    for path in (Project().soft_targets, Path("taught.csv")):
        pd.DataFrame(rows).to_csv(path, index=False)
    named = {"train.distillation.soft_targets": "taught.csv", "train.distillation.soft_targets_sha256": "0" * 64}
    write_values(Project().params, named, Project().params)
