"""The Optuna study of a sweep: in a SQLite file, so that a killed sweep goes on where it was."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from facesent.core.errors import FacesentError
from facesent.experiments.settings import Metric, Range, Sweep
from facesent.experiments.space import Value, is_integer, present_values, rounded
from facesent.params import Params
from facesent.training.fingerprint import fingerprint

# A median over fewer complete trials says little; Optuna's own default. A short sweep prunes after a quarter.
_MOST_UNPRUNED = 5

# Optuna's mark of a trial whose values were given, as the present settings are.
_GIVEN = "fixed_params"


def study_name(params: Params, metric: Metric, splits: Iterable[bytes]) -> str:
    """Equal for sweeps whose trials can be compared and go on in one study.

    Args:
        params: all settings; the present values of the searched keys, and the number of trials, make no difference.
        metric: what is optimised.
        splits: the bytes of the training and the validation split.
    """
    flat = params.flat()
    fixed = {key: flat[key] for key in flat if key.startswith(("model.", "train.")) and key not in params.sweep.space}
    space = {key: setting.model_dump() for key, setting in params.sweep.space.items()}
    settings = json.dumps([fixed, space, params.sweep.seed, metric], sort_keys=True)
    # Code and libraries too: other ones may give other results.
    digest = hashlib.sha256(f"{fingerprint([], {})} {settings}".encode())
    for split in splits:
        digest.update(hashlib.sha256(split).digest())
    return f"sweep-{digest.hexdigest()[:12]}"


@contextmanager
def kept_in(database: Path) -> Iterator[None]:
    """Let a block, or Optuna in it, use the study's file.

    Raises:
        FacesentError: it cannot be read or written.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        # Optuna hides what the database said behind a guess, SQLAlchemy adds the statement.
        cause = error.__cause__ or error
        said = getattr(cause, "orig", cause)
        raise FacesentError(
            f"Expected to read and write the sweep's trials in {database}. Received: {said}. Free disk space, "
            "close what has it open, or remove it to begin the sweep anew; then run it again."
        ) from None


def open_study(database: Path, name: str, params: Params, metric: Metric) -> optuna.Study:
    """Open the study of this name, or create it; the present settings are tried first, and again if that failed.

    Raises:
        FacesentError: another release of Optuna wrote it, in another form.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = RDBStorage(f"sqlite:///{database.absolute()}")
    except RuntimeError as error:
        raise FacesentError(f"{error} Or remove {database} to begin the sweep anew.") from None
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize" if metric == "val_accuracy" else "minimize",
        pruner=pruner(params.sweep),
        load_if_exists=True,
    )
    tried = any(
        _GIVEN in trial.system_attrs and trial.state != TrialState.FAIL for trial in study.get_trials(deepcopy=False)
    )
    if not tried and (present := present_values(params)):
        study.enqueue_trial(present)
    return study


def pruner(settings: Sweep) -> MedianPruner:
    """Ends a trial whose best epoch so far is worse than the median of the complete trials at the same epoch."""
    complete_first = min(_MOST_UNPRUNED, max(1, settings.trials // 4))
    return MedianPruner(n_startup_trials=complete_first, n_warmup_steps=settings.warmup_epochs)


def missing(study: optuna.Study, settings: Sweep) -> int:
    """How many trials are still to be finished: those that failed are tried anew with other values."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return max(0, settings.trials - len(done))


def next_trial(study: optuna.Study, params: Params) -> tuple[Trial, bool]:
    """The trial that a kill left running, or a new one; and whether it is a new one.

    The sampler is seeded by the trial's number, and so draws what it would have drawn in a sweep that was never
    stopped. That needs one trial at a time: what is drawn also depends on the trials that have finished.
    """
    space = distributions(params)
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if left.params.keys() == space.keys():
            study.sampler = _sampler(params.sweep.seed, left.number)
            return Trial(study, left._trial_id), False  # Optuna's own way to a trial of another process
        # Killed between two draws.
        study.tell(left.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
    study.sampler = _sampler(params.sweep.seed, min(waiting, default=len(trials)))
    return study.ask(space), True


def distributions(params: Params) -> dict[str, BaseDistribution]:
    """``sweep.space`` in Optuna's terms."""
    return {key: _distribution(params, key) for key in params.sweep.space}


def report(trial: Trial, epoch: int, value: float) -> bool:
    """Add an epoch's value to the trial; tell whether the trial is to be pruned.

    Args:
        trial: a running one.
        epoch: from 0; one that the study has already is not added again.
        value: of the metric after this epoch.
    """
    if epoch not in reported(trial):
        trial.report(value, epoch)
    # It has diverged, and does not come back.
    return math.isnan(value) or trial.should_prune()


def reported(trial: Trial) -> Mapping[int, float]:
    """The values of the epochs that the study has of a trial."""
    return _stored(trial).intermediate_values


def values_of(trial: Trial | FrozenTrial, params: Params) -> dict[str, Value]:
    """What a trial trains with: drawn values as ``rounded`` has them, those of the settings as they were given."""
    stored = trial if isinstance(trial, FrozenTrial) else _stored(trial)
    return dict(stored.params) if _GIVEN in stored.system_attrs else rounded(params, stored.params)


def best_value(trial: FrozenTrial | Mapping[int, float], study: optuna.Study) -> float | None:
    """The best value of a trial's epochs; None where there is none, or all are NaN."""
    epochs = trial.intermediate_values if isinstance(trial, FrozenTrial) else trial
    values = [value for value in epochs.values() if not math.isnan(value)]
    if not values:
        return None
    return max(values) if study.direction == optuna.study.StudyDirection.MAXIMIZE else min(values)


def _stored(trial: Trial) -> FrozenTrial:
    return next(known for known in trial.study.get_trials(deepcopy=False) if known.number == trial.number)


def _distribution(params: Params, key: str) -> BaseDistribution:
    setting = params.sweep.space[key]
    if not isinstance(setting, Range):
        return CategoricalDistribution(setting.choices)
    if is_integer(params, key):
        return IntDistribution(int(setting.low), int(setting.high), log=setting.log)
    return FloatDistribution(setting.low, setting.high, log=setting.log)


def _sampler(seed: int, number: int) -> TPESampler:
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return TPESampler(seed=int.from_bytes(digest[:4], "big"))
