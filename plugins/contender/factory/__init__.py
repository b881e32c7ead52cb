"""From a spec to its DAGs."""

from contender.factory.dags import model_dags
from contender.factory.model_dag import model_dag

__all__ = ["model_dag", "model_dags"]
