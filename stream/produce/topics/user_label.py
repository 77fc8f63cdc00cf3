"""Topic user.label: labels as riders make them up and describe them anew, and who has them, for a while or for good."""

from collections.abc import Iterator
from random import Random

from stream.catalog.user_label import LabelDefined, UserLabelled, UserUnlabelled
from stream.produce.accounts import DAY, HOUR, MINUTE
from stream.produce.bonds import Label
from stream.produce.riders import Rider, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic
from stream.produce.topics.user_lifecycle import has_just_left

# Of how many days each is one: on which the label is described anew, taken away, and given back.
DESCRIBED_EVERY = 7
TAKEN_EVERY = 11
GIVEN_BACK_AFTER = 3


def definitions(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    label, made_up_on = day.rider.made_up, day.rider.account.saved_on
    if label is None:
        return
    if day.has(made_up_on):
        yield _definition(label, made_up_on + MINUTE, made_up_on, label.description)
    elif made_up_on < day.midnight and _turn(day, label, DESCRIBED_EVERY) == 0:
        described = f"{label.description or label.name}; as of day {day.midnight // DAY}"
        yield _definition(label, day.midnight + 9 * HOUR, made_up_on, described)


def _definition(label: Label, occurred_at: int, created_on: int, description: str | None) -> Datum:
    return {
        "occurred_at": occurred_at,
        "label_id": label.label_id,
        "name": label.name,
        "description": description,
        "created_on": created_on,
    }


def _as_a_draft(definition: Datum) -> Datum:
    return {**definition, "name": "(draft)", "description": None}


def given(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """A rider's labels: given when the rider comes, and given again some days after they were taken away."""
    for label in day.rider.labels:
        first_given_on = _first_given_on(day.rider)
        if day.has(first_given_on):
            yield _belonging(day.rider, label, first_given_on)
        elif first_given_on < day.midnight and (
            has_just_left(day) or _turn(day, label, TAKEN_EVERY) == GIVEN_BACK_AFTER
        ):
            yield _belonging(day.rider, label, day.midnight + int(chance.random() * 12 * HOUR))


def taken_away(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    for label in day.rider.labels:
        if _first_given_on(day.rider) < day.midnight and _turn(day, label, TAKEN_EVERY) == 0:
            yield _belonging(day.rider, label, day.midnight + int(chance.random() * 12 * HOUR))


def _first_given_on(rider: Rider) -> int:
    return rider.account.saved_on + 2 * MINUTE


def _turn(day: RiderDay, label: Label, days: int) -> int:
    """The day's place in a cycle of so many days, shifted for each rider and label."""
    return (day.midnight // DAY + day.rider.rider_id + label.label_id) % days


def _belonging(rider: Rider, label: Label, occurred_at: int) -> Datum:
    return {
        "occurred_at": occurred_at,
        "user_id": rider.rider_id,
        "label_id": label.label_id,
        "created_on": _first_given_on(rider),
    }


def _by_another_clock(belonging: Datum) -> Datum:
    return {**belonging, "created_on": belonging["created_on"] - HOUR}


SYNTHETICS = (
    Synthetic(LabelDefined, tell=definitions, earlier=_as_a_draft),
    Synthetic(UserLabelled, tell=given, earlier=_by_another_clock),
    Synthetic(UserUnlabelled, tell=taken_away, earlier=_by_another_clock),
)
