"""Stage ``split``: the usable images in train, val and test, and what would have leaked between them."""

import json

import pandas as pd

from facesent.core.console import run_stage_as_before, say
from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.dataset import splits
from facesent.dataset.assignment import origins, read_assignment, write_assignment
from facesent.dataset.reports import split_counts, split_markdown, split_summary
from facesent.dataset.settings import Split
from facesent.section import read_yaml, section


def split(project: Project) -> None:
    """Divide the images of ``project.manifest``; write a CSV for each split, a report, and who is where from now on."""
    settings = section(project.params, "split", Split)
    if not project.manifest.is_file():
        raise DataError(f"Expected the manifest {project.manifest}. Received: no such file. Run `dvc repro validate`.")
    manifest = pd.read_parquet(project.manifest)
    memory = _memory(project)
    result, placed, report = splits.split(manifest, memory, **settings.model_dump())
    folder = project.splits
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        rows = result[result["split"] == name]
        rows[[column for column in splits.COLUMNS if column != "split"]].to_csv(
            project.split(name), index=False, lineterminator="\n"
        )
    quarantined = int((~manifest["ok"]).sum())
    text = json.dumps(split_summary(report, quarantined), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    project.split_report.write_text(text, encoding="utf-8")
    project.split_report.with_suffix(".md").write_text(split_markdown(report, quarantined), encoding="utf-8")
    write_assignment(project.assignment, placed)
    say(split_counts(report))
    if len(memory):
        same = result["content"].isin(memory["content"]) | origins(result).isin(origins(memory))
        known = int(same.sum())
        say(f"{known:,} images keep their split; {len(result) - known:,} are new.")
    for warning in report.warnings:
        say(f"Warning: {warning}")


def _memory(project: Project) -> pd.DataFrame:
    """The splits so far.

    Raises:
        DataError: they were written once and are gone; new ones would test models on what they were trained on.
    """
    path, lock = project.assignment, project.root / "dvc.lock"
    if not path.is_file() and lock.is_file():
        known = (read_yaml(lock) or {}).get("stages", {}).get("split", {}).get("outs", [])
        if path.name in [out["path"] for out in known]:
            raise DataError(
                f"Expected the recorded splits in {path}. Received: no such file, although dvc.lock lists it. Restore "
                f"it: git checkout {path.name}. Or draw new splits, on which no earlier model can be compared: "
                "facesent data resplit"
            )
    return read_assignment(path)


if __name__ == "__main__":
    run_stage_as_before("split")
