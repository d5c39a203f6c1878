"""The artifacts of a run: what writes one, reads it, or deletes it to forget somebody goes by this table."""

# Folders.
EVALUATION, SHEETS, GATE, EXPORTS = "evaluation", "augmentation", "gate", "export"

CHANGES = "lineage/changes.patch"
ASSIGNMENT = "images/assignment.csv"
"""As it was when the model was trained: DVC's stage writes it, and people commit it later."""
SEEN = "images/seen.csv"
"""What the model was trained and tuned on, as in assignment.csv."""
PREDICTIONS = "predictions.csv"
"""In ``EVALUATION``, and of a cross-validation's run at the top."""
PAGE = "report.html"
"""In ``EVALUATION``, and with the verdict in ``GATE``."""
AS_WATCHED = f"{EVALUATION}/as_watched.csv"
VERDICT = f"{GATE}/verdict.json"
CANARY = f"{GATE}/canary.json"
SHIFTED = "watch/shifted.txt"
"""Of a champion: the contents of the labelled photos from after the change at which its successor is trained."""

# Each of one version: ``of_version``.
QUESTIONS = "canary/questions.json"
BASELINE = "watch/baseline.json"
ALARM = "watch/alarm.json"
AGAINST_TEST = "watch/against_test.json"


def of_version(artifact: str, version: int) -> str:
    """The artifact of one of the versions that may share a run: its number stands before the suffix."""
    name, _, suffix = artifact.rpartition(".")
    return f"{name}-{version}.{suffix}"
