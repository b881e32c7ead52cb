"""Airflow DAGs of `batch_only`: Is this tumour malignant, for a whole file at once?

**Purpose.** As `classification`, for rows without a time that are scored in batches and never looked up online.

**Inputs.** Ten columns of the breast cancer data that come with scikit-learn.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/batch_only`, which starts the deployment.

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
    name="batch_only",
    title="Is this tumour malignant, for a whole file at once?",
    owner="ml-platform",
    task="binary",
    classes=("benign", "malignant"),
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="batch_only", time_column=None, key=("row",)),),
    columns=(
        Column(name="mean_radius", source="request", minimum=4.868, maximum=30.22),
        Column(name="mean_texture", source="request", minimum=6.753, maximum=42.24),
        Column(name="mean_perimeter", source="request", minimum=29.32, maximum=203),
        Column(name="mean_area", source="request", minimum=0, maximum=2737),
        Column(name="mean_smoothness", source="request", minimum=0.04155, maximum=0.1745),
        Column(name="mean_compactness", source="request", minimum=0, maximum=0.378),
        Column(name="mean_concavity", source="request", minimum=0, maximum=0.4695),
        Column(name="mean_concave_points", source="request", minimum=0, maximum=0.2213),
        Column(name="mean_symmetry", source="request", minimum=0.0862, maximum=0.3238),
        Column(name="mean_fractal_dimension", source="request", minimum=0.04521, maximum=0.1022),
    ),
    label="malignant",
    windows=Shares(holdout=0.25),
    tuning=Tuning(trials=3, validation_days=7),
    gate=GatePolicy(metric="log_loss", cluster="example_id"),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
