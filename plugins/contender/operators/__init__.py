"""The stages as Airflow operators: read through an adapter, call a stage, return figures."""
