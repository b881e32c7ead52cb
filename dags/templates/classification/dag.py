"""Airflow DAGs of `classification`: Is this tumour malignant?

**Purpose.** One of two classes from the columns of a row.

**Inputs.** The breast cancer data (Diagnostic, Wisconsin) that come with scikit-learn: 569 rows, 30 numbers.

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/classification`, which starts the deployment.

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
    name="classification",
    title="Is this tumour malignant?",
    owner="ml-platform",
    task="binary",
    classes=("benign", "malignant"),
    data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="classification", time_column=None, key=("row",)),),
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
        Column(name="radius_error", source="request", minimum=0, maximum=3.149),
        Column(name="texture_error", source="request", minimum=0, maximum=5.337),
        Column(name="perimeter_error", source="request", minimum=0, maximum=24.1),
        Column(name="area_error", source="request", minimum=0, maximum=595.7),
        Column(name="smoothness_error", source="request", minimum=0, maximum=0.03407),
        Column(name="compactness_error", source="request", minimum=0, maximum=0.1487),
        Column(name="concavity_error", source="request", minimum=0, maximum=0.4356),
        Column(name="concave_points_error", source="request", minimum=0, maximum=0.05807),
        Column(name="symmetry_error", source="request", minimum=0.0007752, maximum=0.08606),
        Column(name="fractal_dimension_error", source="request", minimum=0, maximum=0.03273),
        Column(name="worst_radius", source="request", minimum=5.119, maximum=38.85),
        Column(name="worst_texture", source="request", minimum=8.268, maximum=53.29),
        Column(name="worst_perimeter", source="request", minimum=30.33, maximum=271.3),
        Column(name="worst_area", source="request", minimum=0, maximum=4661),
        Column(name="worst_smoothness", source="request", minimum=0.05603, maximum=0.2377),
        Column(name="worst_compactness", source="request", minimum=0, maximum=1.161),
        Column(name="worst_concavity", source="request", minimum=0, maximum=1.377),
        Column(name="worst_concave_points", source="request", minimum=0, maximum=0.3201),
        Column(name="worst_symmetry", source="request", minimum=0.1058, maximum=0.7145),
        Column(name="worst_fractal_dimension", source="request", minimum=0.03979, maximum=0.2227),
    ),
    label="malignant",
    windows=Shares(holdout=0.25),
    tuning=Tuning(trials=3, validation_days=7),
    gate=GatePolicy(metric="log_loss", cluster="example_id"),
    seed=1,
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
