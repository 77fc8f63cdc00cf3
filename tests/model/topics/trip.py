"""The model of topic trip."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, LATITUDE, LONGITUDE, MOMENT, decimal, free_text, moment, money, number, text_id


def _trip_row(event: Event) -> Row:
    places = {f"{end}_{axis}": event[f"{end}_{axis}"] for end in ("origin", "destination") for axis in AXES}
    return {
        "id": event["trip_id"],
        "user_id": event["user_id"],
        "travel_mode": event["travel_mode"],
        "started_on": moment(event["started_on"]),
        "ended_on": moment(event["ended_on"]),
        "distance": event["distance"],
        **places,
        "fare": money(event["fare"]),
        "created_on": moment(event["created_on"]),
    }


AXES = ("latitude", "longitude")


def _hntb_trip_row(event: Event) -> Row:
    names = ("travel_mode", "started_on", "ended_on", "distance", "created_on")
    return {"trip_id": event["trip_id"], "user_id": str(event["user_id"])} | {
        name: value for name, value in _trip_row(event).items() if name in names
    }


def _rating_row(event: Event) -> Row:
    names = ("user_id", "trip_id", "rating", "feedback")
    own = {name: event[name] for name in names}
    return {"id": event["rating_id"], **own, "created_on": moment(event["occurred_at"])}


TOPIC = TopicModel(
    topic="trip",
    rules={
        "TripRecorded": {
            **EVENT,
            "trip_id": ID,
            "user_id": ID,
            "travel_mode": text_id(32),
            "started_on": MOMENT,
            "ended_on": MOMENT,
            "distance": number(0, 1e9),
            "origin_latitude": LATITUDE,
            "origin_longitude": LONGITUDE,
            "destination_latitude": LATITUDE,
            "destination_longitude": LONGITUDE,
            "fare": decimal(10),
            "created_on": MOMENT,
        },
        "TripRated": {
            **EVENT,
            "rating_id": ID,
            "trip_id": ID,
            "user_id": ID,
            "rating": number(1, 5),
            "feedback": free_text(512),
        },
    },
    tables={
        "trip": TableModel(("id",), {"TripRecorded": only(_trip_row)}, {"user_id": "app"}),
        "hntb_trip": TableModel(("trip_id",), {"TripRecorded": only(_hntb_trip_row)}, {"user_id": "app"}),
        "user_rating": TableModel(("id",), {"TripRated": only(_rating_row)}, {"user_id": "app"}),
    },
    key=key_is("trip_id"),
)
