"""Airflow DAGs of `multiclass`: From which of three growers is this wine?

**Purpose.** One of several classes from the columns of a row.

**Inputs.** The wine data that come with scikit-learn: 178 rows, 13 numbers.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/multiclass`, which starts the deployment.

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
    name="multiclass",
    title="From which of three growers is this wine?",
    owner="ml-platform",
    task="multiclass",
    classes=("class_0", "class_1", "class_2"),
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="multiclass", time_column=None, key=("row",)),),
    columns=(
        Column(name="alcohol", source="request", minimum=10.65, maximum=15.21),
        Column(name="malic_acid", source="request", minimum=0.234, maximum=6.306),
        Column(name="ash", source="request", minimum=1.173, maximum=3.417),
        Column(name="alcalinity_of_ash", source="request", minimum=8.66, maximum=31.94),
        Column(name="magnesium", source="request", minimum=60.8, maximum=171.2),
        Column(name="total_phenols", source="request", minimum=0.69, maximum=4.17),
        Column(name="flavanoids", source="request", minimum=0, maximum=5.554),
        Column(name="nonflavanoid_phenols", source="request", minimum=0.077, maximum=0.713),
        Column(name="proanthocyanins", source="request", minimum=0.093, maximum=3.897),
        Column(name="color_intensity", source="request", minimum=0.108, maximum=14.17),
        Column(name="hue", source="request", minimum=0.357, maximum=1.833),
        Column(name="od280_od315_of_diluted_wines", source="request", minimum=0.997, maximum=4.273),
        Column(name="proline", source="request", minimum=137.8, maximum=1820),
    ),
    label="grower",
    windows=Shares(holdout=0.25),
    tuning=Tuning(trials=3, validation_days=7),
    gate=GatePolicy(metric="log_loss", cluster="example_id"),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
