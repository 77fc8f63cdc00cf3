"""Topic research.target-user: who takes part in which study, under a hash; see schemas/."""

from typing import ClassVar

from sqlalchemy import Index

from stream.declaration import HashedEvent, Stream, app, column, into, research, upserted_table
from stream.declaration.types import AppIdText, EntityId, HashId, Micros, TextId16, TextId64
from stream.errors import Reason, Rejection, Stage
from stream.hashing import Hasher


class TargetUserSelected(HashedEvent):
    """A user was chosen for a study: named by their id, which is never stored, or by a hash made elsewhere."""

    target_user_id: EntityId
    study_id: TextId64
    user_id: AppIdText | None
    hash_id: HashId | None
    created_on: Micros

    key_id: ClassVar[str | None] = None
    """The id of our key, where the hash is ours."""
    hash_ids: ClassVar[str] = ""
    """All the hashes, by each of our keys, of the user whom it names; or the one that was made elsewhere."""

    def seal(self, hasher: Hasher) -> None:
        if (self.user_id is None) is (self.hash_id is None):
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "hash_id")
        names = [self.hash_id or ""]
        if self.user_id is not None:
            self.hash_id = hasher.hash_id(self.study_id, self.user_id)
            self.__dict__["key_id"] = hasher.key_id  # no field: no producer sends it
            names = hasher.known_hash_ids(self.study_id, self.user_id)
        self.__dict__["hash_ids"] = ",".join(names)

    @property
    def participant(self) -> str:
        """The app user as far as the event names them; a stored row never does."""
        return self.user_id or ""


HNTB_TARGET_USER = upserted_table(
    "hntb_target_user",
    column("id", EntityId, primary_key=True, comment="names the registration"),
    column("hash_id", HashId, index=True, comment="names the participant within the study; never the user's id"),
    column("study_id", TextId64, index=True, comment="the study"),
    column("key_id", TextId16 | None, comment="names the key of the hash; null where it was made elsewhere"),
    Index(None, "created_on"),
    persons=[research("hash_id"), app("participant").unstored()],
    owner=("hash_id", "hash_ids"),
    comment="Who takes part in which study, for the HNTB research platform",
)

STREAM = Stream(
    topic="research.target-user",
    key="target_user_id",
    routes={TargetUserSelected: [into(HNTB_TARGET_USER, id="target_user_id")]},
    has_hidden_values=True,
)
