"""MLServer as a rival, in an environment of its own: its FastAPI is older than Airflow's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from contender.bench.serving_model import Made, Row
from contender.bench.serving_rivals import Rival
from contender.core.errors import ContenderError

NAME, RELEASE, INSTALL_SECONDS = "mlserver", "1.7.1", 300
# In the versions that the model was fitted with; dill is in its pickle, since Feast registers it with pickle.
SAME = ("scikit-learn", "pandas", "numpy", "joblib", "dill")


class NotInstallable(ContenderError):
    """A rival cannot be installed here; the bench goes on without it and says so."""


def install(folder: Path) -> Path:
    """A virtual environment with MLServer; its interpreter.

    Raises:
        NotInstallable: The packages cannot be had in time.
    """
    python = folder / "bin" / "python"
    packages = [f"mlserver=={RELEASE}", f"mlserver-sklearn=={RELEASE}", *(f"{name}=={version(name)}" for name in SAME)]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, text=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True, capture_output=True,
                       text=True, timeout=INSTALL_SECONDS)  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error)
        raise NotInstallable(
            "MLServer is not compared",
            where="pip",
            expected=f"{' '.join(packages)} within {INSTALL_SECONDS} s",
            got=said[-500:],
            next_step="run it where a package index can be reached",
        ) from error
    return python


def mlserver(made: Made, folder: Path) -> Rival:
    """Its scikit-learn runtime with its defaults, asked by the Open Inference Protocol.

    Raises:
        NotInstallable: As for `install`.
    """
    python = install(folder / "venv")
    categories = made.categories()

    def command(port: int) -> list[str]:
        """Its settings are files; its other servers get ports beside the one it is asked at."""
        root = folder / "served"
        root.mkdir(exist_ok=True)
        settings = {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": port + 1,
            "metrics_port": port + 2,
            "parallel_workers": 0,
        }  # its worker processes fail to start under the installed uvicorn

        model = {"name": "model", "implementation": "mlserver_sklearn.SKLearnModel",
                 "parameters": {"uri": str(made.folder / "pipeline.joblib")}}  # fmt: skip
        (root / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        (root / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        return [str(python.with_name("mlserver")), "start", str(root)]

    def body(rows: Sequence[Row]) -> bytes:
        inputs = [_column(name, [row[name] for row in rows], name in categories) for name in rows[0]]
        asked = {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}
        return json.dumps(asked).encode()

    return Rival(NAME, command, lambda _: "/v2/models/model/infer", body, _read, {"PYTHONPATH": ""})


def _column(name: str, values: list[object], text: bool) -> dict[str, object]:
    kind = {"datatype": "BYTES", "parameters": {"content_type": "str"}} if text else {"datatype": "FP32"}
    return {"name": name, "shape": [len(values), 1], "data": values, **kind}


def _read(answer: bytes) -> list[float]:
    return list(json.loads(answer)["outputs"][0]["data"][1::2])
