"""Contender: an MLOps platform on Apache Airflow in which every model earns its place."""
