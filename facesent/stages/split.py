"""Stage ``split``: the usable images in train, val and test, and what would have leaked between them."""

import json

import pandas as pd

from facesent.core.console import say
from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.dataset import splits
from facesent.dataset.reports import split_counts, split_markdown, split_summary
from facesent.dataset.settings import Split
from facesent.section import section


def split(project: Project) -> None:
    """Divide the images of ``project.manifest``; write a CSV for each split and a report."""
    settings = section(project.params, "split", Split)
    if not project.manifest.is_file():
        raise DataError(f"Expected the manifest {project.manifest}. Received: no such file. Run `dvc repro validate`.")
    manifest = pd.read_parquet(project.manifest)
    result, report = splits.split(manifest, **settings.model_dump())
    folder = project.splits
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        rows = result[result["split"] == name].drop(columns="split")
        rows.to_csv(project.split(name), index=False, lineterminator="\n")
    quarantined = len(manifest) - len(result)
    text = json.dumps(split_summary(report, quarantined), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    project.split_report.write_text(text, encoding="utf-8")
    project.split_report.with_suffix(".md").write_text(split_markdown(report, quarantined), encoding="utf-8")
    say(split_counts(report))
    for warning in report.warnings:
        say(f"Warning: {warning}")
