"""How long the flow waits for approval is checked before it begins, and not hours later."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest
from prefect.exceptions import ParameterTypeError

from flows.pipeline import hours, pipeline


@pytest.mark.parametrize("given", ["1e8", "87601", "inf", "nan", "-1"])
def test_a_time_that_nobody_can_wait_is_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"expected 0 to 87,600 hours. Received: {given}"):
        hours(given)
    with pytest.raises(ParameterTypeError, match="approval_hours"):
        pipeline.validate_parameters({"approval_hours": float(given)})


@pytest.mark.parametrize("given", ["0", "24", "87600"])
def test_any_other_ends_at_a_date(given: str) -> None:
    assert datetime.now(UTC) + timedelta(hours=hours(given))
    assert pipeline.validate_parameters({"approval_hours": float(given)}) == {"approval_hours": float(given)}
