from __future__ import annotations

import stat
from pathlib import Path

from contender.embedded import home as places


def test_password_is_random_kept_and_private(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    first = places.password(one)
    assert first == places.password(one)
    assert first != places.password(other)
    assert stat.S_IMODE((one / "airflow" / "passwords.json").stat().st_mode) == 0o600


def test_prepare_twice_keeps_what_is_there(tmp_path: Path) -> None:
    places.prepare(tmp_path)
    first = places.password(tmp_path)
    (tmp_path / "mlflow" / "artifacts" / "a").write_text("kept")
    places.prepare(tmp_path)
    assert places.password(tmp_path) == first
    assert (tmp_path / "mlflow" / "artifacts" / "a").read_text() == "kept"
    compile((tmp_path / "airflow" / "config" / "airflow_local_settings.py").read_text(), "settings", "exec")


def test_remember_adds_facts_and_survives_a_broken_file(tmp_path: Path) -> None:
    places.remember(tmp_path, ports={"airflow": 1})
    places.remember(tmp_path, migrated="x")
    assert places.remembered(tmp_path) == {"ports": {"airflow": 1}, "migrated": "x"}
    (tmp_path / "platform.json").write_text("{")
    assert places.remembered(tmp_path) == {}
