from pathlib import Path

from facesent.core.paths import Project
from facesent.forgetting import steps
from facesent.forgetting.person import Person


def test_a_line_that_a_person_left_blank_is_no_record(tmp_path: Path) -> None:
    project, before = Project(tmp_path), "id,when,images,versions\n1a,2025-01-01,3,1 2\n\n"
    project.forgotten.write_text(before)
    for _ in range(2):
        steps.record(project, Person("2b", "2025-02-02"), print)
    assert project.forgotten.read_text() == f"{before}2b,2025-02-02,0,\n"
