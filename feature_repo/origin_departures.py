"""Feature view of `origin_departures`.

`event_timestamp` and `created_timestamp` are the end of the newest hour that a row knows of. The values follow from the
panel in `dags/origin_departures/dag.py`.
"""

from datetime import timedelta

from contender.feast_stores.delta_view import delta_view
from feature_repo.entities import origin

origin_departures_history = delta_view(
    "origin_departures_history",
    [origin],
    {
        "lag_1": "Departures in the hour that lies 24 hours before the one asked about",
        "lag_2": "Departures in the hour that lies 25 hours before the one asked about",
        "lag_25": "Departures in the hour that lies 48 hours before the one asked about",
        "lag_49": "Departures in the hour that lies 72 hours before the one asked about",
        "lag_145": "Departures in the hour that lies 168 hours before the one asked about",
        "lag_313": "Departures in the hour that lies 336 hours before the one asked about",
        "mean_24": "Mean departures an hour in the last 24 known hours",
        "mean_168": "Mean departures an hour in the last 168 known hours",
        "naive": "Departures in the same hour of the week before",
    },
    ttl=timedelta(hours=4),
)
