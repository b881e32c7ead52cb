"""A model's versions in MLflow's registry, and their aliases; reading them makes nothing."""

from __future__ import annotations

from collections import defaultdict

import mlflow

from contender.adapters.tracking import DIGEST_TAG, reachable


def known_versions(model: str) -> dict[str, str]:
    """SHA-256 of the stored model by version; empty where the model is not registered.

    Raises:
        TrackingUnreachable: MLflow does not answer.
    """
    with reachable():
        client = mlflow.MlflowClient()
        found: dict[str, str] = {}
        token = None
        while True:
            page = client.search_model_versions(f"name = '{model}'", page_token=token)
            found |= {str(one.version): str(one.tags.get(DIGEST_TAG, "")) for one in page}
            token = page.token
            if not token:
                return found


def aliases(model: str) -> dict[str, tuple[str, ...]]:
    """All aliases by version, whoever gave them.

    Raises:
        TrackingUnreachable: MLflow does not answer.
    """
    with reachable():
        client = mlflow.MlflowClient()
        if not client.search_registered_models(f"name = '{model}'"):
            return {}
        found: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for alias, version in sorted(client.get_registered_model(model).aliases.items()):
            found[str(version)] += (alias,)
        return dict(found)
