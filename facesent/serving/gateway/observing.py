"""What a version notes beside its answers, which are MLflow's and stay as they are."""

from collections.abc import Mapping, Sequence
from threading import local
from typing import Any

from mlflow.exceptions import MlflowException


class Observer:
    """Lets a version that can say what it saw say so: it calls ``observe`` in the thread that asks it.

    Args:
        model: what MLflow loaded.
    """

    def __init__(self, model: Any) -> None:
        self._seen = local()
        try:
            python_model = model.unwrap_python_model()
        except (AttributeError, MlflowException):
            return
        python_model.observe = self._observe

    def _observe(self, found: Sequence[Mapping[str, Any]]) -> None:
        self._seen.found = [*self.taken(), *found]

    def taken(self) -> Sequence[Mapping[str, Any]]:
        """What was noted in this thread since it was last asked."""
        found: Sequence[Mapping[str, Any]] = getattr(self._seen, "found", ())
        self._seen.found = ()
        return found
