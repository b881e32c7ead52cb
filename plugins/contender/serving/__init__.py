"""The app that goes into the image: predictions over HTTP, with no Airflow, MLflow or pandas."""
