"""The things that features describe; shared by all models on this data."""

from feast import Entity, ValueType

origin = Entity(
    name="origin", join_keys=["origin"], value_type=ValueType.STRING, description="Airport of departure, e.g. JFK"
)
carrier = Entity(
    name="carrier", join_keys=["carrier"], value_type=ValueType.STRING, description="Airline, two characters"
)
dest = Entity(name="dest", join_keys=["dest"], value_type=ValueType.STRING, description="Airport of arrival, e.g. LAX")
flight_number = Entity(
    name="flight_number",
    join_keys=["flight_number"],
    value_type=ValueType.STRING,
    description="Flight number on a route, e.g. UA1545/EWR-IAH",
)
route = Entity(
    name="route", join_keys=["route"], value_type=ValueType.STRING, description="Origin and destination, e.g. JFK-LAX"
)
plane = Entity(
    name="plane", join_keys=["tailnum"], value_type=ValueType.STRING, description="Aircraft by its tail number"
)
