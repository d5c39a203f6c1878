"""A registry of versions without models, and promoters in processes of their own that can be ended at any write.

Neither MLflow's registry nor promotions look into a model's files.
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from facesent.promotion import aliases, approval
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.verdict import Verdict
from facesent.registry import decisions
from facesent.registry.decisions import Aliases
from facesent.registry.versions import CHAMPION, NAME, version_with_alias

ENDED = 9
_WRITES = ("create_model_version", "set_registered_model_alias", "set_model_version_tag")


def make_versions(count: int, *, verdict: str = "VALIDATED") -> None:
    """Register versions with weights of their own."""
    client = MlflowClient()
    if not client.search_registered_models(f"name='{NAME}'"):
        client.create_registered_model(NAME)
    for _ in range(count):
        version = client.create_model_version(NAME, source="nowhere:/files")
        client.set_model_version_tag(NAME, version.version, "facesent.model_sha256", f"weights {version.version}")
        client.set_model_version_tag(NAME, version.version, "verdict", verdict)


def verdict_on(version: int, champion: int | None) -> Verdict:
    """The gate's good word."""
    return Verdict("VALIDATED", f"Version {version} is better.", version, champion, ())


def passed_canary(version: int) -> CanaryReport:
    """What the real server would say; starting it takes seconds, and the canary has tests of its own."""
    return CanaryReport(
        version=version,
        problems=(),
        answered=8,
        refused=6,
        largest_difference=0.0,
        latency_p95_ms=20.0,
        size_mb=1.0,
        memory_mb=500.0,
    )


def promote(version: int) -> aliases.Promotion:
    """Judge a version against the champion of this moment, and promote it."""
    return aliases.promote(verdict_on(version, version_with_alias(CHAMPION)))


def promote_until_fresh(version: int) -> None:
    """Judge anew as often as another promoter was quicker."""
    while True:
        try:
            promote(version)
        except aliases.StaleVerdictError:
            continue
        return


def roll_back() -> None:
    """Go back to ``previous``."""
    aliases.rollback(by="ann")


def approve(version: int) -> None:
    """Agree."""
    approval.approve(version, by="ann")


def end_after_write(last: int, act: Callable[..., Any], *arguments: Any) -> None:
    """End this process, without a chance to clean up, right after its ``last``-th write to the registry."""
    writes = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def then_perhaps_end(*args: Any, **kwargs: Any) -> Any:
            nonlocal writes
            result = write(*args, **kwargs)
            writes += 1
            if writes == last:
                os._exit(ENDED)
            return result

        return then_perhaps_end

    for name in _WRITES:
        setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
    act(*arguments)


def start(act: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """Start a promoter, which inherits MLflow's import but none of its connections."""
    process = _context().Process(target=_with_environment, args=(dict(os.environ), str(Path.cwd()), act, arguments))
    process.start()
    return process


def assert_one_chain() -> None:
    """Each change starts where the one before ended, and the aliases are where the last one ended."""
    record = decisions.read()
    assert [entry.number for entry in record.entries] == list(range(1, len(record.entries) + 1))
    at = Aliases(None, None)
    for entry in record.entries:
        assert entry.before == at
        assert entry.after.previous == entry.before.champion
        at = entry.after
    assert record.aliases == at


def join(processes: Sequence[ForkServerProcess]) -> list[int | None]:
    """Wait for promoters; their exit statuses."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    # Not this module: before Python 3.13 the server does not know the folders that pytest adds to the path.
    context.set_forkserver_preload(["mlflow.store.model_registry.sqlalchemy_store", "facesent.promotion"])
    return context


def _with_environment(
    environment: dict[str, str], folder: str, act: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    # The server that forks keeps the environment and the folder of the test that first needed it.
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    act(*arguments)
