"""Topic user.label: labels, and which app users have them; see schemas/."""

from stream.declaration import Event, PersonKind, Stream, app, column, into, upserted_table
from stream.declaration.types import EntityId, Flag, Micros, Text128, Text512


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


class LabelOfUser(Event):
    """A user's having a label, or not."""

    user_id: EntityId
    label_id: EntityId
    created_on: Micros
    """The moment at which the user first got the label."""

    @property
    def subject_id(self) -> int:
        return self.user_id


class UserLabelled(LabelOfUser):
    """A user has a label."""

    is_deleted = False


class UserUnlabelled(LabelOfUser):
    """A user has a label no longer."""

    is_deleted = True


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
    keyed_otherwise=[LabelDefined],
)
