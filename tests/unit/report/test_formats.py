from __future__ import annotations

import pytest

from contender.core.evidence import Estimate
from contender.core.interval import Interval
from contender.stages.report.formats import change, clipped, ends, figure, share, span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.45678, "0.4568"),
        (0.0, "0.0000"),
        (-0.5, "−0.5000"),
        (12.345, "12.35"),
        (1234.5, "1,234"),
        (1.2e-5, "1.2e−05"),
    ],
)
def test_figure_of_any_size_has_the_digits_that_tell(value: float, text: str) -> None:
    assert figure(value) == text


def test_change_has_its_sign() -> None:
    assert (change(0.0123), change(-0.0123)) == ("+0.0123", "−0.0123")


def test_ends_without_an_interval_say_so() -> None:
    assert ends(Estimate(value=1.0)) == "no interval"


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("2013-03", "2013-03-01 to 2013-03-31"),
        ("2013-03-05", "2013-03-05"),
        ("2013-03-05T06:00:00Z/2013-03-06", "2013-03-05 06:00:00 UTC to 2013-03-06 00:00:00 UTC"),
    ],
)
def test_span_of_whole_days_names_the_last_one(interval: str, text: str) -> None:
    assert span(Interval.parse(interval)) == text


def test_span_of_rows_without_a_time_is_no_date() -> None:
    assert span(None) == "rows without a time, chosen by their key"


def test_share_and_clipped_are_short() -> None:
    assert share(0.9938) == "99.38 %"
    assert clipped("ab\ncd", 4) == "ab …"
