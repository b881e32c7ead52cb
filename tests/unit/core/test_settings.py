from __future__ import annotations

from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT, settings


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (
        "HOME",
        "LAKE",
        "MODELS",
        "EXPECTATIONS",
        "FEATURE_REPO",
        "OPTUNA_STORAGE",
        "ONLINE_STORE",
        "SOURCE",
        "SERVING_BASE",
        "MLFLOW_UI",
    ):
        monkeypatch.delenv(f"CONTENDER_{name}", raising=False)
    return monkeypatch


@pytest.mark.usefixtures("clean")
def test_settings_without_environment_lie_in_the_checkout() -> None:
    found = settings()
    assert (CHECKOUT / "plugins" / "contender").is_dir()
    assert found.home == CHECKOUT / ".contender"
    assert found.models == CHECKOUT / "dags"
    assert found.source == ""


def test_settings_with_a_home_put_everything_written_below_it(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean.setenv("CONTENDER_HOME", str(tmp_path))
    found = settings()
    below = (found.data_docs, found.releases, found.decisions, found.reports)
    assert {folder.parent for folder in below} == {tmp_path}
    assert found.online_store == str(tmp_path / "online" / "online.db")
    assert found.lake == str(tmp_path / "lake")
    assert found.optuna_storage == f"sqlite:///{tmp_path}/optuna.db"


@pytest.mark.parametrize(
    ("given", "found"),
    [("store.db", str(Path("store.db").resolve())), ("redis://u:p%40w@redis:6379/0", "redis://u:p%40w@redis:6379/0")],
    ids=["path", "url"],
)
def test_settings_online_store_is_an_absolute_path_or_a_url_as_given(
    clean: pytest.MonkeyPatch, given: str, found: str
) -> None:
    clean.setenv("CONTENDER_ONLINE_STORE", given)
    assert settings().online_store == found


def test_settings_read_the_environment_at_each_call(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("CONTENDER_LAKE", "s3://lake")
    assert settings().lake == "s3://lake"
    clean.setenv("CONTENDER_LAKE", "s3://other")
    assert settings().lake == "s3://other"


def test_settings_with_an_empty_variable_use_the_default(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("CONTENDER_HOME", "")
    assert settings().home == CHECKOUT / ".contender"


@pytest.mark.usefixtures("clean")
def test_settings_with_a_root_take_the_models_code_from_there_and_nothing_else(tmp_path: Path) -> None:
    found = settings(root=tmp_path)
    assert (found.models, found.expectations) == (tmp_path / "dags", tmp_path / "expectations")
    assert found.feature_repo == tmp_path / "feature_repo"
    assert found.home == CHECKOUT / ".contender"


def test_settings_with_a_root_and_a_models_folder_keep_to_the_platforms_suites(
    clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean.setenv("CONTENDER_MODELS", str(tmp_path / "models"))
    found = settings(root=tmp_path)
    assert (found.models, found.expectations) == (tmp_path / "models", CHECKOUT / "expectations")
