"""What a person said of a version: a tag on it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from mlflow.tracking import MlflowClient

from facesent.registry.versions import NAME, tags_of, versions

_TAG = "facesent.approval"


@dataclass(frozen=True)
class Approval:
    """The question whether a version may be served, and its answer.

    Attributes:
        version: that passed the gate.
        against: the champion that it was judged against, if there was one.
        when: of the question, then of the answer; ISO 8601, UTC.
        by: who answered.
        reason: of the answer.
    """

    version: int
    state: Literal["waiting", "approved", "rejected"]
    against: int | None
    when: str
    by: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The state in words, with what to do."""
        match self.state:
            case "waiting":
                return f"Version {self.version} waits for approval: facesent approve {self.version}"
            case "approved":
                return f"Version {self.version} was approved by {self.by}."
            case "rejected":
                why = f": {self.reason.rstrip('.')}" if self.reason else ""
                return (
                    f"Version {self.version} was rejected by {self.by}{why}. "
                    f"To serve it all the same: facesent approve {self.version}"
                )


def of_tags(tags: Mapping[str, str]) -> Approval | None:
    """The question that a version's tags hold, if one was asked."""
    text = tags.get(_TAG)
    return Approval(**json.loads(text)) if text else None


def read(version: int) -> Approval | None:
    """The question about a version, if one was asked."""
    return of_tags(tags_of(version))


def write(approval: Approval) -> Approval:
    """Keep a question or its answer."""
    MlflowClient().set_model_version_tag(NAME, str(approval.version), _TAG, json.dumps(asdict(approval)))
    return approval


def waiting() -> list[int]:
    """The versions that wait for an answer, the newest first."""
    asked = {version.number: of_tags(version.tags) for version in versions()}
    return [number for number, approval in asked.items() if approval and approval.state == "waiting"]
