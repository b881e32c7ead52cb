"""What `airflow-init` does before anything else starts: the database up to date, and the administrator.

Safe to run again: a database of this version and a user who is there stay as they are.
"""

from __future__ import annotations

import os
import sys

from airflow.__main__ import main


def airflow(*arguments: str) -> None:
    """Run Airflow's command line in this process: a password is no argument that `ps` would show.

    Raises:
        SystemExit: The command failed.
    """
    sys.argv = ["airflow", *arguments]
    main()


if __name__ == "__main__":
    user = os.environ["CONTENDER_ADMIN_USER"]
    airflow("db", "migrate")
    airflow(
        "users", "create", "--role", "Admin", "--username", user, "--password", os.environ["CONTENDER_ADMIN_PASSWORD"],
        "--firstname", "Contender", "--lastname", "Administrator", "--email", f"{user}@localhost",
    )  # fmt: skip
