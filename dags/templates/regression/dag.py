"""Airflow DAGs of `regression`: How far will the disease have progressed in a year?

**Purpose.** A number from the columns of a row.

**Inputs.** The diabetes data (Efron et al. 2004) that come with scikit-learn: 442 rows, 10 numbers.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/regression`, which starts the deployment.

**What is normal.** `promote` at first; then `hold`, as the rows do not change.

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** ml-platform
"""

from datetime import UTC, datetime

from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Shares, Table, Tuning
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="regression",
    title="How far will the disease have progressed in a year?",
    owner="ml-platform",
    task="regression",
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="regression", time_column=None, key=("row",)),),
    columns=(
        Column(name="age", source="request", minimum=13, maximum=85),
        Column(name="sex", source="request", minimum=0.9, maximum=2.1),
        Column(name="bmi", source="request", minimum=15.58, maximum=44.62),
        Column(name="bp", source="request", minimum=54.9, maximum=140.1),
        Column(name="s1", source="request", minimum=76.6, maximum=321.4),
        Column(name="s2", source="request", minimum=21.52, maximum=262.5),
        Column(name="s3", source="request", minimum=14.3, maximum=106.7),
        Column(name="s4", source="request", minimum=1.291, maximum=9.799),
        Column(name="s5", source="request", minimum=2.973, maximum=6.392),
        Column(name="s6", source="request", minimum=51.4, maximum=130.6),
    ),
    label="progression",
    windows=Shares(holdout=0.25),
    tuning=Tuning(trials=3, validation_days=7),
    gate=GatePolicy(metric="mae", baseline="mean", cluster="example_id"),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
