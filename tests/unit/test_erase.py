"""Persons as people type them, and that each kind has an event that erases it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.declaration.persons import Person, PersonKind
from stream.errors import Rejection
from stream.mysql.erasure import tables_about
from stream.operate.erase import parse_person
from stream.records import Record
from stream.schemas.store import SchemaStore
from stream.stages.decode import decode_record
from tests.events import RECORDED_MS

READERS = SchemaStore().readers("user.lifecycle")

TEXTS = st.text(max_size=300) | st.builds(
    lambda kind, text: f"{kind}:{text}",
    st.sampled_from([*PersonKind, "App", ""]),
    st.text(max_size=260) | st.integers(-2, 2**65).map(str),
)


@pytest.mark.parametrize(
    ("text", "kind", "person_id"),
    [
        ("app:7", PersonKind.APP, "7"),
        ("app:4294967295", PersonKind.APP, "4294967295"),
        ("clerk:user_2aB", PersonKind.CLERK, "user_2aB"),
        ("clerk:a:b", PersonKind.CLERK, "a:b"),
        ("clerk:7", PersonKind.CLERK, "7"),
        ("telegram:9223372036854775807", PersonKind.TELEGRAM, "9223372036854775807"),
    ],
)
def test_a_person_is_read_as_typed(text: str, kind: PersonKind, person_id: str) -> None:
    assert parse_person(text) == Person(kind, person_id)
    assert str(parse_person(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "app",
        "app:",
        "app:0",
        "app:07",
        "app:-7",
        "app:+7",
        "app:7 ",
        " app:7",
        "APP:7",
        "app:4294967296",
        "app:rider-7",
        "app:\u0667",
        "app:" + "9" * 5000,
        "clerk:",
        "clerk: x",
        "clerk:x\n",
        "clerk:" + "x" * 257,
        "telegram:9223372036854775808",
        "email:x@example.org",
    ],
)
def test_what_is_no_person_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="not a person like") as refused:
        parse_person(text)
    assert refused.value.args == ("that is not a person like app:7, clerk:user_2aB or telegram:99",)


@given(TEXTS)
def test_who_can_be_typed_is_who_a_tombstone_can_name(text: str) -> None:
    try:
        person = parse_person(text)
    except ValueError:
        with pytest.raises(Rejection):
            decode_record(Record(0, RECORDED_MS, text.encode(errors="surrogatepass"), None), READERS)
    else:
        assert str(person) == text
        decode_record(Record(0, RECORDED_MS, text.encode(), None), READERS)


def test_the_tables_of_each_kind_are_those_that_the_documentation_names() -> None:
    def found(kind: PersonKind) -> set[tuple[str, str, str]]:
        return {(table.name, about.column, about.on_erasure) for table, about in tables_about(kind)}

    assert found(PersonKind.APP) == {
        ("auth_user", "id", "delete_row"),
        *(
            (name, "user_id", "delete_row")
            for name in ("trip", "user_rating", "hntb_trip", "hntb_bytemark_pass", "bytemark_pass")
        ),
        ("cm_activity_location", "user_id", "delete_row"),
        ("auth_user_label", "user_id", "delete_row"),
        ("referral_history", "receiver_user_id", "delete_row"),
        ("referral_history", "sender_user_id", "empty_columns"),
        *((name, "user_id", "empty_columns") for name in ("points_transaction", "bytemark_order_payments")),
    }
    assert found(PersonKind.CLERK) == {
        *((name, "clerk_id", "delete_row") for name in ("users", "user_data", "user_sign_in", "user_name_history")),
        ("user_name_history", "changed_by", "empty_columns"),
    }
    learner = ("bookings", "free_lesson_registrations", "events", "telegram_user", "message_recipients")
    assert found(PersonKind.TELEGRAM) == {(name, "user_id", "delete_row") for name in learner}
    assert found(PersonKind.RESEARCH) == {("hntb_target_user", "hash_id", "delete_row")}
