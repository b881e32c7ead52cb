"""The address of a source that an Airflow connection keeps, because it has a secret in it."""

from __future__ import annotations

from contender.core.errors import ScaffoldRefused


def address_of(connection: str | None) -> str:
    """The connection's URI as SQLAlchemy takes it; empty without a connection.

    Raises:
        ScaffoldRefused: There is none of that name.
    """
    if not connection:
        return ""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowException

    try:
        return str(Connection.get(connection).get_uri()).replace("postgres://", "postgresql+psycopg2://", 1)
    except AirflowException as error:
        raise ScaffoldRefused(
            "there is no such connection", where=f"CONNECTION={connection}", expected="an Airflow connection",
            got=str(error)[:200], next_step=f"export AIRFLOW_CONN_{connection.upper()}='<address>'",
        ) from error  # fmt: skip
