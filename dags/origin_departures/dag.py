"""Airflow DAGs of `origin_departures`: how many flights will leave this airport in this hour of tomorrow?

**Purpose.** Asked at each full hour, for each airport of New York, about the hour that begins 23 hours later.

**Inputs.** The table `flights` of `flight_delay`, its owner, and nothing else: a flight counts in the hour in which it
left, a cancelled one in none, and a row that the owner's suite quarantines is not in the table.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/origin_departures`, which starts the deployment.

**What is normal.** 0 departures in the hours of the night, 20 to 38 in the busiest. The naive forecast is the same hour
of the week before; in the week after the clocks change it is an hour off. `reject` in February 2013, whose holdout is
too short to show an improvement over the naive forecast; `promote` in June. January 2013 cannot be trained on: the
oldest of the folds that the trials are scored on has no row before it, and its `train.trial` says so.

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import Budgets, GatePolicy, SliceRule
from contender.core.spec import Column, ModelSpec, Panel, Table, Tuning, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="origin_departures",
    title="How many flights will leave this airport in this hour of tomorrow?",
    owner="ml-platform",
    task="forecast",
    schedule="@monthly",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    data_until=datetime(2014, 1, 1, tzinfo=UTC),
    tables=(
        Table(name="flights", time_column="time_hour", key=("time_hour", "carrier", "flight"), owner="flight_delay"),
    ),
    views=(View(name="origin_departures_history", max_age_hours=3),),
    columns=(
        Column(name="origin", kind="category", source="request", nullable=False),
        Column(name="lag_1", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="lag_2", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="lag_25", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="lag_49", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="lag_145", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="lag_313", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="mean_24", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="mean_168", source="origin_departures_history", minimum=0, maximum=200),
        Column(name="naive", source="origin_departures_history", minimum=0, maximum=200),
    ),
    label="departures",
    # Seen from the hour that is asked about: a day, two and three days, a week and two weeks before are its own hour.
    panel=Panel(
        step="hour", entity=("origin",), horizon=24, lags=(1, 2, 25, 49, 145, 313), means=(24, 168), season=168
    ),
    # Each question is asked a day before its hour, hence the gap; the longest lag reaches 14 days back.
    windows=Windows(history_days=365, holdout_starts_after_days=14, gap_hours=24, lookback_days=15),
    # Three weeks of backtest: in February 2013 the oldest begins on the 23rd of January, when all lags have values.
    tuning=Tuning(trials=3, validation_days=7, folds=3),
    # A lag orders busy and quiet hours nearly without a fault, and is no leak for that; the label itself still is.
    gate=GatePolicy(
        metric="mae",
        baseline="naive",
        cluster="day",
        slices=(SliceRule(column="origin", largest_regression=0.2),),
        max_prediction_shift=0.5,
        max_single_feature_power=0.999,
        budgets=Budgets(max_p95_latency_ms=250, max_memory_mb=400, max_image_mb=1000),
    ),
    seed=2013,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
