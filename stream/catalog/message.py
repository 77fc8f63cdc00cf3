"""Topic message: messages to learners, and how far each is delivered to whom; see schemas/."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ForeignKey

from stream.declaration import Event, Stream, column, into, telegram, upserted_table
from stream.declaration.types import EntityId, Flag, Micros, TelegramId, Text1024, Text4096, TextId32

RECIPIENTS_MAX = 10_000


class Recipient(msgspec.Struct):
    """A person to whom a message goes, and how far its delivery is."""

    user_id: TelegramId
    delivery_status: Literal["pending", "sent", "delivered", "failed"]
    delivered_on: Micros | None = None


class MessageSaved(Event):
    """A message with all its recipients, as they stand; published again as it is delivered."""

    message_id: EntityId
    text: Text4096 | None
    media_type: TextId32 | None
    caption: Text1024 | None
    recipients: Annotated[list[Recipient], Meta(min_length=1, max_length=RECIPIENTS_MAX)]
    created_on: Micros

    is_deleted = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # Of a recipient who is named twice the last entry counts; in the order of their ids, as rows are written.
        merged = {recipient.user_id: recipient for recipient in self.recipients}
        self.recipients = [merged[user_id] for user_id in sorted(merged)]


class MessageDeleted(Event):
    """The end of a message: its text and its recipients are gone."""

    message_id: EntityId
    created_on: Micros
    """The moment at which the message was written."""

    is_deleted = True
    text = media_type = caption = None


MESSAGE_HISTORY = upserted_table(
    "message_history",
    column("id", EntityId, primary_key=True, comment="names the message"),
    column("text", Text4096 | None, comment="null where it has none"),
    column("media_type", TextId32 | None, comment="such as photo, video or document; null for text alone"),
    column("caption", Text1024 | None, comment="below the media; null where there is none"),
    column("is_deleted", Flag, comment="1 where the message was deleted; then nothing else is left of it"),
    persons=[],
    comment="Messages to learners",
)

_PARENT = ForeignKey("message_history.id", ondelete="CASCADE")

MESSAGE_RECIPIENTS = upserted_table(
    "message_recipients",
    column("message_id", EntityId, _PARENT, primary_key=True, comment="the message"),
    column("user_id", TelegramId, primary_key=True, comment="the Telegram user"),
    column("delivery_status", TextId32, comment="pending, sent, delivered or failed"),
    column("delivered_on", Micros | None, comment="UTC; null until it is"),
    persons=[telegram("user_id")],
    set_of=MESSAGE_HISTORY,
    comment="Who gets a message, and how far it is",
)

STREAM = Stream(
    topic="message",
    key="message_id",
    routes={
        MessageSaved: [into(MESSAGE_HISTORY, id="message_id"), into(MESSAGE_RECIPIENTS).each("recipients")],
        MessageDeleted: [into(MESSAGE_HISTORY, id="message_id")],
    },
)
