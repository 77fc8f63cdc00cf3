"""Topic trip.activity-location: between which places people travel, and how likely by what; see schemas/."""

from sqlalchemy import Index

from stream.declaration import Event, Stream, app, column, into, upserted_table
from stream.declaration.types import EntityId, Micros, Probability, ReferenceId, TextId32


class ActivityLocationClustered(Event):
    """A way of a user between two clusters of places, with how likely each mode is."""

    activity_location_id: EntityId
    user_id: EntityId
    o_id: ReferenceId
    d_id: ReferenceId
    travel_mode: TextId32
    probability_driving: Probability | None
    probability_transit: Probability | None
    probability_walking: Probability | None
    probability_cycling: Probability | None
    created_on: Micros


CM_ACTIVITY_LOCATION = upserted_table(
    "cm_activity_location",
    column("id", EntityId, primary_key=True, comment="names the way between the two clusters"),
    column("user_id", EntityId, index=True, comment="the app user who travels"),
    column("o_id", ReferenceId, comment="the cluster of places where the way begins"),
    column("d_id", ReferenceId, comment="the cluster of places where the way ends"),
    column("travel_mode", TextId32, comment="such as walking, transit or driving"),
    column("probability_driving", Probability | None, comment="0 to 1; null where unknown"),
    column("probability_transit", Probability | None, comment="0 to 1; null where unknown"),
    column("probability_walking", Probability | None, comment="0 to 1; null where unknown"),
    column("probability_cycling", Probability | None, comment="0 to 1; null where unknown"),
    Index("ix_cm_activity_location_ways", "o_id", "d_id", "travel_mode", "probability_driving", "probability_transit"),
    persons=[app("user_id")],
    comment="Ways between clusters of places",
)

STREAM = Stream(
    topic="trip.activity-location",
    key="activity_location_id",
    routes={ActivityLocationClustered: [into(CM_ACTIVITY_LOCATION, id="activity_location_id")]},
)
