"""From a spec to its DAGs."""

from contender.factory.dags import model_dags

__all__ = ["model_dags"]
