"""Health checks of the stack's services: exit code 0 if the service named on the command line is well.

`healthy.py URL` wants a 200; `healthy.py URL COMPONENT` wants Airflow's API server to have a recent heartbeat of the
component, which costs a request instead of the seconds of starting `airflow jobs check`.
"""

from __future__ import annotations

import json
import sys
import urllib.request

TIMEOUT_SECONDS = 8


def problem(url: str, component: str = "") -> str:
    """What is wrong, or nothing."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
        if not component:
            return ""
        status = (json.load(answer).get(component) or {}).get("status")
        return "" if status == "healthy" else f"{component} is {status}"


if __name__ == "__main__":
    try:
        sys.exit(problem(*sys.argv[1:]) or 0)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
