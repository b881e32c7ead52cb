"""The same model, trained in two checkouts that share nothing but the engine, is the same image."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from contender.adapters.containers import Engine
from tests.made_model import environment, made, trained
from tests.unit.scaffold.conftest import checkout


@pytest.mark.slow
@pytest.mark.engine
def test_same_model_trained_in_two_checkouts_is_the_same_image(tmp_path: Path, engine: Engine) -> None:
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    digests, runs = [], []
    for name in ("first", "second"):
        root = checkout(tmp_path / name)
        file = made(root, "classification")
        env = environment(root, tmp_path / name / "home") | {"DOCKER_HOST": host}
        done = trained(file, "2026-01", env)
        assert done["verdict"] == "promote"
        image = done["image.prove"]["image"]
        digests.append((image, done["image.prove"]["digest"], done["train.fit"]["model_digest"]))
        runs.append(done["train.fit"]["run_id"])
        engine.remove(digests[-1][1])  # so that the second is made anew
        assert engine.find(image) is None
        shutil.rmtree(root)
    assert runs[0] != runs[1]
    assert digests[0] == digests[1]
