"""The model of topic trip.activity-location."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, ID_MAX, MOMENT, moment, number, text_id

PROBABILITIES = tuple(f"probability_{mode}" for mode in ("driving", "transit", "walking", "cycling"))


def _way_row(event: Event) -> Row:
    own = {name: event[name] for name in ("user_id", "o_id", "d_id", "travel_mode", *PROBABILITIES)}
    return {"id": event["activity_location_id"], **own, "created_on": moment(event["created_on"])}


TOPIC = TopicModel(
    topic="trip.activity-location",
    rules={
        "ActivityLocationClustered": {
            **EVENT,
            "activity_location_id": ID,
            "user_id": ID,
            "o_id": number(0, ID_MAX),
            "d_id": number(0, ID_MAX),
            "travel_mode": text_id(32),
            **dict.fromkeys(PROBABILITIES, number(0, 1)),
            "created_on": MOMENT,
        }
    },
    tables={
        "cm_activity_location": TableModel(("id",), {"ActivityLocationClustered": only(_way_row)}, {"user_id": "app"})
    },
    key=key_is("activity_location_id"),
)
