"""Whether photos in service can be told from the test set: a state of a version, looked at once, never an alarm."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import StringIO

import numpy as np
import pandas as pd

from facesent.registry import runs, versions
from facesent.registry.artifacts import AGAINST_TEST, AS_WATCHED, of_version
from facesent.registry.client import mlflow_answers
from facesent.watch.hours import features

LEAST = 30
"""Photos of as many people, and of as many clients, that such a look needs."""

_MOST = 500
_PERMUTATIONS, _LEVEL = 99, 0.05
_PARTS = 5


@dataclass(frozen=True)
class AgainstTest:
    """How well a classifier tells photos in service from the test set.

    Attributes:
        auc: .5 where it cannot, 1 where it always can; cross-validated.
        p: how often an AUC like this comes about where nothing differs.
        served: photos in service, one of each client of a day.
        tested: photos of the test set, one of each person.
        when: of the look, ISO 8601.
    """

    auc: float
    p: float
    served: int
    tested: int
    when: str

    @property
    def sentence(self) -> str:
        """The state in words."""
        how = f"AUC {self.auc:.2f}, p = {self.p:.2f}, {self.served} photos against {self.tested}, {self.when[:10]}"
        if self.p > _LEVEL:
            return f"They cannot be told from those of the test set by light, sharpness, certainty and label ({how})."
        return (
            f"They can be told from those of the test set ({how}). The accuracy that was measured there need not hold "
            "here: the audit says how often answers are right."
        )


@mlflow_answers()
def against_test(rows: pd.DataFrame, version: int, labels: Sequence[str], seed: int) -> AgainstTest | None:
    """The look at a version, which is had once and kept with its run; None as long as there are too few photos.

    Args:
        rows: of the version, as ``answers_of`` gives them.
        version: its number.
        labels: its classes.
        seed: of what is drawn.
    """
    run_id = versions.run_of(version)
    look = of_version(AGAINST_TEST, version)
    if known := run_id and runs.read_text(run_id, look):
        return AgainstTest(**json.loads(known))
    # Versions from before evaluate wrote it have none.
    stored = run_id and runs.read_text(run_id, AS_WATCHED)
    if not stored:
        return None
    tested = _one_of_each(pd.read_csv(StringIO(stored), dtype={"label": str}, keep_default_na=False), "person", seed)
    served = _one_of_each(rows, "client", seed)
    if min(len(served), len(tested)) < LEAST:
        return None
    found = _told_apart(features(served, labels), features(tested, labels), seed)
    runs.log_bytes(run_id, look, json.dumps(asdict(found)).encode())
    return found


def _one_of_each(rows: pd.DataFrame, unit: str, seed: int) -> pd.DataFrame:
    """Photos of one person or client are alike, and would count as many."""
    return rows.sample(frac=1, random_state=seed).drop_duplicates(unit).head(_MOST)


def _told_apart(served: pd.DataFrame, tested: pd.DataFrame, seed: int) -> AgainstTest:
    """The AUC of a logistic regression with squares and products, and its place among those of permuted labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, permutation_test_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    both = pd.concat([served, tested]).dropna(axis=1, how="all")
    # A version from before the log knew them says nothing of light and sharpness.
    both = both.loc[:, served.notna().any()].fillna(both.mean())
    auc, _, p = permutation_test_score(
        make_pipeline(StandardScaler(), PolynomialFeatures(include_bias=False), LogisticRegression(C=0.1)),
        both.to_numpy(float),
        np.repeat([1, 0], [len(served), len(tested)]),
        scoring="roc_auc",
        cv=StratifiedKFold(_PARTS, shuffle=True, random_state=seed),
        n_permutations=_PERMUTATIONS,
        random_state=seed,
    )
    return AgainstTest(float(auc), float(p), len(served), len(tested), datetime.now(UTC).isoformat(timespec="seconds"))
