"""Messages of the synthetic producer: the same again for the same plan, in the shares asked for, and believable."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, product
from typing import Any

import pytest

from stream.catalog import STREAMS
from stream.catalog.bytemark_pass import BytemarkPassLogged
from stream.catalog.learner import CourseBooked, FreeLessonRegistered, LearnerActed
from stream.catalog.message import MessageDeleted, MessageSaved
from stream.catalog.research_target_user import TargetUserSelected
from stream.catalog.rewards_campaign import CampaignSaved
from stream.catalog.trip import TripRated, TripRecorded
from stream.catalog.user_lifecycle import (
    USER_DATA_READERS,
    AppUserSaved,
    TelegramUserDeleted,
    UserCreated,
    UserDataSet,
    UserSignedIn,
    UserUpdated,
)
from stream.declaration.events import Event
from stream.declaration.persons import NAMED_KINDS, Person, PersonKind
from stream.declaration.routes import Feed, Route
from stream.declaration.tables import persons_of, unstored_of
from stream.errors import ConfigurationError
from stream.produce import Framing, Kind, Message, Plan, synthesize
from stream.produce.topics import SYNTHETICS
from stream.records import Record
from stream.schemas.framing import CONFLUENT_MAGIC, SINGLE_OBJECT_MARKER
from stream.stages.decode import decode_record
from tests.stores import STORE

UNTIL = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
READERS = {topic: STORE.readers(topic) for topic in STREAMS}
TIMESTAMP_MS = (UNTIL - EPOCH) // timedelta(milliseconds=1)

PLAN = Plan(seed=11, until=UNTIL, count=4000)
MIXED = replace(
    PLAN, duplicate_share=0.1, late_share=0.1, broken_share=0.1, older_version_share=0.3, framing=Framing.MIXED
)


@cache
def mixed() -> list[Message]:
    return list(synthesize(MIXED))


@cache
def ids_of_mixed() -> frozenset[str]:
    return frozenset(event.event_id for event in events_of(sound(mixed())))


def decoded(message: Message) -> tuple[Event, Route]:
    record = Record(0, TIMESTAMP_MS, message.key, message.value, message.headers)
    return decode_record(record, READERS[message.topic])[1:]


def event_of(message: Message) -> Event:
    return decoded(message)[0]


def events_of(messages: Iterable[Message]) -> list[Any]:
    """The events of messages, without tombstones, which have neither an id nor a time of their own."""
    return [event_of(message) for message in messages if message.value is not None]


def sound(messages: Iterable[Message]) -> list[Message]:
    return [message for message in messages if message.kind is not Kind.BROKEN]


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def entity(event: Event, route: Route) -> tuple[str, Any]:
    """The row that an event is about, in the first table that it feeds."""
    return route.feeds[0].table.name, route.feeds[0].identity(event)


# --- The same again


def test_equal_plans_give_equal_messages() -> None:
    assert list(synthesize(replace(MIXED))) == mixed()


def test_until_is_the_moment_and_not_its_time_zone() -> None:
    elsewhere = UNTIL.astimezone(tz=None)
    assert list(synthesize(replace(MIXED, until=elsewhere))) == mixed()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 12},
        {"until": UNTIL + timedelta(seconds=1)},
        {"count": 4001},
        {"late_share": 0.11},
        {"older_version_share": 0.31},
        {"framing": Framing.CONFLUENT},
        {"topics": ("trip",)},
    ],
    ids=str,
)
def test_plans_that_differ_share_no_event_id(change: dict[str, Any]) -> None:
    others = {event.event_id for event in events_of(sound(synthesize(replace(MIXED, **change))))}
    assert others
    assert ids_of_mixed().isdisjoint(others)


def test_an_event_id_names_one_content() -> None:
    contents = defaultdict(set)
    for message in sound(mixed()):
        if message.value is not None:
            contents[event_of(message).event_id].add(message.value)
    assert {len(values) for values in contents.values()} == {1}


def test_plan_without_a_count_has_no_end_and_never_repeats_an_entity() -> None:
    endless = replace(PLAN, count=None, records=("BytemarkPassLogged",))
    keys = [message.key for message in islice(synthesize(endless), 50_000)]
    assert len(set(keys)) == 50_000


# --- Shares


def test_count_is_that_of_all_messages() -> None:
    assert len(mixed()) == MIXED.count


def test_kinds_come_in_the_shares_asked_for() -> None:
    plan = replace(MIXED, duplicate_share=0.05, late_share=0.1, broken_share=0.02, count=20_000)
    kinds = Counter(message.kind for message in synthesize(plan))
    shares = {kind: count / 20_000 for kind, count in kinds.items()}
    expected = {Kind.DUPLICATE: 0.05, Kind.LATE: 0.1, Kind.BROKEN: 0.02, Kind.EVENT: 0.83}
    assert shares == pytest.approx(expected, abs=0.008)


def test_older_versions_come_in_the_share_asked_for() -> None:
    plan = replace(PLAN, records=("TripRecorded",), older_version_share=0.25)
    versions = {version.header: version.version for version in STORE.versions.values()}
    written = Counter(versions[(message.value or b"")[:10]] for message in synthesize(plan))
    assert written[1] / 4000 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("framing", "markers"),
    [
        (Framing.SINGLE_OBJECT, {SINGLE_OBJECT_MARKER}),
        (Framing.CONFLUENT, {CONFLUENT_MAGIC + b"\x40"}),
        (Framing.MIXED, {SINGLE_OBJECT_MARKER, CONFLUENT_MAGIC + b"\x40"}),
    ],
)
def test_framing_is_the_one_asked_for(framing: Framing, markers: set[bytes]) -> None:
    messages = synthesize(replace(PLAN, framing=framing, older_version_share=0.5))
    assert {message.value[:2] for message in messages if message.value is not None} == markers


@pytest.mark.parametrize("record", SYNTHETICS)
def test_single_record_can_be_asked_for(record: str) -> None:
    messages = list(synthesize(replace(PLAN, records=(record,), count=300)))
    assert len(messages) == 300
    assert {type(event).__name__ for event in events_of(messages)} == {record}


def test_every_record_of_the_catalog_can_be_synthesized() -> None:
    records = {route.record_name for stream in STREAMS.values() for route in stream.bound_routes}
    assert set(SYNTHETICS) == records


@pytest.mark.parametrize(
    "change",
    [
        {"until": datetime(2026, 11, 21)},
        {"until": datetime(1970, 1, 2, tzinfo=UTC)},
        {"count": 0},
        {"broken_share": -0.1},
        {"late_share": 0.5, "duplicate_share": 0.5},
        {"older_version_share": 1.1},
        {"topics": ("tirp",)},
        {"records": ("TripRatd",)},
        {"topics": ("trip",), "records": ("BytemarkPassLogged",)},
    ],
    ids=str,
)
def test_plan_that_cannot_be_followed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        replace(PLAN, **change)


# --- What the kinds are


def test_duplicate_is_an_earlier_event_again() -> None:
    seen = set()
    for message in mixed():
        content = (message.topic, message.key, message.value)
        if message.kind is Kind.DUPLICATE:
            assert content in seen
        if message.kind is Kind.EVENT:
            assert content not in seen
        seen.add(content)


def test_late_event_loses_against_one_that_was_published_before_it() -> None:
    newest: dict[tuple[str, Any], Any] = {}
    late_count = 0
    for message in sound(mixed()):
        event, route = decoded(message)
        if not route.feeds:
            assert message.kind is not Kind.LATE, "an erasure has no earlier state, nor has a return"
            continue
        winner = newest.get(entity(event, route))
        if message.kind is Kind.LATE:
            late_count += 1
            assert winner is not None
            assert winner.version > event.version
            assert _content(winner) != _content(event), "a late event that won would not show"
        elif winner is None or winner.version < event.version:
            newest[entity(event, route)] = event
    assert late_count > 300


def _content(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__ if name not in ("event_id", "occurred_at")}


def test_events_come_in_order_of_time_within_a_day() -> None:
    times = [event.occurred_at for event in events_of(synthesize(PLAN))]
    overtaken = sum(later < earlier for earlier, later in pairwise(times))
    assert overtaken <= 10, "only where what a rider began before midnight ends after it"


def test_no_event_occurs_after_until_and_the_last_ones_shortly_before() -> None:
    times = [moment(event.occurred_at) for event in events_of(synthesize(replace(PLAN, count=30_000)))]
    assert max(times) <= UNTIL
    assert max(times) > UNTIL - 3 * DAY
    assert min(times) > UNTIL - 29 * DAY


# --- Riders


@pytest.fixture(scope="module")
def town() -> list[Message]:
    """All topics share the messages: so many that whatever is rare comes in each."""
    return list(synthesize(replace(PLAN, count=60_000)))


@pytest.fixture(scope="module")
def told(town: list[Message]) -> list[Any]:
    return events_of(town)


def _of(told: list[Any], kind: type[Event]) -> list[Any]:
    return [event for event in told if type(event) is kind]


def test_ids_are_unique_across_entities(told: list[Any]) -> None:
    trips = {event.trip_id for event in _of(told, TripRecorded)}
    ratings = [event.rating_id for event in _of(told, TripRated)]
    passes = [event.bytemark_pass_id for event in _of(told, BytemarkPassLogged)]
    riders = {event.user_id for event in _of(told, TripRecorded)}
    assert len({*trips, *ratings, *passes, *riders}) == len(trips) + len(ratings) + len(passes) + len(riders)


def test_trip_is_told_when_it_starts_and_again_when_it_ends(told: list[Any]) -> None:
    by_trip = defaultdict(list)
    for event in _of(told, TripRecorded):
        by_trip[event.trip_id].append(event)
    whole = [events for events in by_trip.values() if len(events) == 2]
    assert len(whole) > 0.95 * len(by_trip)
    for start, end in whole:
        assert start.version < end.version
        assert (start.ended_on, end.ended_on) == (None, end.occurred_at)
        assert start.started_on == end.started_on < end.ended_on
        assert start.user_id == end.user_id


def test_rating_follows_the_end_of_the_riders_own_trip(told: list[Any]) -> None:
    ended = {event.trip_id: event for event in _of(told, TripRecorded) if event.ended_on}
    ratings = _of(told, TripRated)
    known = [rating for rating in ratings if rating.trip_id in ended]
    assert len(known) > 0.98 * len(ratings)
    for rating in known:
        assert rating.user_id == ended[rating.trip_id].user_id
        assert rating.occurred_at > ended[rating.trip_id].occurred_at
    assert {rating.rating for rating in ratings} == {1, 2, 3, 4, 5}


def test_pass_is_shown_on_a_trip_of_the_same_rider_and_day(told: list[Any]) -> None:
    trip_days = {(str(trip.user_id), moment(trip.started_on).date()) for trip in _of(told, TripRecorded)}
    pass_days = [(shown.user_id, moment(shown.logged_on).date()) for shown in _of(told, BytemarkPassLogged)]
    assert sum(day in trip_days for day in pass_days) > 0.97 * len(pass_days)


def test_workdays_have_peaks_when_people_commute(told: list[Any]) -> None:
    starts = [moment(trip.started_on) for trip in _of(told, TripRecorded)]
    hours = Counter(start.hour for start in starts if start.weekday() < 5)
    assert min(hours[7], hours[17]) > 3 * max(hours[3], hours[12])


def test_trips_are_as_long_and_as_dear_as_their_mode_makes_them(told: list[Any]) -> None:
    for trip in _of(told, TripRecorded):
        if trip.ended_on is None:
            continue
        seconds = (trip.ended_on - trip.started_on) / 1e6
        assert 1 <= trip.distance / seconds <= 12
        assert (trip.fare is not None) == (trip.travel_mode in ("transit", "ride_hailing"))


def test_seeds_are_about_different_riders_and_trips() -> None:
    keys, other_keys = ({message.key for message in synthesize(replace(PLAN, seed=seed))} for seed in (1, 2))
    assert keys.isdisjoint(other_keys)


# --- Accounts


def test_every_rider_has_an_account_of_the_app(told: list[Any]) -> None:
    accounts = {saved.user_id for saved in _of(told, AppUserSaved)}
    assert {trip.user_id for trip in _of(told, TripRecorded)} <= accounts
    assert len(_of(told, AppUserSaved)) > 1.3 * len(accounts), "some are saved again"


def test_clerk_account_is_created_once_and_before_anything_else_about_it(told: list[Any]) -> None:
    created = {account.clerk_id: account for account in _of(told, UserCreated)}
    assert len(created) == len(_of(told, UserCreated))
    assert 0.2 < len(created) / len({saved.user_id for saved in _of(told, AppUserSaved)}) < 0.6
    for kind in (UserUpdated, UserDataSet, UserSignedIn):
        for event in _of(told, kind):
            assert event.occurred_at > created[event.clerk_id].occurred_at


def test_account_is_updated_with_and_without_names_by_its_holder_or_an_administrator(told: list[Any]) -> None:
    administrators = {account.clerk_id for account in _of(told, UserCreated) if account.role == "admin"}
    updates = _of(told, UserUpdated)
    assert {update.changed_by for update in updates} - administrators == {None}
    assert {(update.has_name, update.changed_by is None) for update in updates} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }


def test_user_data_have_all_keys_and_each_came_to_be_once(told: list[Any]) -> None:
    first_set = defaultdict(set)
    for data in _of(told, UserDataSet):
        first_set[data.clerk_id, data.key].add(data.created_on)
        assert data.created_on <= data.occurred_at
    assert {key for _, key in first_set} == set(USER_DATA_READERS)
    assert {len(moments) for moments in first_set.values()} == {1}
    assert len(_of(told, UserDataSet)) > 1.1 * len(first_set), "some are set again"


def test_some_sign_ins_fail(told: list[Any]) -> None:
    sign_ins = _of(told, UserSignedIn)
    assert 0.03 < sum(not sign_in.success for sign_in in sign_ins) / len(sign_ins) < 0.25


# --- Communities


def test_no_campaign_claims_the_id_of_another(told: list[Any]) -> None:
    campaigns = _of(told, CampaignSaved)
    pairs = {(campaign.campaign_id, campaign.ap_campaign_id) for campaign in campaigns}
    assert len(pairs) == len({campaign_id for campaign_id, _ in pairs}) == len({ap_id for _, ap_id in pairs})
    assert len(campaigns) > len(pairs) > 3, "some are saved again"


def test_learners_are_riders_with_a_telegram_account_and_always_have_a_name(told: list[Any]) -> None:
    acted = _of(told, LearnerActed)
    learners = {event.user_id for event in acted}
    for kind in (CourseBooked, FreeLessonRegistered):
        assert {event.user_id for event in _of(told, kind)} <= learners
    left = {event.telegram_user_id for event in _of(told, TelegramUserDeleted)}
    assert left
    assert left <= learners
    assert 0.15 < len(learners) / len({saved.user_id for saved in _of(told, AppUserSaved)}) < 0.25
    assert {(event.username is None, event.first_name is None) for event in acted} >= {(False, False), (True, False)}


def test_booking_is_confirmed_step_by_step_and_some_remain_unpaid(told: list[Any]) -> None:
    steps = defaultdict(list)
    for booking in _of(told, CourseBooked):
        steps[booking.booking_id].append(booking.confirmed)
    assert {tuple(confirmations) for confirmations in steps.values()} == {(0,), (0, 1), (0, 1, 2)}


def test_message_goes_to_learners_and_ends_delivered_or_failed(told: list[Any]) -> None:
    learners = {event.user_id for event in _of(told, LearnerActed)}
    by_message = defaultdict(list)
    for message in _of(told, MessageSaved):
        by_message[message.message_id].append(message)
        assert {recipient.user_id for recipient in message.recipients} <= learners
    whole = [versions for versions in by_message.values() if len(versions) == 3]
    assert len(whole) > 0.9 * len(by_message)
    for versions in whole:
        first, _, last = ([recipient.user_id for recipient in version.recipients] for version in versions)
        assert first == last
        assert {recipient.delivery_status for recipient in versions[2].recipients} <= {"delivered", "failed"}
    deleted = {message.message_id for message in _of(told, MessageDeleted)}
    assert deleted
    assert deleted < set(by_message)


# --- Research participants


def test_riders_are_chosen_for_studies_by_their_id_or_a_hash_and_some_of_them_twice(told: list[Any]) -> None:
    chosen = _of(told, TargetUserSelected)
    by_id = [participant for participant in chosen if participant.user_id is not None]
    riders = {str(saved.user_id) for saved in _of(told, AppUserSaved)}
    assert {participant.user_id for participant in by_id} <= riders
    assert 0.6 < len(by_id) / len(chosen) < 0.95
    assert len({participant.target_user_id for participant in chosen}) == len(chosen)
    assert len({participant.hash_id for participant in chosen}) < len(chosen), "a participant under two ids"
    assert len({participant.study_id for participant in chosen}) == 3


# --- Farewells


def farewells_in(messages: Iterable[Message]) -> dict[Person, tuple[int, bool]]:
    """The erased persons, each with the message that erases, and whether that is a tombstone."""
    farewells = {}
    for number, message in enumerate(messages):
        event, route = decoded(message)
        if route.erases is not None:
            person = Person(route.erases.kind, str(getattr(event, route.erases.attribute)))
            assert person not in farewells, "nobody leaves twice"
            assert message.key == str(person).encode()
            farewells[person] = (number, message.value is None)
    return farewells


@pytest.mark.parametrize("count", [4000, 20_000])
def test_a_few_persons_of_every_kind_leave_some_by_a_tombstone_and_some_by_an_event(count: int) -> None:
    messages = list(synthesize(replace(PLAN, count=count)))
    farewells = farewells_in(messages)
    ways = {(person.kind, is_tombstone) for person, (_, is_tombstone) in farewells.items()}
    assert ways == {(kind, is_tombstone) for kind in NAMED_KINDS for is_tombstone in (True, False)}
    riders = {event.user_id for event in events_of(messages) if isinstance(event, AppUserSaved)}
    leaving = [person for person in farewells if person.kind is PersonKind.APP]
    assert 0.01 < len(leaving) / len(riders) <= 0.1


def _rows(feed: Feed, event: Event) -> list[dict[str, Any]]:
    """The rows that an event becomes in a table, with the persons whom no column names."""
    rows = [feed.values(event)] if feed.items is None else feed.item_values(event)
    return [dict(zip((*feed.columns, *unstored_of(feed.table)), row, strict=True)) for row in rows]


def test_rows_of_every_table_come_before_and_after_some_persons_farewell(town: list[Message]) -> None:
    farewells = farewells_in(town)
    tables, before, after = set[tuple[str, str]](), set[tuple[str, str]](), set[tuple[str, str]]()
    for number, message in enumerate(town):
        event, route = decoded(message)
        for feed in route.feeds:
            # A hash is a name that farewells don't use.
            persons = [about for about in persons_of(feed.table) if about.kind in NAMED_KINDS]
            for about, values in product(persons, _rows(feed, event)):
                tables.add((feed.table.name, about.column))
                left = farewells.get(Person(about.kind, str(values[about.column])))
                if left is not None:
                    (before if number < left[0] else after).add((feed.table.name, about.column))
    assert before == tables
    assert after == tables
