"""Feast's own tests of offline and online stores, run on ours.

They are not in Feast's package, so a checkout of feast-dev/feast and its test dependency assertpy are needed:

    FEAST_CHECKOUT=../feast pytest tests/integration/feast

Each case is run over Parquet and over Delta, with our online store and engine. They hold: historical retrieval
(main, shared batch source, missing request data, persisting, no ttl, backfills, field mapping, on-demand
projection, filter by created timestamp), offline writes, persist without overwriting, push, feature logging,
materialisation consistency, types; online writes, retrieval with and without event timestamps, lists, end to end,
materialised on-demand views, and the online types.

Those that do not apply, and why:

- `test_historical_features_with_entities_from_query`: its entity rows come from SQL, for warehouses; ours raises an
  error that says to pass the rows (test_asof: "SQL").
- `test_historical_features_non_entity_retrieval` (dask alone): a snapshot at the end of the span; Feast's Postgres
  store gives the history, and so does ours (test_asof: "the history of the span").
- `test_non_entity_mode.py` (Ray alone): compares single precision with double; ours returns what the table holds.
- `test_dqm_validation.py`: imports great_expectations.dataset, gone since Great Expectations 1.0.
- Vector search, asynchronous reads, connection pools and other servers: not offered by a local file.
- `test_entity_ttl_online_store` (Redis alone): expiry of whole keys by the server; `online_rows.is_known` is ours.

Cases of Feast's unit tests of other stores that ours repeat by what they check: cut-off by created time, default
without it, null created time, all candidates of the future, no borrowing from other entities (test_asof: "by created
time", and the property-based test); deduplication and ttl of `point_in_time_join` (test_asof_reference).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("FEAST_CHECKOUT", "")
OFFLINE = "tests/integration/offline_store/test_"
ONLINE = "tests/integration/online_store/test_"
FILES = [
    *(
        f"{OFFLINE}{name}.py"
        for name in (
            "universal_historical_retrieval",
            "offline_write",
            "persist",
            "push_features_to_offline_store",
            "feature_logging",
            "universal_materialization",
            "universal_types",
        )
    ),
    f"{ONLINE}universal_e2e.py",
    "tests/integration/materialization/test_universal_materialization.py",
]
# What the suite imports for stores that are not tested here, with the names it takes from them.
ABSENT = {
    "minio": ["Minio"],
    "keycloak": ["KeycloakAdmin"],
    "testcontainers.keycloak": ["KeycloakContainer"],
    "testcontainers.minio": ["MinioContainer"],
    "testcontainers.mysql": ["MySqlContainer"],
    "testcontainers.postgres": ["PostgresContainer"],
    "testcontainers.core.container": ["DockerContainer"],
    "testcontainers.core.generic": ["DockerContainer"],
    "testcontainers.core.waiting_utils": ["wait_for_logs"],
}
MARKERS = ("universal_offline_stores", "universal_online_stores", "integration", "benchmark", "slow", "xdist_group")
PLUGIN = "import pytest\n\n@pytest.fixture(scope='session')\ndef worker_id(): return 'master'\n"


def write_stand_ins(root: Path) -> None:
    """Empty stand-ins for the absent modules, the fixture of pytest-xdist, and the suite's markers."""
    for module, names in ABSENT.items():
        path = root.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"class {name}: ...\n" for name in names))
    (root / "lone_worker.py").write_text(PLUGIN)
    (root / "pytest.ini").write_text("[pytest]\nmarkers =\n" + "".join(f"    {name}: Feast's\n" for name in MARKERS))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not CHECKOUT, reason="FEAST_CHECKOUT does not name a checkout of feast-dev/feast")
def test_feast_stores_in_feasts_own_suite_pass(tmp_path: Path) -> None:
    suite = Path(CHECKOUT) / "sdk" / "python"
    write_stand_ins(tmp_path)
    paths = [suite, Path(__file__).parent, tmp_path, Path(__file__).parents[3] / "plugins"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")]),
        "FULL_REPO_CONFIGS_MODULE": "universal_config",
        "FEAST_IS_LOCAL_TEST": "True",
        "IS_TEST": "True",
    }
    command = [sys.executable, "-m", "pytest", "-c", str(tmp_path / "pytest.ini"), "--rootdir", str(suite)]
    options = ["-p", "lone_worker", "-p", "no:cacheprovider", "-q", "--integration", "--tb=short", "-W", "ignore"]
    done = subprocess.run(
        [*command, *options, *FILES], cwd=suite, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
