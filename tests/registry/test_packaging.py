import subprocess
import sys
from pathlib import Path

import pytest

import facesent
from facesent.registry import packaging

ROOT = Path(facesent.__file__).parent


def test_the_code_that_a_version_is_known_by_is_all_that_is_served() -> None:
    code = """
import sys
import facesent.registry.served
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("facesent")))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    files = {Path(file).relative_to(ROOT).as_posix() for file in loaded if not file.endswith("__init__.py")}
    assert files == set(packaging.SERVED_CODE)


def test_other_code_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = packaging.served_code_sha256()
    for name in packaging.SERVED_CODE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(facesent, "__file__", str(tmp_path / "__init__.py"))
    assert packaging.served_code_sha256() == known
    with (tmp_path / "prediction" / "classifier.py").open("a") as file:
        file.write("# A line more.\n")
    assert packaging.served_code_sha256() != known
