"""Topic user.label: labels, and which app users have them; see schemas/."""

from stream.declaration.streams import Event, PersonKind, Stream, app, into, upserted_table
from stream.declaration.types import EntityId, Flag, Micros, Text128, Text512, column


class LabelDefined(Event):
    """A label as it stands."""

    label_id: EntityId
    name: Text128
    description: Text512 | None
    created_on: Micros

    @property
    def subject_id(self) -> int:
        """The id that the Kafka key names."""
        return self.label_id


class UserLabelled(Event):
    """A user has a label."""

    user_id: EntityId
    label_id: EntityId
    created_on: Micros
    """The moment at which the user first got the label."""

    is_deleted = False

    @property
    def subject_id(self) -> int:
        return self.user_id


class UserUnlabelled(Event):
    """A user has a label no longer."""

    user_id: EntityId
    label_id: EntityId
    created_on: Micros
    """The moment at which the user first got the label."""

    is_deleted = True

    @property
    def subject_id(self) -> int:
        return self.user_id


USER_LABEL = upserted_table(
    "user_label",
    column("id", EntityId, primary_key=True, comment="names the label"),
    column("name", Text128, comment="what people call it"),
    column("description", Text512 | None, comment="what it means"),
    persons=[],
    comment="Labels by which users are grouped",
)

AUTH_USER_LABEL = upserted_table(
    "auth_user_label",
    column("user_id", EntityId, primary_key=True, comment="the app user"),
    column("label_id", EntityId, primary_key=True, index=True, comment="the label"),
    column("is_deleted", Flag, comment="1 where the label was taken away"),
    persons=[app("user_id")],
    comment="Which users have which labels, and had",
)

STREAM = Stream(
    topic="user.label",
    key="subject_id",
    routes={
        LabelDefined: [into(USER_LABEL, id="label_id")],
        UserLabelled: [into(AUTH_USER_LABEL)],
        UserUnlabelled: [into(AUTH_USER_LABEL)],
    },
    keyed_by=PersonKind.APP,
)
