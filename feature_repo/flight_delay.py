"""Feature views of `flight_delay`.

`event_timestamp` is the time a row speaks of, `created_timestamp` the time from which it could be known; the
offline store joins only rows known at prediction time. The values are computed by `dags/flight_delay/model.py`.
"""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.data_format import DeltaFormat
from feast.types import Float64

from contender.core.settings import settings
from feature_repo.entities import carrier, dest, flight_number, origin, plane, route


def view(name: str, entities: list[Entity], features: dict[str, str], ttl: timedelta) -> FeatureView:
    """A feature view over the Delta table of the same name.

    Args:
        name: Name of the view and of its table.
        entities: What its rows describe.
        features: Feature name to its description; all are float64.
        ttl: Age at which a value no longer counts; zero for never.
    """
    source = FileSource(
        name=name,
        path=f"{settings().lake.rstrip('/')}/{name}",
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    schema = [Field(name=feature, dtype=Float64, description=text) for feature, text in features.items()]
    return FeatureView(name=name, entities=entities, schema=schema, source=source, ttl=ttl)


origin_weather = view(
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
origin_congestion = view(
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
carrier_at_origin = view(
    "carrier_at_origin",
    [carrier, origin],
    {
        "carrier_origin_delay_2h": "Mean departure delay of the flights that left within 2 h, minutes",
        "carrier_origin_waiting_2h": "Flights due within 2 h that have not left",
    },
    ttl=timedelta(hours=2),
)
carrier_punctuality = view(
    "carrier_punctuality",
    [carrier],
    {
        "carrier_late_share_6h": "Share of late arrivals among the flights that landed within 6 h",
        "carrier_late_share_7d": "The same within 7 days",
    },
    ttl=timedelta(hours=2),
)
dest_punctuality = view(
    "dest_punctuality",
    [dest],
    {
        "dest_late_share_6h": "Share of late arrivals among the flights that landed there within 6 h",
        "dest_delay_4h": "Mean departure delay of the flights that left for it within 4 h, minutes",
    },
    ttl=timedelta(hours=2),
)
flight_punctuality = view(
    "flight_punctuality",
    [flight_number],
    {
        "flight_late_share_28d": "Share of late arrivals of this flight number within 28 days",
        "flight_delay_28d": "Mean arrival delay of this flight number within 28 days, minutes",
    },
    ttl=timedelta(days=14),
)
route_punctuality = view(
    "route_punctuality",
    [route],
    {
        "route_late_share_28d": "Share of late arrivals among the flights that landed within 28 days",
        "distance": "Distance, miles",
    },
    ttl=timedelta(hours=48),
)
plane_facts = view(
    "plane_facts",
    [plane],
    {"plane_year": "Year of manufacture", "seats": "Number of seats"},
    ttl=timedelta(0),
)
