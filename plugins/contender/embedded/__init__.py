"""The local platform of one checkout: Airflow, MLflow and a serving process, started and stopped by `make`."""
