"""docs/configuration.md has every variable of Contender that the code and the stack know, and no other."""

from __future__ import annotations

import re
from dataclasses import fields

from contender.core.settings import CHECKOUT
from contender.embedded.environment import environment
from contender.embedded.ports import FIRST, Ports
from contender.stack.env_file import required
from tests.docs.pages import tracked

VARIABLE = re.compile(r"\bCONTENDER_[A-Z][A-Z_]*[A-Z]\b")
CODE = ("plugins/", "dags/", "feature_repo/", "docker/", "docker-compose.yml", "Makefile")
# `${NAME}`, `${NAME:?why}`, `${NAME:-default}` of the compose file; a default may hold another variable.
USED = re.compile(r"\$\{([A-Z0-9_]+)(:[?-])?([^}$]*)")
SAID = re.compile(r"(?m)^#?([A-Z][A-Z0-9_]+)=(.*)$")
COMPOSE = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
PAGE = (CHECKOUT / "docs" / "configuration.md").read_text(encoding="utf-8")
STACK = PAGE[PAGE.index("## The stack") :].split("\n## ")[0]


def in_code() -> set[str]:
    files = [path for path in tracked() if path.relative_to(CHECKOUT).as_posix().startswith(CODE)]
    found = {name for path in files for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    # Their names are put together from a prefix and the port's name.
    return found | {f"CONTENDER_PORT_{field.name.upper()}" for field in fields(Ports)}


def test_configuration_page_has_every_variable_of_the_code() -> None:
    assert in_code() - set(VARIABLE.findall(PAGE)) == set()


def test_configuration_page_has_no_variable_that_the_code_lacks() -> None:
    assert set(VARIABLE.findall(PAGE)) - in_code() == set()


def test_env_example_has_the_variables_of_the_compose_file() -> None:
    assert {name for name, _ in SAID.findall(EXAMPLE)} == {name for name, _, _ in USED.findall(COMPOSE)}


def test_env_example_requires_what_the_compose_file_requires() -> None:
    assert set(required(CHECKOUT)) == {name for name, how, _ in USED.findall(COMPOSE) if how == ":?"}


def test_env_example_defaults_are_those_of_the_compose_file() -> None:
    defaults = {name: default for name, how, default in USED.findall(COMPOSE) if how == ":-"}
    computed = {"CONTENDER_URL", "CONTENDER_DAG_BUNDLES", "CONTENDER_AIRFLOW_IMAGE"}
    said = {name: value for name, value in SAID.findall(EXAMPLE) if name in defaults.keys() - computed}
    assert said == {name: defaults[name] for name in said}


def test_configuration_page_section_on_the_stack_has_the_variables_of_the_compose_file() -> None:
    listed = {name for row in re.findall(r"(?m)^\|([^|]+)\|", STACK) for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    assert listed == {name for name, _, _ in USED.findall(COMPOSE)}


def test_configuration_page_default_ports_are_the_code_s() -> None:
    said = dict(re.findall(r"`CONTENDER_PORT_([A-Z_]+)` \| first free from (\d+)", PAGE))
    assert {name.lower(): int(port) for name, port in said.items()} == FIRST


def test_configuration_page_tool_variables_are_defaults_that_a_user_may_set() -> None:
    ports = Ports(**FIRST)
    switches = (
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__PARALLELISM",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_HTTP_REQUEST_TIMEOUT",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
        "FEAST_FS_YAML_FILE_PATH",
    )
    home = CHECKOUT / ".contender"
    for name in switches:
        assert f"`{name}`" in PAGE, name
        assert environment(home, ports, user={name: "mine"})[name] == "mine", name
