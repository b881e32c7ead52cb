"""What a model may share of another one, and what is refused and how."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core.errors import SpecError
from contender.core.sharing import makers, owner_of, owners_of
from contender.core.spec import Column, ModelSpec, Table, View, Windows

VISITS = Table(name="visits", time_column="at", key=("id",))
HABITS = View(name="habits", max_age_hours=24)


def _spec(name: str, **more: Any) -> ModelSpec:
    facts: dict[str, Any] = {
        "schema_version": 2,
        "name": name,
        "title": "Who leaves",
        "owner": "growth",
        "data_from": datetime(2013, 1, 1, tzinfo=UTC),
        "tables": (VISITS,),
        "views": (HABITS,),
        "columns": (Column(name="visits_7d", source="habits"),),
        "label": "left",
        "windows": Windows(history_days=180, holdout_starts_after_days=14, gap_hours=24, lookback_days=28),
    }
    return ModelSpec(**(facts | more))


def of(owner: str, part: Any) -> Any:
    return part.model_copy(update={"owner": owner})


def sharer(**more: Any) -> ModelSpec:
    shared = {"tables": (of("churn", VISITS),), "views": (of("churn", HABITS),)}
    return _spec("upsell", **(shared | more))


def resolved(spec: ModelSpec, *models: ModelSpec) -> dict[str, ModelSpec]:
    return owners_of(spec, {model.name: lambda model=model: model for model in models})  # type: ignore[misc]


def test_owners_of_a_model_that_shares_nothing_are_none_and_it_makes_its_own() -> None:
    churn = _spec("churn")
    assert resolved(churn) == {}
    assert makers(churn, {}) == [churn]


def test_views_of_an_owner_are_made_by_it_and_the_model_s_own_by_itself() -> None:
    churn, own = _spec("churn"), View(name="baskets", max_age_hours=1)
    spec = sharer(views=(of("churn", HABITS), own))
    owners = resolved(spec, churn, spec)
    assert owners == {"churn": churn}
    assert owner_of(spec, "churn", owners) is churn
    assert owner_of(spec, None, owners) is spec
    first, second = makers(spec, owners)
    assert (first, second.name, second.views) == (churn, "upsell", (own,))
    assert makers(sharer(), owners) == [churn]


def test_table_alone_is_shared_without_the_owner_s_views_and_lookback() -> None:
    windows = Windows(history_days=30, holdout_starts_after_days=14, gap_hours=0, lookback_days=0)
    spec = sharer(views=(), columns=(Column(name="age", source="request"),), windows=windows)
    owners = resolved(spec, _spec("churn", tables=(VISITS, Table(name="plans", time_column=None, key=("id",)))))
    assert [maker.name for maker in makers(spec, owners)] == ["upsell"]


def test_owner_of_itself_is_refused_when_it_is_declared() -> None:
    with pytest.raises(SpecError, match=r"where: owner; expected: no owner .*; got: 'upsell'"):
        sharer(tables=(of("upsell", VISITS),))


PLANS = Table(name="plans", time_column=None, key=("id",))
SHORT = Windows(history_days=180, holdout_starts_after_days=14, gap_hours=24, lookback_days=27)
REFUSED: dict[str, tuple[ModelSpec, ModelSpec, str]] = {
    "an owner that does not exist": (
        sharer(tables=(of("chrun", VISITS),), views=(), columns=(Column(name="age", source="request"),)),
        _spec("churn"),
        r"the owner 'chrun' does not exist; did you mean 'churn'\?; where: upsell/dag.py.*expected: churn, upsell",
    ),
    "a table that it does not have": (
        sharer(tables=(of("churn", VISITS), of("churn", PLANS))), _spec("churn"),
        "'churn' has no table 'plans'; .*expected: visits; got: plans",
    ),
    "a table declared otherwise": (
        sharer(tables=(of("churn", Table(name="visits", time_column="day", key=("id",))),)), _spec("churn"),
        "'visits' is declared otherwise than by its owner 'churn'; .*time_column='at'; got: time_column='day'",
    ),
    "a view that it does not have": (
        sharer(views=(of("churn", View(name="moods", max_age_hours=1)), of("churn", HABITS))), _spec("churn"),
        "'churn' has no view 'moods'; .*expected: habits",
    ),
    "a view without the tables it is made of": (
        sharer(), _spec("churn", tables=(VISITS, PLANS)),
        "the views of 'churn' are made of tables that are not declared; .*expected: plans; got: visits",
    ),
    "an owner's table without saying so": (
        sharer(tables=(VISITS,)), _spec("churn"), "the table 'visits' would be written by two models",
    ),
    "an owner's view without saying so": (
        sharer(views=(HABITS,)), _spec("churn"), "the view 'habits' would be written by two models",
    ),
    "fewer days to look back on": (
        sharer(windows=SHORT), _spec("churn"),
        "made of other rows than by their owner; .*expected: .*lookback_days=28; got: .*lookback_days=27",
    ),
    "data from another time": (
        sharer(data_from=datetime(2013, 2, 1, tzinfo=UTC)), _spec("churn"),
        "made of other rows than by their owner; .*expected: data_from=2013-01-01, .*; got: data_from=2013-02-01",
    ),
    "an owner that shares in turn": (
        sharer(), _spec("churn", tables=(of("base", VISITS),)),
        "the owner 'churn' shares in turn; .*got: churn takes parts of base",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "owner", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_sharing_that_cannot_work_is_refused(spec: ModelSpec, owner: ModelSpec, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        resolved(spec, owner, spec)
