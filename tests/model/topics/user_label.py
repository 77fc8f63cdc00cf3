"""The model of topic user.label."""

from collections.abc import Callable

from tests.model.declaration import Event, Row, TableModel, TopicModel, only
from tests.model.rules import EVENT, ID, MOMENT, free_text, moment


def _label_row(event: Event) -> Row:
    own = {name: event[name] for name in ("name", "description")}
    return {"id": event["label_id"], **own, "created_on": moment(event["created_on"])}


def _belonging_row(is_deleted: int) -> Callable[[Event], Row]:
    return lambda event: {
        "user_id": event["user_id"],
        "label_id": event["label_id"],
        "is_deleted": is_deleted,
        "created_on": moment(event["created_on"]),
    }


def _key(event: Event) -> tuple[str, str]:
    """A user's id where the event is about a user, else the label's."""
    return str(event.get("user_id", event["label_id"])), "subject_id"


TOPIC = TopicModel(
    topic="user.label",
    rules={
        "LabelDefined": {
            **EVENT,
            "label_id": ID,
            "name": free_text(128),
            "description": free_text(512),
            "created_on": MOMENT,
        },
        "UserLabelled": {**EVENT, "user_id": ID, "label_id": ID, "created_on": MOMENT},
        "UserUnlabelled": {**EVENT, "user_id": ID, "label_id": ID, "created_on": MOMENT},
    },
    tables={
        "user_label": TableModel(("id",), {"LabelDefined": only(_label_row)}),
        # Taking a label away leaves a row as well, so that an older event does not bring the label back.
        "auth_user_label": TableModel(
            ("user_id", "label_id"),
            {"UserLabelled": only(_belonging_row(0)), "UserUnlabelled": only(_belonging_row(1))},
            {"user_id": "app"},
        ),
    },
    key=_key,
    keyed_by="app",
    keyed_otherwise=("LabelDefined",),
)
