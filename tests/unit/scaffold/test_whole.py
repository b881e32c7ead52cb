"""Of a source that is longer than its sample, what only all of its rows can tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contender.adapters.sources import sample
from contender.core.errors import ContenderError, ScaffoldRefused, SourceUnreadable
from contender.core.source import Source
from contender.scaffold.profile import Profile, profile
from contender.scaffold.whole import completed

ROWS, SAMPLED = 400, 100


def visits() -> pd.DataFrame:
    """A visit every six hours, from January to April 2024, whose outcomes come in the same shares throughout."""
    times = pd.date_range("2024-01-01", periods=ROWS, freq="6h")
    return pd.DataFrame(
        {
            "Visitor": [f"v{number}" for number in range(ROWS)],
            "At": times.strftime("%d.%m.%Y %H:%M"),
            "pages": np.arange(ROWS) % 17,
            "bought": np.resize(["no", "no", "yes", "no", "yes"], ROWS),
        }
    )


def seen_of(frame: pd.DataFrame, tmp_path: Path, label: str = "bought") -> Profile:
    frame.to_csv(tmp_path / "rows.csv", index=False)
    source = Source(url="rows.csv", format="csv")
    head, more = sample(source, root=tmp_path, rows=SAMPLED)
    assert more
    made = profile(head, label=label, time="At", entity=("Visitor",), sampled=True)
    return completed(made, source, tmp_path, "")


def test_whole_reaches_to_the_last_row_and_keeps_what_the_sample_told(tmp_path: Path) -> None:
    seen = seen_of(visits(), tmp_path)
    assert (seen.rows, seen.total, seen.repeats) == (SAMPLED, ROWS, 0)
    assert seen.times is not None
    assert (seen.times.min(), seen.times.max()) == (
        pd.Timestamp("2024-01-01T00:00Z"),
        pd.Timestamp("2024-04-09T18:00Z"),
    )
    assert (seen.classes, seen.shares) == (("no", "yes"), {"no": 0.6, "yes": 0.4})
    assert seen.column("pages").maximum == 16


def test_whole_finds_a_class_and_repeats_that_lie_behind_the_sample(tmp_path: Path) -> None:
    frame = visits()
    frame.loc[ROWS - 1, "bought"] = "returned"
    frame.loc[ROWS - 2, ["Visitor", "At"]] = frame.loc[0, ["Visitor", "At"]]
    seen = seen_of(frame, tmp_path)
    assert (seen.task, seen.classes, seen.repeats) == ("multiclass", ("no", "returned", "yes"), 1)
    assert seen.shares["returned"] == 1 / ROWS


def test_whole_of_a_number_to_predict_counts_no_classes(tmp_path: Path) -> None:
    seen = seen_of(visits().assign(paid=np.linspace(0.5, 90.25, ROWS)), tmp_path, label="paid")
    assert (seen.task, seen.classes, seen.shares, seen.total) == ("regression", (), {}, ROWS)


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], type[ContenderError], str]] = {
    "a row without a time": (
        lambda frame: frame.assign(At=frame["At"].where(frame.index != 300)), ScaffoldRefused, "does not parse",
    ),
    "a time of another form": (
        lambda frame: frame.assign(At=frame["At"].where(frame.index != 300, "2024-03-01")), SourceUnreadable, "row 300",
    ),
    "a row without an entity": (
        lambda frame: frame.assign(Visitor=frame["Visitor"].where(frame.index != 300)), ScaffoldRefused, "in rows 300",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_whole_refuses_a_later_row_that_is_none(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], kind: type[ContenderError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        seen_of(change(visits()), tmp_path)


def test_whole_refuses_a_number_that_is_none_behind_the_sample_unless_it_is_dropped(tmp_path: Path) -> None:
    frame = visits().astype({"pages": object})
    frame.loc[ROWS - 1, "pages"] = "see note"
    with pytest.raises(SourceUnreadable, match="see note"):
        seen_of(frame, tmp_path)
    source = Source(url="rows.csv", format="csv")
    made = profile(sample(source, root=tmp_path, rows=SAMPLED)[0], label="bought", time="At", sampled=True)
    assert completed(made, source, tmp_path, "", drop=["pages"]).total == ROWS


def test_whole_refuses_a_label_outside_of_the_classes_given_that_lies_behind_the_sample(tmp_path: Path) -> None:
    frame = visits()
    frame.loc[[ROWS - 1, ROWS - 3], "bought"] = "returned"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    source, classes = Source(url="rows.csv", format="csv"), ("no", "yes")
    head = sample(source, root=tmp_path, rows=SAMPLED)[0]
    made = profile(head, label="bought", time="At", classes=classes, sampled=True)
    with pytest.raises(ScaffoldRefused, match=r"none of the classes.*got: 'returned' in 2 rows"):
        completed(made, source, tmp_path, "", classes)
