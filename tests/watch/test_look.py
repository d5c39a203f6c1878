from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from facesent.registry import runs
from facesent.registry.versions import NAME
from facesent.watch.hours import Hours
from facesent.watch.look import DriftStatus, accept, once
from facesent.watch.settings import Watch

START = datetime(2026, 1, 5, tzinfo=UTC)
SETTINGS = Watch(baseline_hours=48, quiet_hours=48, block_hours=6, resamples=20, seed=7)


def seen_after(hours: int) -> DriftStatus:
    means = np.random.default_rng(1).normal(size=(hours, 2))
    starts = [START + timedelta(hours=hour) for hour in range(hours)]
    return DriftStatus(1, "alarm", "brightness down", Hours(starts, [10] * hours, means, ["brightness", "sharpness"]))


@pytest.mark.usefixtures("mlflow_store")
def test_an_alarm_is_told_also_if_the_baseline_was_accepted_while_the_one_before_was_being_told() -> None:
    client = MlflowClient()
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source="file:///nowhere", run_id=runs.begin("training", {}))
    alarm = replace(seen_after(48), baseline=accept(seen_after(48), SETTINGS))
    with once(alarm, "told") as done:
        assert not done.already
        later = accept(seen_after(72), SETTINGS)
    with once(alarm, "told") as done:
        assert done.already
    for already in (False, True):
        with once(replace(seen_after(96), baseline=later), "told") as done:
            assert done.already is already
