"""Hashes of research participants: the same for ever, unambiguous, and none without a good key."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigurationError
from stream.hashing import Hasher
from tests.keys import HASH_KEY, HASH_KEYS, OLDER_HASH_KEY
from tests.stores import HASHER

# Made by `printf 2:ab,1:c, | openssl dgst -sha256 -hmac "$key"`: lengths in bytes of the UTF-8 text.
VECTORS = {
    ("ab", "c"): "1221fa9b92cc1856e1256049cbe3b4924317ca3f1c4a4f200d0e35ea2e460413",
    ("a", "bc"): "10bcc58ef8815eb02e3028420d7f568b93e75458877fde5705bdfd14a0131102",
    ("🚌", "Zoë"): "057f112771f4659992e4737fc064958e943150ec38a35d3eb0fdcb6a2009a7e2",
    ("", ""): "e3132fca153c4dfb54a7ee9981c401f3d07323a2f508f072e5d014e1119aaa3c",
}
BY_THE_OLDER_KEY = "25dbc53188c8a118ffd0c3088977c4b6ebfd378e1ba6ac5bb53321e3cc072082"
KEY_ID = "aa76471889e7d618"


@pytest.mark.parametrize(("message", "expected"), VECTORS.items())
def test_hash_is_the_one_that_openssl_makes(message: tuple[str, str], expected: str) -> None:
    assert HASHER.hash_id(*message) == expected


def test_hmac_is_the_one_of_its_definition() -> None:
    """RFC 2104, by hand: none of the functions that the product calls."""
    key = HASH_KEY.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + b"2:ab,1:c,").digest()
    assert hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest() == VECTORS["ab", "c"]


texts = st.text(max_size=8) | st.text("0123456789:,", max_size=8)


@given(participant=st.tuples(texts, texts), other=st.tuples(texts, texts))
def test_two_participants_share_no_hash(participant: tuple[str, str], other: tuple[str, str]) -> None:
    assert (HASHER.hash_id(*participant) == HASHER.hash_id(*other)) is (participant == other)


@given(text=texts, cut=st.integers(0, 8))
def test_where_study_ends_and_user_begins_counts(text: str, cut: int) -> None:
    here, there = (text[:cut], text[cut:]), (text[: cut + 1], text[cut + 1 :])
    assert (HASHER.hash_id(*here) == HASHER.hash_id(*there)) is (here == there)


def test_the_first_key_is_used_and_the_older_ones_are_known() -> None:
    assert HASHER.hash_id("ab", "c") == VECTORS["ab", "c"]
    assert HASHER.known_hash_ids("ab", "c") == [VECTORS["ab", "c"], BY_THE_OLDER_KEY]


def test_a_key_has_an_id_of_its_own_that_does_not_depend_on_the_others() -> None:
    assert HASHER.key_id == Hasher.parse(HASH_KEY).key_id == KEY_ID
    assert Hasher.parse(OLDER_HASH_KEY).key_id != KEY_ID


@pytest.mark.parametrize("separator", [" ", "\n", "\r\n", "\t \n"])
def test_keys_are_separated_by_any_whitespace(separator: str) -> None:
    assert Hasher.parse(f" {HASH_KEY}{separator}{OLDER_HASH_KEY}\n") == HASHER


@pytest.mark.parametrize(
    "text",
    ["", " \n", "x" * 31, f"{HASH_KEY} short", f"short {HASH_KEY}", "🚌" * 31, f"{HASH_KEY[:20]} {HASH_KEY[20:]}"],
)
def test_a_missing_or_short_key_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Hasher.parse(text)
    assert "STREAM_HASH_KEY" in str(refused.value)
    assert "at least 32 characters" in str(refused.value)
    assert not any(key in str(refused.value) for key in text.split() if key != "short")


def test_a_key_of_just_enough_characters_is_taken() -> None:
    assert len(Hasher.parse("x" * 32).hash_id("s", "7")) == 64


def test_keys_are_not_shown_when_a_hasher_is_printed() -> None:
    assert not any(key in f"{HASHER!r} {HASHER}" for key in HASH_KEYS.split())
