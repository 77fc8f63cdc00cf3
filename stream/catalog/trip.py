"""Topic trip: trips with any mode of travel, and what riders thought of them; see schemas/."""

from sqlalchemy import Index, cast, func
from sqlalchemy.dialects.mysql import DECIMAL

from stream.declaration import Event, Stream, app, column, into, rolled_up, rollup_table, upserted_table
from stream.declaration.rollups import Count, MetresSum
from stream.declaration.types import (
    AppIdText,
    EntityId,
    Latitude,
    Longitude,
    Metres,
    Micros,
    Money,
    Rating,
    Text512,
    TextId32,
)


class TripRecorded(Event):
    """A trip as it stands: published when it starts, and again as it goes on and ends."""

    trip_id: EntityId
    user_id: EntityId
    travel_mode: TextId32
    started_on: Micros
    ended_on: Micros | None
    distance: Metres
    origin_latitude: Latitude | None
    origin_longitude: Longitude | None
    destination_latitude: Latitude | None
    destination_longitude: Longitude | None
    fare: Money | None
    """The fare, since version 2 of the schema; None where no fare is known."""
    created_on: Micros

    @property
    def user_id_text(self) -> str:
        """The research platform keeps participants' ids as text."""
        return str(self.user_id)


class TripRated(Event):
    """A rider's opinion of a trip."""

    rating_id: EntityId
    trip_id: EntityId
    user_id: EntityId
    rating: Rating
    feedback: Text512 | None


TRIP = upserted_table(
    "trip",
    column("id", EntityId, primary_key=True, comment="names the trip"),
    column("user_id", EntityId, comment="the app user who travelled"),
    column("travel_mode", TextId32, comment="such as walking, transit or driving"),
    column("started_on", Micros, index=True, comment="UTC"),
    column("ended_on", Micros | None, comment="UTC; null while the trip is under way"),
    column("distance", Metres, comment="in metres"),
    column("origin_latitude", Latitude | None, comment="degrees (WGS 84)"),
    column("origin_longitude", Longitude | None, comment="degrees (WGS 84)"),
    column("destination_latitude", Latitude | None, comment="degrees (WGS 84)"),
    column("destination_longitude", Longitude | None, comment="degrees (WGS 84)"),
    column("fare", Money | None, comment="null where none is known"),
    Index(None, "user_id", "started_on"),
    persons=[app("user_id")],
    comment="Trips with any mode of travel, for QuickSight",
    business_time="started_on",
)

TRIPS = rollup_table(
    "rollup_trips",
    column("travel_mode", TextId32, primary_key=True, comment="such as walking, transit or driving"),
    column("trips", Count, comment="trips that began in the period"),
    column("distance_sum", MetresSum, comment="in metres; each trip's is rounded to a millimetre, so that sums agree"),
    column("distances", Count, comment="trips that have a distance: what an average divides by"),
    comment="Trips by mode of travel, by the quarter of an hour",
)

rolled_up(
    TRIP,
    TRIPS,
    groups={"travel_mode": TRIP.c.travel_mode},
    trips=func.count(),
    distance_sum=func.sum(cast(TRIP.c.distance, DECIMAL(13, 3))),
    distances=func.count(TRIP.c.distance),
)

HNTB_TRIP = upserted_table(
    "hntb_trip",
    column("trip_id", EntityId, primary_key=True, comment="names the trip"),
    column("user_id", AppIdText, comment="the research participant: an app user's id as text"),
    column("travel_mode", TextId32, comment="such as walking, transit or driving"),
    column("started_on", Micros, index=True, comment="UTC"),
    column("ended_on", Micros | None, comment="UTC; null while the trip is under way"),
    column("distance", Metres, comment="in metres"),
    Index(None, "user_id", "started_on"),
    persons=[app("user_id")],
    comment="Trips, for the HNTB research platform",
    business_time="started_on",
)

USER_RATING = upserted_table(
    "user_rating",
    column("id", EntityId, primary_key=True, comment="names the rating"),
    column("user_id", EntityId, index=True, comment="the app user who rated"),
    column("trip_id", EntityId, index=True, comment="the trip that was rated"),
    column("rating", Rating, comment="1 (worst) to 5 (best)"),
    column("feedback", Text512 | None, comment="in the rider's own words"),
    persons=[app("user_id")],
    comment="How riders rated their trips",
    business_time="created_on",
)

STREAM = Stream(
    topic="trip",
    key="trip_id",
    routes={
        TripRecorded: [into(TRIP, id="trip_id"), into(HNTB_TRIP, user_id="user_id_text")],
        TripRated: [into(USER_RATING, id="rating_id")],
    },
)
