"""Members that come and go politely, as in a deployment: what they have begun they finish, and end with 0."""

from __future__ import annotations

from tests.chaos.group import Group
from tests.chaos.kills import ANY_SECONDS


def replace_one(group: Group) -> None:
    group.let_pass(ANY_SECONDS)
    group.dismiss(group.someone())


def let_a_third_join_and_leave(group: Group) -> None:
    third = group.start_one()
    group.wait_while_alive(lambda: group.owned_by(third), "the third to get partitions")
    group.let_pass(ANY_SECONDS)
    group.dismiss(third)
