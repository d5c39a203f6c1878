"""Parts of the stage ``validate`` in the project of the working folder: ``python -m benchmarks.validate_parts PART``.

Kept light: processes that measure images import this module again, as their main one.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory


def without_expectations() -> None:
    """Run the stage with nothing imported for Great Expectations, and nothing checked."""
    from facesent.core.paths import Project
    from facesent.dataset import expectations
    from facesent.stages.validate import validate

    vars(expectations).update(load=lambda: None, check=lambda *_: [])
    validate(Project())


def seconds_of_checks() -> None:
    """Print how long its checks and pages take, after the import and on the stage's manifest."""
    import pandas as pd

    from facesent.core.paths import Project
    from facesent.dataset.expectations import check, load
    from facesent.dataset.files import class_folders
    from facesent.params import load_params

    load()
    project = Project()
    manifest, classes = pd.read_parquet(project.manifest), class_folders(project.data)
    settings = load_params(project.params).validate_
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        check(manifest, classes, settings, Path(folder) / "docs")
        print(time.perf_counter() - start)


def peak_of_scan() -> None:
    """Scan the working folder itself, and print the MiB of this process and of its workers, each at its own peak."""
    import resource

    from facesent.dataset.manifest import scan
    from facesent.images.limits import MAX_PIXELS
    from facesent.images.threads import cores

    scan(Path(), max_pixels=MAX_PIXELS)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print((peaks[0] + cores() * peaks[1]) / 1024)


_PARTS = {part.__name__: part for part in (without_expectations, seconds_of_checks, peak_of_scan)}

if __name__ == "__main__":
    _PARTS[sys.argv[1]]()
