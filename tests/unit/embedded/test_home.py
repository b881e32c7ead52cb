from __future__ import annotations

import stat
from pathlib import Path

from contender.embedded import home as places
from contender.embedded.environment import environment
from contender.embedded.ports import Ports


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


def test_digest_changes_with_a_setting_but_not_with_another_terminal_or_one_model_more(tmp_path: Path) -> None:
    def environment_of(models: int, **user: str) -> dict[str, str]:
        for number in range(models):
            (tmp_path / f"model_{number}").mkdir(exist_ok=True)
            (tmp_path / f"model_{number}" / "dag.py").touch()
        return environment(tmp_path / "home", Ports(*range(1, 8)), {"CONTENDER_MODELS": str(tmp_path), **user})

    of_159, of_160 = environment_of(159), environment_of(160, PATH="/elsewhere")
    assert of_159 != of_160
    assert places.digest(of_159) == places.digest(of_160)
    assert places.digest(of_160) != places.digest(environment_of(160, AIRFLOW__CORE__PARALLELISM="3"))
