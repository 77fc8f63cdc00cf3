"""MySQL goes away, or refuses to work, for a moment."""

from __future__ import annotations

import resource
from contextlib import suppress

from sqlalchemy.exc import OperationalError

from tests.chaos.group import Group
from tests.chaos.kills import ANY_SECONDS
from tests.chaos.unfit import huge

PACKET_BYTES = 4096
"""Less than the rows of a batch take, and more than a claim does."""

RETRIES_OF_PACKETS = 10
"""More than those for the connections that were killed: of each member's lanes and its eraser."""

COMMITS_LOST = 3
"""Of both members, of lanes and of erasers, as it comes."""

HUGE_AT_ONCE = 3
"""6 MB of dead letters: no more may reach the binary log than fits below the limit, or the server ends itself."""

HUGE_ROUNDS_MAX = 30

LOGS = ("binlog.", "#ib_redo")
"""The files of the server that don't count: a binary log is begun anew, a redo log is written round and round."""


def kill_the_database(group: Group) -> None:
    server = group.watch.database.server
    group.let_pass(ANY_SECONDS)
    server.kill()
    group.let_pass(ANY_SECONDS)
    server.start()
    group.watch.database.hasten()


def restart_the_database(group: Group) -> None:
    server = group.watch.database.server
    group.let_pass(ANY_SECONDS)
    server.stop()
    server.start()
    group.watch.database.hasten()


def kill_the_connections(group: Group) -> None:
    """The program's own: whatever a lane was at, it has to find out how far it came."""
    database = group.watch.database
    group.let_pass(ANY_SECONDS)
    for connection_id in database.connection_ids():
        with suppress(OperationalError):  # it ended meanwhile
            database.execute(f"KILL {connection_id}")


def lose_answers_to_commits(group: Group) -> None:
    """They happened, and nobody was told."""
    proxy = group.watch.proxy
    lost = proxy.commits_lost + COMMITS_LOST
    proxy.lose_commits(COMMITS_LOST)
    group.wait_while_alive(lambda: proxy.commits_lost >= lost, "answers to be lost")


def make_the_database_read_only(group: Group) -> None:
    """As one is that has become a replica."""
    database = group.watch.database
    mode = "super_read_only" if database.flavour == "mysql" else "read_only"
    retries = group.retries("read_only")
    database.execute(f"SET GLOBAL {mode} = ON")
    try:
        group.wait_while_alive(lambda: group.retries("read_only") > retries, "somebody to try again")
    finally:
        database.execute("SET GLOBAL read_only = OFF")  # takes the other with it


def make_packets_small(group: Group) -> None:
    """So small that no batch passes; connections that are there already would not notice.

    A server that closes before it has read everything may be heard to say why, or not.
    """
    database = group.watch.database
    before = database.value("SELECT @@GLOBAL.max_allowed_packet")
    enough = _retries_of_packets(group) + RETRIES_OF_PACKETS
    database.execute(f"SET GLOBAL max_allowed_packet = {PACKET_BYTES}")
    try:
        kill_the_connections(group)
        group.wait_while_alive(lambda: _retries_of_packets(group) >= enough, "the members to try again and again")
    finally:
        database.execute(f"SET GLOBAL max_allowed_packet = {before}")


def _retries_of_packets(group: Group) -> int:
    return group.retries("packet_too_large") + group.retries("connection_lost")


def fill_the_disk(group: Group) -> None:
    """No file of the server may grow beyond its largest; then dead letters grow until theirs is that one.

    Only for MySQL: MariaDB takes what a file system never does, SIGXFSZ, for its end.
    """
    database = group.watch.database
    retries = group.retries("disk_full")
    pid = database.server.pid
    _, hard = before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_largest_file_bytes(group), hard))
    try:
        for _ in range(HUGE_ROUNDS_MAX):
            database.execute("FLUSH BINARY LOGS")
            kept = database.count("dead_letter") + HUGE_AT_ONCE
            group.broker.put(huge(group.chance) for _ in range(HUGE_AT_ONCE))
            group.wait_while_alive(
                lambda: group.retries("disk_full") > retries or database.count("dead_letter") >= kept,  # noqa: B023
                "huge records to be kept or refused",
            )
            if group.retries("disk_full") > retries:
                return
        raise AssertionError("the disk was never full")
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def _largest_file_bytes(group: Group) -> int:
    files = (group.watch.database.server.folder / "data").rglob("*")
    return max(file.stat().st_size for file in files if file.is_file() and not file.name.startswith(LOGS))
