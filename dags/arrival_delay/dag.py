"""Airflow DAGs of `arrival_delay`: how many minutes late will this flight arrive?

**Purpose.** Asked one hour before scheduled departure, for each flight out of New York in 2013.

**Inputs.** The tables and feature views of `flight_delay`, their owner: a run of either model brings in and builds what
is missing, for both.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/arrival_delay`, which starts the deployment.

**What is normal.** Half of all flights arrive 5 minutes early or earlier, one in a hundred three hours late or more: a
mean error of 22 minutes in February 2013 and 29 in June, and a negative `bias`, as the typical delay is less than the
mean.

**When to worry.** A failed `data.validate` or `features.build`: as for `flight_delay`, whose suites they are. A failed
`gate.measure`: the gate failed its own test. `reject`: the challenger is worse than the champion, has a leak, or its
image is over a budget; the *Decision report* of `gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import Budgets, GatePolicy, Guardrail, SliceRule
from contender.core.spec import Column, ModelSpec, Table, Tuning, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="arrival_delay",
    title="How many minutes late will this flight arrive?",
    owner="ml-platform",
    task="regression",
    schedule="@monthly",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    data_until=datetime(2014, 1, 1, tzinfo=UTC),
    tables=(
        Table(name="flights", time_column="time_hour", key=("time_hour", "carrier", "flight"), owner="flight_delay"),
        Table(name="weather", time_column="time_hour", key=("origin", "time_hour"), owner="flight_delay"),
        Table(name="planes", time_column=None, key=("tailnum",), owner="flight_delay"),
        Table(name="airports", time_column=None, key=("faa",), owner="flight_delay"),
    ),
    views=(
        View(name="origin_weather", max_age_hours=48, owner="flight_delay"),
        View(name="origin_congestion", max_age_hours=6, owner="flight_delay"),
        View(name="carrier_at_origin", max_age_hours=6, owner="flight_delay"),
        View(name="carrier_punctuality", max_age_hours=6, owner="flight_delay"),
        View(name="dest_punctuality", max_age_hours=6, owner="flight_delay"),
        View(name="route_punctuality", max_age_hours=48, owner="flight_delay"),
        View(name="flight_punctuality", max_age_hours=24, owner="flight_delay"),
        View(name="plane_facts", max_age_hours=None, owner="flight_delay"),
    ),
    columns=(
        Column(name="origin", kind="category", source="request", nullable=False),
        Column(name="carrier", kind="category", source="request", nullable=False),
        Column(name="dest", kind="category", source="request", nullable=False),
        Column(name="hour", source="request", minimum=0, maximum=24, nullable=False),
        Column(name="weekday", source="request", minimum=0, maximum=6, nullable=False),
        Column(name="temp", source="origin_weather", minimum=-40, maximum=120),
        Column(name="dewp", source="origin_weather", minimum=-40, maximum=100),
        Column(name="humid", source="origin_weather", minimum=0, maximum=100),
        Column(name="wind_speed", source="origin_weather", minimum=0, maximum=150),
        Column(name="precip", source="origin_weather", minimum=0, maximum=10),
        Column(name="pressure", source="origin_weather", minimum=900, maximum=1100),
        Column(name="visib", source="origin_weather", minimum=0, maximum=10),
        Column(name="origin_delay_2h", source="origin_congestion", minimum=-120, maximum=3000),
        Column(name="origin_departures_2h", source="origin_congestion", minimum=0, maximum=1000),
        Column(name="origin_waiting_2h", source="origin_congestion", minimum=0, maximum=1000),
        Column(name="origin_late_share_6h", source="origin_congestion", minimum=0, maximum=1),
        Column(name="carrier_origin_delay_2h", source="carrier_at_origin", minimum=-120, maximum=3000),
        Column(name="carrier_origin_waiting_2h", source="carrier_at_origin", minimum=0, maximum=1000),
        Column(name="carrier_late_share_6h", source="carrier_punctuality", minimum=0, maximum=1),
        Column(name="carrier_late_share_7d", source="carrier_punctuality", minimum=0, maximum=1),
        Column(name="dest_late_share_6h", source="dest_punctuality", minimum=0, maximum=1),
        Column(name="dest_delay_4h", source="dest_punctuality", minimum=-120, maximum=3000),
        Column(name="flight_late_share_28d", source="flight_punctuality", minimum=0, maximum=1),
        Column(name="flight_delay_28d", source="flight_punctuality", minimum=-200, maximum=3000),
        Column(name="route_late_share_28d", source="route_punctuality", minimum=0, maximum=1),
        Column(name="distance", source="route_punctuality", minimum=0, maximum=10_000),
        Column(name="plane_year", source="plane_facts", minimum=1900, maximum=2100),
        Column(name="seats", source="plane_facts", minimum=1, maximum=1000),
    ),
    label="arr_delay",
    windows=Windows(history_days=365, holdout_starts_after_days=14, gap_hours=24, lookback_days=28),
    tuning=Tuning(trials=3, validation_days=7),
    # Of minutes: slices of some hundred flights a fortnight differ by a few from one another.
    gate=GatePolicy(
        metric="mae",
        baseline="mean",
        cluster="day",
        guardrails=(Guardrail(metric="rmse", margin=2.0),),
        slices=(
            SliceRule(column="origin", largest_regression=1.0),
            SliceRule(column="carrier", largest_regression=2.0),
        ),
        max_prediction_shift=0.5,
        budgets=Budgets(max_p95_latency_ms=250, max_memory_mb=400, max_image_mb=1000),
    ),
    seed=2013,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
