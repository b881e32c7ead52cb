"""Feature views of `flight_delay`.

`event_timestamp` is the time a row speaks of, `created_timestamp` the time from which it could be known; the
offline store joins only rows known at prediction time. The values are computed by `dags/flight_delay/model.py`.
"""

from datetime import timedelta

from contender.feast_stores.delta_view import delta_view
from feature_repo.entities import carrier, dest, flight_number, origin, plane, route

origin_weather = delta_view(
    "origin_weather",
    [origin],
    {
        "temp": "Temperature, degrees Fahrenheit",
        "dewp": "Dew point, degrees Fahrenheit",
        "humid": "Relative humidity, percent",
        "wind_speed": "Wind speed, miles an hour",
        "precip": "Precipitation, inches an hour",
        "pressure": "Sea level pressure, millibar",
        "visib": "Visibility, miles",
    },
    ttl=timedelta(hours=4),
)
origin_congestion = delta_view(
    "origin_congestion",
    [origin],
    {
        "origin_delay_2h": "Mean departure delay of the flights that left within 2 h, minutes",
        "origin_departures_2h": "Flights that left within 2 h",
        "origin_waiting_2h": "Flights due within 2 h that have not left",
        "origin_late_share_6h": "Share of late arrivals among the flights that landed within 6 h",
    },
    ttl=timedelta(hours=1),
)
carrier_at_origin = delta_view(
    "carrier_at_origin",
    [carrier, origin],
    {
        "carrier_origin_delay_2h": "Mean departure delay of the flights that left within 2 h, minutes",
        "carrier_origin_waiting_2h": "Flights due within 2 h that have not left",
    },
    ttl=timedelta(hours=2),
)
carrier_punctuality = delta_view(
    "carrier_punctuality",
    [carrier],
    {
        "carrier_late_share_6h": "Share of late arrivals among the flights that landed within 6 h",
        "carrier_late_share_7d": "The same within 7 days",
    },
    ttl=timedelta(hours=2),
)
dest_punctuality = delta_view(
    "dest_punctuality",
    [dest],
    {
        "dest_late_share_6h": "Share of late arrivals among the flights that landed there within 6 h",
        "dest_delay_4h": "Mean departure delay of the flights that left for it within 4 h, minutes",
    },
    ttl=timedelta(hours=2),
)
flight_punctuality = delta_view(
    "flight_punctuality",
    [flight_number],
    {
        "flight_late_share_28d": "Share of late arrivals of this flight number within 28 days",
        "flight_delay_28d": "Mean arrival delay of this flight number within 28 days, minutes",
    },
    ttl=timedelta(days=14),
)
route_punctuality = delta_view(
    "route_punctuality",
    [route],
    {
        "route_late_share_28d": "Share of late arrivals among the flights that landed within 28 days",
        "distance": "Distance, miles",
    },
    ttl=timedelta(hours=48),
)
plane_facts = delta_view(
    "plane_facts",
    [plane],
    {"plane_year": "Year of manufacture", "seats": "Number of seats"},
    ttl=timedelta(0),
)
