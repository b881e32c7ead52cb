from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from contender.stages.gate.firewall import contamination

DAY = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("challenger", "champion", "start", "reason"),
    [
        (DAY, DAY - timedelta(days=30), DAY, ""),
        (DAY.isoformat(), "2013-05-01T00:00:00Z", DAY, ""),
        (DAY + timedelta(seconds=1), DAY, DAY, "the challenger was trained until"),
        (DAY, "2013-06-01T02:00:00+01:00", DAY, "the champion was trained until"),
        (None, DAY, DAY, "not known until when the challenger"),
        (DAY, None, DAY, "not known until when the champion"),
        (DAY, "last week", DAY, "not known until when the champion was trained: 'last week'"),
        (DAY, datetime(2013, 5, 1), DAY, "not known until when the champion"),  # noqa: DTZ001
        (DAY, pd.NaT, DAY, "not known until when the champion"),
        (DAY, DAY, None, "the start of the holdout cannot be read"),
    ],
)
def test_contamination_names_the_model_at_fault(challenger: Any, champion: Any, start: Any, reason: str) -> None:
    said = contamination(challenger, champion, start)
    assert bool(said) == bool(reason)
    assert reason in said
