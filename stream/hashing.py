"""Hashes in the place of research participants' ids: keyed, so that nobody can find an id by trying them all.

The hash is an HMAC-SHA-256 over study and user id (schemas/research.target-user/README.md), both with their lengths
before them: `("ab", "c")` and `("a", "bc")` are not one message. It is a word, because settings make the hasher.
"""

import hmac
from dataclasses import dataclass
from typing import Self

from stream.errors import ConfigurationError

KEY_CHARACTERS_MIN = 32
"""A shorter key can be guessed."""


@dataclass(frozen=True, repr=False)
class Hasher:
    """Makes the hashes. The first key is used; the older ones tell which hashes were a person's before a rotation."""

    keys: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys of `STREAM_HASH_KEY`, separated by whitespace, the newest first. Raises ConfigurationError where
        there is none, or one is short."""
        keys = text.split()
        if not keys or min(len(key) for key in keys) < KEY_CHARACTERS_MIN:
            raise ConfigurationError(
                f"STREAM_HASH_KEY: a key has at least {KEY_CHARACTERS_MIN} characters, such as those that "
                "`openssl rand -hex 32` prints; older keys follow the newest, separated by spaces or line breaks"
            )
        return cls(tuple(key.encode() for key in keys))

    @property
    def key_id(self) -> str:
        """Names the key in use and tells nothing about it: 16 hex digits."""
        return hmac.digest(self.keys[0], b"the id of this key", "sha256").hex()[:16]

    def hash_id(self, study_id: str, user_id: str) -> str:
        """64 lower-case hex digits."""
        return _hash(self.keys[0], study_id, user_id)

    def known_hash_ids(self, study_id: str, user_id: str) -> list[str]:
        """Those that the person has, or had, in a study, by every key."""
        return [_hash(key, study_id, user_id) for key in self.keys]


def _hash(key: bytes, study_id: str, user_id: str) -> str:
    parts = (study_id.encode(), user_id.encode())
    return hmac.digest(key, b"".join(b"%d:%b," % (len(part), part) for part in parts), "sha256").hex()
