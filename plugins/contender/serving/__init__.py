"""The app that goes into the image: predictions over HTTP, with no Airflow, MLflow or pandas."""

import os

# ONNX Runtime reports its use over the network unless this is set before it is loaded, hence here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
