"""The checks of data quality: rows that are wrong although each was applied as its event says.

A check is a query for the rows at fault. Rows that came from several topics may contradict each other for as long as
one of the topics is behind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Subquery,
    Table,
    and_,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects import mysql

from stream import moments
from stream.catalog import STREAMS
from stream.catalog.bytemark_order import BYTEMARK_ORDER_ITEMS, BYTEMARK_ORDER_PAYMENTS
from stream.catalog.bytemark_pass import BYTEMARK_PASS
from stream.catalog.learner import TELEGRAM_USER
from stream.catalog.message import MESSAGE_RECIPIENTS
from stream.catalog.research_target_user import HNTB_TARGET_USER
from stream.catalog.rewards_campaign import CAMPAIGN
from stream.catalog.rewards_points import POINTS_TRANSACTION
from stream.catalog.rewards_tokens import TOKEN_TRANSACTION
from stream.catalog.trip import TRIP, USER_RATING
from stream.catalog.trip_activity_location import CM_ACTIVITY_LOCATION
from stream.catalog.user_label import AUTH_USER_LABEL, USER_LABEL
from stream.catalog.user_lifecycle import AUTH_USER, SIGN_IN, USER_DATA, USERS
from stream.catalog.user_referral import REFERRAL_HISTORY
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import persons_of
from stream.declaration.types import AHEAD_MICROS_MAX, BINARY_COLLATION, YEAR_2000


@dataclass(frozen=True)
class Check:
    """One way in which the rows of a table can be wrong."""

    name: str
    meaning: str
    """A row at fault, in words."""
    table: Table
    faults: Select[Any]
    """The rows at fault, each as the columns that `naming` gives."""

    def row_name(self, values: tuple[Any, ...]) -> str:
        """Return the name of a row at fault, given those columns, in words that a person can look for."""
        if not _is_named_by_key(self.table):
            values = (next(stream.topic for stream in STREAMS.values() if self.table in stream.tables), *values)
        return "/".join(value.hex() if isinstance(value, bytes) else str(value) for value in values)


def naming(table: Table) -> list[Column[Any]]:
    """Return the columns that name a row and no person: its key, or else the coordinates of the event that wrote it."""
    return list(table.primary_key) if _is_named_by_key(table) else [table.c.kafka_partition, table.c.kafka_offset]


def _is_named_by_key(table: Table) -> bool:
    return not {person.column for person in persons_of(table)} & {column.name for column in table.primary_key}


def _rows(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    return select(*naming(table)).where(condition)


@dataclass(frozen=True)
class Ledger:
    """A table of transactions whose balances should follow from their amounts."""

    what: str
    """The transactions' unit, which is the column of their amounts."""
    table: Table
    moment: Column[Any]

    def balance_checks(self) -> Iterator[Check]:
        own = self.table.c
        latest = self._drifting((self.moment.desc(), own.id.desc()))
        later = self.table.alias("later")
        is_later = tuple_(later.c[self.moment.name], later.c.id) > tuple_(latest.c.moment, latest.c.id)
        is_told_later = exists().where(later.c.user_id == latest.c.user_id, later.c.balance.is_not(None), is_later)
        yield Check(
            f"{self.what}_balance",
            f"the last transaction of a user whose balance of {self.what} is not the sum of all their {self.what}",
            self.table,
            select(latest.c.id).where(latest.c.place == 1, ~is_told_later),
        )
        earliest = self._drifting((self.moment, own.id))
        yield Check(
            f"{self.what}_balance_breaks",
            f"a user's first transaction whose balance of {self.what} is not the sum of their {self.what} until then",
            self.table,
            select(earliest.c.id).where(earliest.c.place == 1),
        )

    def _drifting(self, order: Sequence[ColumnElement[Any]]) -> Subquery:
        """The transactions whose balance is not the sum of the user's amounts until then, numbered in an order. Sums
        follow the moments and not the ids: what is published late may have any. One pass over the ledger, for only
        frames that begin with the partition cost MySQL no more than that; LAG costs it ten times as much."""
        own = self.table.c
        sum_until = func.sum(func.coalesce(own[self.what], 0)).over(
            partition_by=own.user_id, order_by=(self.moment, own.id), rows=(None, 0)
        )
        summed = select(own.id, (own.balance - sum_until).label("drift")).subquery()
        place = func.row_number().over(partition_by=own.user_id, order_by=order).label("place")
        drifting = select(own.id, own.user_id, self.moment.label("moment"), place).join(summed, summed.c.id == own.id)
        return drifting.where(summed.c.drift != 0).subquery()

    def repeated(self) -> Check:
        own = self.table.c
        same = (own.user_id, self.moment, own[self.what], own.activity_type)
        return Check(
            f"repeated_{self.what}",
            f"a transaction of {self.what} like another with a smaller id: same user, moment, amount and activity type",
            self.table,
            _repeats(self.table, same, own.id),
        )


def _repeats(table: Table, same: tuple[Column[Any], ...], *order: Column[Any]) -> Select[Any]:
    """The rows that repeat an earlier row in these columns."""
    place = func.row_number().over(partition_by=same, order_by=order).label("place")
    placed = select(*naming(table), place).subquery()
    return select(*list(placed.c)[:-1]).where(placed.c.place > 1)


LEDGERS = (
    Ledger("points", POINTS_TRANSACTION, POINTS_TRANSACTION.c.created_on),
    Ledger("tokens", TOKEN_TRANSACTION, TOKEN_TRANSACTION.c.issued_on),
)


def _over_distributed() -> Check:
    # What users spend is negative, and does not come back to the campaign.
    handed_out = (
        select(TOKEN_TRANSACTION.c.campaign_id, func.sum(TOKEN_TRANSACTION.c.tokens).label("tokens"))
        .where(TOKEN_TRANSACTION.c.tokens > 0)
        .group_by(TOKEN_TRANSACTION.c.campaign_id)
        .subquery()
    )
    joined = select(*naming(CAMPAIGN)).join(handed_out, handed_out.c.campaign_id == CAMPAIGN.c.ap_campaign_id)
    return Check(
        "over_distributed_campaigns",
        "a campaign that has handed out more tokens than it may",
        CAMPAIGN,
        joined.where(handed_out.c.tokens > CAMPAIGN.c.tokens),
    )


def _is_missing(reference: Column[Any], target: Column[Any]) -> ColumnElement[bool]:
    """Whether this column refers to a row that is not there; a null refers to none."""
    other = target.table.alias("other")  # a table may refer to itself
    return and_(reference.is_not(None), ~exists().where(other.c[target.name] == reference))


def _is_no_user(reference: Column[Any]) -> ColumnElement[bool]:
    """Whether this text is no app user's id. It becomes a number, for only so an index of the users can serve."""
    number = cast(reference, mysql.INTEGER(unsigned=True))
    is_number = reference.regexp_match("^[1-9][0-9]{0,9}$")
    return or_(~is_number, ~exists().where(AUTH_USER.c.id == number))


def _orphans(
    name: str, meaning: str, reference: Column[Any], target: Column[Any], *conditions: ColumnElement[bool]
) -> Check:
    """Rows that refer to a missing row. An erased person's row is missing on purpose where the bare id had to stay."""
    assert isinstance(reference.table, Table)
    conditions = (_is_missing(reference, target), *conditions)
    for person in persons_of(reference.table):
        if person.column == reference.name and person.keeps_bare_id:
            as_text = cast(reference, mysql.VARCHAR(32)).collate(BINARY_COLLATION)
            conditions += (~exists().where(ERASURE.c.person_kind == person.kind, ERASURE.c.person_id == as_text),)
    return Check(name, meaning, reference.table, _rows(reference.table, and_(*conditions)))


def _broken_referrals() -> Check:
    own = REFERRAL_HISTORY.c
    broken = or_(
        _is_missing(own.sender_user_id, AUTH_USER.c.id),
        _is_missing(own.receiver_user_id, AUTH_USER.c.id),
        own.sender_user_id == own.receiver_user_id,
    )
    meaning = "a referral whose sender or receiver is no app user, or who are the same"
    return Check("broken_referrals", meaning, REFERRAL_HISTORY, _rows(REFERRAL_HISTORY, broken))


def _all_orphans() -> Iterator[Check]:
    user = AUTH_USER.c.id
    for what, table in (
        ("points", POINTS_TRANSACTION),
        ("tokens", TOKEN_TRANSACTION),
        ("payments", BYTEMARK_ORDER_PAYMENTS),
        ("order_items", BYTEMARK_ORDER_ITEMS),
        ("trips", TRIP),
        ("ratings", USER_RATING),
        ("ways", CM_ACTIVITY_LOCATION),
    ):
        meaning = f"a row of {table.name} whose user is no app user, and was not erased"
        yield _orphans(f"{what}_without_user", meaning, table.c.user_id, user)
    meaning = "an interaction with a pass whose user is no app user, and was not erased"
    yield Check(
        "passes_without_user", meaning, BYTEMARK_PASS, _rows(BYTEMARK_PASS, _is_no_user(BYTEMARK_PASS.c.user_id))
    )
    returned = POINTS_TRANSACTION.c.ref_transaction_id
    refers = "a transaction that refers to one that is not there"
    yield _orphans("points_without_reference", refers, returned, POINTS_TRANSACTION.c.id, returned != 0)
    campaign = (TOKEN_TRANSACTION.c.campaign_id, CAMPAIGN.c.ap_campaign_id)
    yield _orphans("tokens_without_campaign", "a transaction of a campaign that is not there", *campaign)
    order = (BYTEMARK_ORDER_ITEMS.c.order_id, BYTEMARK_ORDER_PAYMENTS.c.order_id)
    yield _orphans("order_items_without_payment", "an item of an order towards which nothing was paid", *order)
    yield _orphans("ratings_without_trip", "a rating of a trip that is not there", USER_RATING.c.trip_id, TRIP.c.id)
    label = (AUTH_USER_LABEL.c.label_id, USER_LABEL.c.id)
    is_labelled = AUTH_USER_LABEL.c.is_deleted == 0
    yield _orphans("labels_without_definition", "a user's label that is not defined", *label, is_labelled)
    labelled = (AUTH_USER_LABEL.c.user_id, user)
    yield _orphans("labels_without_user", "a label of an app user who is not there", *labelled, is_labelled)
    learner = (MESSAGE_RECIPIENTS.c.user_id, TELEGRAM_USER.c.user_id)
    yield _orphans("recipients_without_user", "a recipient of a message of whom the bot never heard", *learner)
    account = (USER_DATA.c.clerk_id, USERS.c.clerk_id)
    yield _orphans("account_data_without_account", "a value about a Clerk account that is not there", *account)
    account = (SIGN_IN.c.clerk_id, USERS.c.clerk_id)
    yield _orphans("sign_ins_without_account", "an attempt to sign in to a Clerk account that is not there", *account)


def _coordinates(what: str, meaning: str, table: Table, *places: str) -> Check:
    wrong: list[ColumnElement[bool]] = []
    for place in places:
        latitude, longitude = table.c[f"{place}_latitude"], table.c[f"{place}_longitude"]
        wrong += [func.abs(latitude) > 90, func.abs(longitude) > 180, latitude.is_(None) != longitude.is_(None)]
    return Check(f"{what}_coordinates", meaning, table, _rows(table, or_(*wrong)))


def _dates(table: Table) -> Check:
    """The rows that no event can have written. Which event last won is told by its time: others are measured by it."""
    own = table.c
    ahead: ColumnElement[Any] = literal_column(f"INTERVAL {AHEAD_MICROS_MAX} MICROSECOND")
    leeway: ColumnElement[Any] = literal_column("INTERVAL 2 DAY")  # an event may be a day ahead of Kafka's clock
    named = [
        column for column in table.columns if isinstance(column.type, mysql.DATETIME) and column is not own.loaded_on
    ]
    wrong = [column < moments.from_micros(YEAR_2000) for column in named]
    wrong += [column > own.event_time + ahead for column in named if column is not own.event_time]
    wrong.append(own.event_time > func.utc_timestamp(6) + leeway)
    meaning = f"a row of {table.name} with a date before 2000, ten years after its event, or from the future"
    return Check(f"{table.name}_dates", meaning, table, _rows(table, or_(*wrong)))


def _checks() -> Iterator[Check]:
    for ledger in LEDGERS:
        yield from ledger.balance_checks()
        yield ledger.repeated()
    yield _over_distributed()
    yield _broken_referrals()
    yield from _all_orphans()
    half = "outside ±90 and ±180 degrees, or half missing"
    yield _coordinates("user", f"an app user who registered at a place {half}", AUTH_USER, "registration")
    yield _coordinates("trip", f"a trip that begins or ends at a place {half}", TRIP, "origin", "destination")
    own = HNTB_TARGET_USER.c
    yield Check(
        "repeated_hashes",
        "a later registration of a research participant whose hash is registered under another id",
        HNTB_TARGET_USER,
        _repeats(HNTB_TARGET_USER, (own.hash_id,), own.created_on, own.id),
    )
    ends_early = TRIP.c.ended_on < TRIP.c.started_on
    yield Check("trip_times", "a trip that ended before it started", TRIP, _rows(TRIP, ends_early))
    yield from (_dates(table) for stream in STREAMS.values() for table in stream.tables)


CHECKS = {check.name: check for check in _checks()}
"""The checks by name, in the order in which they are reported."""
