"""Where the platform keeps things, read from the environment in this one place.

Each tool's own variables choose its backend (`MLFLOW_TRACKING_URI`, `FEAST_FS_YAML_FILE_PATH`, Airflow's,
`DOCKER_HOST`); what is here are the places that no tool of the chain has a setting for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
# Below the home. It lies alone in its folder, so that a container can be given the folder and with it the file's
# rollback journal: a reader that does not see the journal of a broken-off write would take torn pages for whole ones.
ONLINE_STORE = Path("online", "online.db")
# The prediction store of models that the embedded platform serves, likewise.
PREDICTIONS = Path("predictions", "predictions.db")


@dataclass(frozen=True)
class Settings:
    """Absolute places of the platform.

    Attributes:
        home: Root of everything the embedded platform writes (`CONTENDER_HOME`, default `<checkout>/.contender`).
        lake: Root URI or path of the Delta tables (`CONTENDER_LAKE`, default `<home>/lake`).
        root: Root of the models' code: a bundle's checkout, or the platform's own.
        models: Folder with one folder for each model (`CONTENDER_MODELS`, default `<root>/dags`).
        expectations: Folder of the Great Expectations suites (`CONTENDER_EXPECTATIONS`, default `<root>/expectations`).
        feature_repo: Feast's repository (`CONTENDER_FEATURE_REPO`, default `<root>/feature_repo`).
        optuna_storage: SQLAlchemy URL of the studies (`CONTENDER_OPTUNA_STORAGE`, default SQLite below `home`).
        online_store: File of the online store, alone in its folder, or URL of a Redis server
            (`CONTENDER_ONLINE_STORE`, default `<home>/online/online.db`).
        source: Where the reference model reads its raw files (`CONTENDER_SOURCE`, default the installed package).
        mlflow_ui: Address of MLflow's UI, for links (`CONTENDER_MLFLOW_UI`, default none: no links).
        serving_base: Base image of the serving images (`CONTENDER_SERVING_BASE`, default the Dockerfile's own).
        serving_network: Docker network of proof and served containers (`CONTENDER_SERVING_NETWORK`, default none: a
            proof is published on the loopback, and nothing is deployed).
        serving_online_store: Online store of served containers, as the serving app takes it
            (`CONTENDER_SERVING_ONLINE_STORE`, default none: they answer raw features alone).
        serving_predictions: Prediction store of served containers, likewise (`CONTENDER_SERVING_PREDICTIONS`, default
            none: they keep no prediction log).
        osv: Address of the database of known vulnerabilities, or `none` (`CONTENDER_OSV`, default OSV's own).
        vulnerabilities: What is done about them: `warn`, `block`, `block:high` (`CONTENDER_VULNERABILITIES`).
        vulnerabilities_ignored: TOML file of those that are passed over (`CONTENDER_VULNERABILITIES_IGNORED`, default
            `<root>/vulnerabilities.toml`, which need not be there).
        signing_key: Ed25519 key that releases are signed with, PEM or the path of a file of it
            (`CONTENDER_SIGNING_KEY`, default none: one is made in `keys`).
        trusted_keys: Public keys that a release may be signed with, files or folders of `*.pub`, separated as in `PATH`
            (`CONTENDER_TRUSTED_KEYS`, default `keys`).
        registry: Airflow connection to the registry that promoted images are pushed to and pulled from
            (`CONTENDER_REGISTRY`, default none: nothing is pushed).
    """

    home: Path
    lake: str
    root: Path
    models: Path
    expectations: Path
    feature_repo: Path
    optuna_storage: str
    online_store: str
    source: str
    serving_base: str
    mlflow_ui: str
    serving_network: str
    serving_online_store: str
    serving_predictions: str
    osv: str
    vulnerabilities: str
    vulnerabilities_ignored: Path
    signing_key: str = field(repr=False)
    trusted_keys: str

    @property
    def keys(self) -> Path:
        """Folder of the platform's own signing key and of the public keys that it trusts."""
        return self.home / "keys"

    @property
    def sboms(self) -> Path:
        """Folder of bills of materials by their digest, and of what was found in runtime images."""
        return self.home / "sboms"

    registry: str

    @property
    def owner(self) -> str:
        """Which platform of those that share one engine this is: stacks have a network each, the others a home."""
        return self.serving_network or str(self.home)

    @property
    def data_docs(self) -> Path:
        """Folder of the validation reports."""
        return self.home / "data_docs"

    @property
    def releases(self) -> Path:
        """Folder of the manifests, one folder for each model and version."""
        return self.home / "releases"

    @property
    def decisions(self) -> Path:
        """Folder of the decision logs."""
        return self.home / "decisions"

    @property
    def reports(self) -> Path:
        """Folder of the decision reports, one folder for each model."""
        return self.home / "reports"


def settings(root: Path = CHECKOUT) -> Settings:
    """Read the environment now, so that a test or a worker can set it before the first use.

    Args:
        root: Where the models' code lies; a task of a run from Git gives its run's checkout. It is the platform's
            where `CONTENDER_MODELS` names a folder of its own, which has no suites and definitions beside it.
    """
    env = os.environ
    root = CHECKOUT if env.get("CONTENDER_MODELS") else root
    home = Path(env.get("CONTENDER_HOME") or CHECKOUT / ".contender").resolve()
    return Settings(
        home=home,
        lake=env.get("CONTENDER_LAKE") or str(home / "lake"),
        root=root,
        models=Path(env.get("CONTENDER_MODELS") or root / "dags").resolve(),
        expectations=Path(env.get("CONTENDER_EXPECTATIONS") or root / "expectations").resolve(),
        feature_repo=Path(env.get("CONTENDER_FEATURE_REPO") or root / "feature_repo").resolve(),
        optuna_storage=env.get("CONTENDER_OPTUNA_STORAGE") or f"sqlite:///{home / 'optuna.db'}",
        online_store=_store(env.get("CONTENDER_ONLINE_STORE") or str(home / ONLINE_STORE)),
        source=env.get("CONTENDER_SOURCE", ""),
        serving_base=env.get("CONTENDER_SERVING_BASE", ""),
        mlflow_ui=env.get("CONTENDER_MLFLOW_UI", "").rstrip("/"),
        serving_network=env.get("CONTENDER_SERVING_NETWORK", ""),
        serving_online_store=env.get("CONTENDER_SERVING_ONLINE_STORE", ""),
        serving_predictions=env.get("CONTENDER_SERVING_PREDICTIONS", ""),
        osv=(env.get("CONTENDER_OSV") or "https://api.osv.dev").rstrip("/"),
        vulnerabilities=env.get("CONTENDER_VULNERABILITIES") or "warn",
        vulnerabilities_ignored=Path(env.get("CONTENDER_VULNERABILITIES_IGNORED") or root / "vulnerabilities.toml"),
        signing_key=env.get("CONTENDER_SIGNING_KEY", ""),
        trusted_keys=env.get("CONTENDER_TRUSTED_KEYS", ""),
        registry=env.get("CONTENDER_REGISTRY", ""),
    )


def _store(address: str) -> str:
    return address if "://" in address else str(Path(address).resolve())
