"""What a sweep found: its trials, the best values, what mattered, and the files that say so."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
import pandas as pd
import yaml
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from facesent.core.errors import FacesentError
from facesent.core.files import replaced
from facesent.core.markdown import table
from facesent.experiments.plots import save_history, save_importances
from facesent.experiments.space import Values
from facesent.experiments.study import best_value, values_of
from facesent.experiments.sweep import OpenSweep
from facesent.presets import rewritten, write_values
from facesent.registry import runs

_SHOWN_TRIALS = 10
# Forests need a few points; with fewer the bars would be noise.
_FEWEST_FOR_IMPORTANCE = 3


@dataclass(frozen=True)
class SweepResults:
    """A sweep's end.

    Attributes:
        metric: what was optimised.
        trials: ``trial, state, value, epochs`` and a column a searched key; complete ones first, the best on top.
        best: the values of the best complete trial.
        command: tries these values with ``dvc exp``.
        files: pictures, tables and ``best.yaml``, in ``outputs/sweep``.
    """

    metric: str
    trials: pd.DataFrame
    best: Values
    command: str
    files: tuple[Path, ...]

    @property
    def sentence(self) -> str:
        """The end in one line."""
        counts = self.trials["state"].value_counts()
        ended = ", ".join(f"{counts[state]} {state}" for state in ("complete", "pruned", "failed") if state in counts)
        top = self.trials.iloc[0]
        return f"{self.metric} {top['value']:.4f} in trial {top['trial']}; {ended}."

    def shown(self) -> list[list[str]]:
        """The first trials as texts; the first row holds the names of the columns."""
        head = self.trials.head(_SHOWN_TRIALS)
        rows = [[_text(value) for value in row] for row in head.itertuples(index=False)]
        return [_short(list(map(str, head.columns))), *rows]

    def to_markdown(self) -> str:
        """The sentence, the best trials and what to do with them."""
        header, *rows = self.shown()
        shown = table(header, rows)
        return "\n".join([self.sentence, "", shown, "", "```console", self.command, "```"])


def finish(sweep: OpenSweep) -> SweepResults:
    """Write ``outputs/sweep``: ``best.yaml``, ``trials.csv``, pictures; end the parent run with them.

    Raises:
        FacesentError: no trial is complete.
        TrackingError: if MLflow cannot be reached.
    """
    trials = trials_of(sweep)
    if trials.empty or trials.iloc[0]["state"] != "complete":
        raise FacesentError("Expected at least one complete trial. Received: none.")
    best = values_of(sweep.study.best_trial, sweep.params)
    folder = sweep.project.sweep
    write_values(sweep.project.params, best, folder / "best.yaml")
    with replaced(folder / "trials.csv") as draft:
        trials.to_csv(draft, index=False)
    files = (folder / "best.yaml", folder / "trials.csv", *_pictures(sweep, trials, folder))
    for file in files:
        if file.name == "best.yaml":
            runs.log_bytes(sweep.run_id, file.name, _shared(file, sweep).encode())
        else:
            runs.log_files(sweep.run_id, [file])
    states = trials["state"].value_counts()
    metrics = {f"best_{sweep.metric}": float(trials.iloc[0]["value"])}
    runs.finish(sweep.run_id, metrics | {f"trials_{state}": float(count) for state, count in states.items()})
    return SweepResults(sweep.metric, trials, best, dvc_command(best), files)


def dvc_command(values: Values) -> str:
    """The experiment with these values, to be pasted into a shell."""
    overrides = (f"-S {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in values.items())
    return " ".join(["dvc exp run", *overrides])


def trials_of(sweep: OpenSweep) -> pd.DataFrame:
    """One row a finished trial: complete ones first, the best on top."""
    keys = list(sweep.params.sweep.space)
    rows = [_row(trial, sweep) for trial in sweep.study.get_trials(deepcopy=False) if trial.state.is_finished()]
    frame = pd.DataFrame(rows, columns=["trial", "state", "value", "epochs", *keys])
    descending = sweep.study.direction == StudyDirection.MAXIMIZE
    by_value = frame.sort_values("value", ascending=not descending, kind="stable", na_position="last")
    return by_value.sort_values("state", kind="stable", key=lambda state: state != "complete", ignore_index=True)


def importances(study: optuna.Study, seed: int) -> dict[str, float]:
    """Share of each key in how much complete trials differ (fANOVA: Hutter et al. 2014), the largest first.

    Empty where too few trials are complete, or all are equally good.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
        return {}
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    return {key: float(share) for key, share in found.items()}


def _shared(best: Path, sweep: OpenSweep) -> str:
    """Without the addresses of ``notify``, which may hold a secret: more people see what is in MLflow."""
    text = best.read_text(encoding="utf-8")
    return rewritten(text, {"notify.urls": []}) if sweep.params.notify.urls else text


def _pictures(sweep: OpenSweep, trials: pd.DataFrame, folder: Path) -> list[Path]:
    history, importance = folder / "history.png", folder / "importance.png"
    complete = trials[trials["state"] == "complete"].sort_values("trial")
    pruned = trials[trials["state"] == "pruned"].dropna(subset="value").sort_values("trial")
    higher = sweep.study.direction == StudyDirection.MAXIMIZE
    save_history(_points(complete), _points(pruned), sweep.metric, history, higher_is_better=higher)
    shares = importances(sweep.study, sweep.params.sweep.seed)
    if not shares:
        importance.unlink(missing_ok=True)
        return [history]
    save_importances(shares, len(complete), sweep.metric, importance)
    return [history, importance]


def _points(trials: pd.DataFrame) -> Mapping[int, float]:
    return dict(zip(trials["trial"], trials["value"], strict=True))


def _row(trial: FrozenTrial, sweep: OpenSweep) -> list[object]:
    state = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(trial.state, "failed")
    values = values_of(trial, sweep.params)
    drawn = [values.get(key) for key in sweep.params.sweep.space]
    return [trial.number, state, best_value(trial, sweep.study), len(trial.intermediate_values), *drawn]


def _short(names: list[str]) -> list[str]:
    """The last part of each key, where no other one ends alike: tables are narrow."""
    last = [name.rpartition(".")[2] for name in names]
    return [short if last.count(short) == 1 else name for short, name in zip(last, names, strict=True)]


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _yaml(value: object) -> str:
    # A scalar alone is followed by the end of its document.
    return yaml.safe_dump(value, default_flow_style=True, width=4096).removesuffix("\n").removesuffix("\n...")
