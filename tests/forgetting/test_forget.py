"""A person's images, removed from everywhere."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_x(place: Path) -> None:
    import json
    from facesent.dataset.metadata import parse
    from tests.helpers.looking import files_that_show

    rows = parse(Path("data/metadata.csv"))[1]
    shown = [
        e["file_name"]
        for g in ("mistakes", "successes")
        for e in json.loads(Path("outputs/evaluate/report.json").read_text())[g]["shown"]
    ]
    print(shown)
    group = {r["file_name"]: r["group"] for r in rows}
    person = group[shown[0]]
    theirs = [n for n, g in group.items() if g == person and Path("data", n).exists()]
    print(person, theirs)
    photos = [Path("data", n).read_bytes() for n in theirs]
    import time

    t = time.time()
    print(files_that_show([place], photos), time.time() - t)
    import subprocess, sys

    t = time.time()
    d = subprocess.run(
        [sys.executable, "-m", "facesent.cli", "forget", person, "--dry-run"], capture_output=True, text=True
    )
    print(d.stdout, d.stderr, time.time() - t)
    t = time.time()
    d = subprocess.run([sys.executable, "-m", "facesent.cli", "forget", person], capture_output=True, text=True)
    print(d.stdout, d.stderr, time.time() - t)
    print(files_that_show([place], photos), time.time() - t)
    print(
        subprocess.run(
            "git status --short; git diff assignment.csv | tail -5; dvc status; cat forgotten.csv; grep -r "
            + person
            + " -l . ../remote | grep -v '^./.git/' ",
            shell=True,
            capture_output=True,
            text=True,
        ).stdout
    )
