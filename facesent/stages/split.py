"""Stage ``split``: the usable images in train, val and test, and what would have leaked between them."""

import json

import pandas as pd

from facesent.core.console import run_stage, say
from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.dataset import splits
from facesent.dataset.reports import split_counts, split_markdown, split_summary
from facesent.params import load_params


def split(project: Project) -> None:
    """Divide the images of ``project.manifest``; write a CSV for each split and a report."""
    params = load_params(project.params).split
    if not project.manifest.is_file():
        raise DataError(f"Expected the manifest {project.manifest}. Received: no such file. Run `dvc repro validate`.")
    manifest = pd.read_parquet(project.manifest)
    result, report = splits.split(manifest, **params.model_dump())
    for name in SPLITS:
        path = project.split(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = result[result["split"] == name].drop(columns="split")
        rows.to_csv(path, index=False, lineterminator="\n")
    quarantined = len(manifest) - len(result)
    folder = project.outputs / "split"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(split_summary(report, quarantined), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.md").write_text(split_markdown(report, quarantined), encoding="utf-8")
    say(split_counts(report))
    for warning in report.warnings:
        say(f"Warning: {warning}")


if __name__ == "__main__":
    run_stage(lambda: split(Project()))
