"""The things that features describe; shared by all models on this data."""

from feast import Entity, ValueType

origin = Entity(
    name="origin", join_keys=["origin"], value_type=ValueType.STRING, description="Airport of departure, e.g. JFK"
)
carrier = Entity(
    name="carrier", join_keys=["carrier"], value_type=ValueType.STRING, description="Airline, two characters"
)
route = Entity(
    name="route", join_keys=["route"], value_type=ValueType.STRING, description="Origin and destination, e.g. JFK-LAX"
)
plane = Entity(
    name="plane", join_keys=["tailnum"], value_type=ValueType.STRING, description="Aircraft by its tail number"
)
