"""MLflow's Dockerfile on another base, as it writes it for a model."""

from __future__ import annotations

import pytest
from mlflow.models.docker_utils import generate_dockerfile

from contender.bench.image_size import on_base


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """By the template that `mlflow models generate-dockerfile` fills in; the command itself takes ten times as long."""
    folder = tmp_path_factory.mktemp("mlflow")
    steps = "COPY model_dir/model /opt/ml/model\nRUN python -c \"C._install_pyfunc_deps('/opt/ml/model')\""
    generate_dockerfile(str(folder), "python:3.11.7-slim", steps, "serve()", env_manager="local")
    return (folder / "Dockerfile").read_text(encoding="utf-8")


def test_on_base_changes_the_base_and_keeps_the_packages(generated: str) -> None:
    changed = on_base(generated, "mine:1", nginx=True)
    assert changed.count("FROM mine:1\n") == 1
    assert "FROM python" not in changed
    assert "pip install mlflow==" in changed
    assert "install -y --no-install-recommends nginx" in changed


def test_on_base_without_nginx_asks_nothing_of_apt(generated: str) -> None:
    changed = on_base(generated, "mine:1", nginx=False)
    assert "apt-get" not in changed
    assert "Acquire" not in changed
    assert changed.splitlines()[-1:] == generated.splitlines()[-1:]
    assert "_install_pyfunc_deps" in changed
