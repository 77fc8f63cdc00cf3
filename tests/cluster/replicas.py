"""Three MySQL servers that replicate as a group: the primary takes writes, and if it is gone the others elect the next.
Each has a network of its own where this machine lets us make some."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pymysql

from deploy.local.database import ADMIN
from deploy.local.mysql import MySQL
from deploy.local.server import LOOPBACK, free_port
from tests.cluster.networks import Network
from tests.waiting import wait_for

MEMBERS = 3

JOIN_SECONDS_MAX = 90.0
"""From a restart, or from the end of a freeze, until a member has caught up and takes part."""

ELECTION_SECONDS_MAX = 60.0
"""A silent primary is missed after 5 s, and then expelled at once; a busy machine takes longer."""

ANSWER_SECONDS_MAX = 2
LOOK_SECONDS = 0.2
PASSWORDS = "passwords.json"

GROUP_OPTIONS = {
    "gtid-mode": "ON",
    "enforce-gtid-consistency": "ON",
    "plugin-load-add": "group_replication.so",
    "loose-group-replication-start-on-boot": "OFF",
    "loose-group-replication-recovery-get-public-key": "ON",
    "loose-group-replication-member-expel-timeout": "0",
    "loose-group-replication-autorejoin-tries": "0",  # we let it rejoin
    # What the primary of a minority has begun is rolled back, and not kept for ever. On a busy machine the two that are
    # left may miss each other for some seconds: that must not end the group.
    "loose-group-replication-unreachable-majority-timeout": "15",
}


class Member(MySQL):
    """A server of the group."""

    def __init__(self, folder: Path, options: Mapping[str, str], group_port: int, network: Network | None) -> None:
        super().__init__(folder)
        self.network = network
        self.host = network.address if network else LOOPBACK
        self._group_options = {**options, "loose-group-replication-local-address": f"{self.host}:{group_port}"}

    def query(self, *statements: str, seconds_max: float = ANSWER_SECONDS_MAX) -> Sequence[Any]:
        """The rows of the last of some statements, by the administrator. Raises the driver's errors."""
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=ADMIN,
            password=self._passwords[ADMIN],
            connect_timeout=ANSWER_SECONDS_MAX,
            read_timeout=seconds_max,
            autocommit=True,
            ssl_disabled=True,  # the driver would load the system's certificates each time
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def state(self) -> tuple[str, str, bool]:
        """Its own opinion of its state and role, such as ONLINE and PRIMARY, and whether it is read-only; nothing where
        it doesn't answer."""
        try:
            rows = self.query(
                "SELECT MEMBER_STATE, MEMBER_ROLE, @@GLOBAL.read_only FROM "
                "performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid"
            )
        except (pymysql.MySQLError, OSError):
            return ("", "", True)
        return (str(rows[0][0]), str(rows[0][1]), bool(rows[0][2])) if rows else ("OFFLINE", "", True)

    def takes_writes(self) -> bool:
        """Whether it is the primary, and knows it."""
        return self.state() == ("ONLINE", "PRIMARY", False)

    def online(self) -> int:
        """The members that take part, in its opinion."""
        rows = self.query("SELECT MEMBER_STATE FROM performance_schema.replication_group_members")
        return sum(row == ("ONLINE",) for row in rows)

    def begin_again(self) -> None:
        """Take part again, where it knows that it doesn't."""
        if self.state()[0] in {"OFFLINE", "ERROR"}:
            start = ("STOP GROUP_REPLICATION", "START GROUP_REPLICATION", "SET GLOBAL offline_mode = OFF")
            self.query(*start, seconds_max=JOIN_SECONDS_MAX)

    def prepare(self) -> None:
        """Make a fresh server fit for the group."""
        source = f"SOURCE_USER='{ADMIN}', SOURCE_PASSWORD='{self._passwords[ADMIN]}'"
        self.query(
            "RESET BINARY LOGS AND GTIDS",  # the group's history begins after each server's own accounts
            f"CHANGE REPLICATION SOURCE TO {source} FOR CHANNEL 'group_replication_recovery'",
        )

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cut(self) -> None:
        """Cut it off from everybody. Raises AssertionError where it has no network of its own."""
        assert self.network
        self.network.cut()

    def mend(self) -> None:
        assert self.network
        self.network.mend()

    def _command(self) -> list[str]:
        command = super()._command()
        return self.network.command(command) if self.network else command

    def _options(self) -> list[str]:
        options = {**self._group_options, "report-host": self.host, "report-port": str(self.port)}
        return [*super()._options(), *(f"--{name}={value}" for name, value in options.items())]


class Replicas:
    """The group, in the place of a server for `tests.databases.Database`: administrators meet the primary."""

    name: ClassVar[str] = "MySQL (three servers, group replication)"
    flavour: ClassVar[str] = "mysql"

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self._primary = self._gone = members[0]

    @property
    def version(self) -> str:
        return self.members[0].version

    @property
    def port(self) -> int:
        """As `pid` and `folder`, the primary's."""
        return self.primary().port

    @property
    def pid(self) -> int:
        return self.primary().pid

    @property
    def folder(self) -> Path:
        return self.primary().folder

    def client(self, program: str) -> list[str]:
        return self.primary().client(program)

    def kill(self) -> None:
        """Kill the primary; `start` brings it back."""
        self._gone = self.primary()
        self._gone.kill()

    def stop(self) -> None:
        """Stop the primary politely; `start` brings it back."""
        self._gone = self.primary()
        self._gone.stop()

    def start(self) -> None:
        """Start the member that was killed or stopped, and let it take part again."""
        self._gone.start()
        self.take_back(self._gone)

    def found(self) -> None:
        """Let the first one begin the group, and the others join."""
        first = self.members[0]
        for member in self.members:
            member.prepare()
        first.query(
            "SET GLOBAL group_replication_bootstrap_group = ON",
            "START GROUP_REPLICATION",
            "SET GLOBAL group_replication_bootstrap_group = OFF",
            seconds_max=JOIN_SECONDS_MAX,
        )
        for member in self.members[1:]:
            member.begin_again()
        wait_for(lambda: first.online() == MEMBERS, "all members to take part", JOIN_SECONDS_MAX)

    def primary(self) -> Member:
        """The one that takes writes, once there is one."""
        if not self._primary.takes_writes():
            self._primary = self.wait_for_primary_among(self.members)
        return self._primary

    def depose(self, strike: Callable[[Member], None]) -> Member:
        """Strike the primary of a whole group, and return its heir once it takes writes."""
        wait_for(self.is_whole, "all members to see each other", JOIN_SECONDS_MAX, every_seconds=LOOK_SECONDS)
        deposed = self.primary()
        strike(deposed)
        self._primary = self.wait_for_primary_among(self.others(deposed))
        return self._primary

    def wait_for_primary_among(self, members: Sequence[Member]) -> Member:
        return wait_for(
            lambda: [member for member in members if member.takes_writes()],
            "a primary to be elected",
            ELECTION_SECONDS_MAX,
            every_seconds=LOOK_SECONDS,
        )[0]

    def take_back(self, member: Member) -> None:
        """Let one that was gone take part again, and return once it has caught up: the others know that it was gone
        before it does."""

        def is_back() -> bool:
            member.begin_again()
            return self.is_whole()

        wait_for(is_back, "a member to take part again", JOIN_SECONDS_MAX, every_seconds=LOOK_SECONDS)

    def is_whole(self) -> bool:
        """Whether each member sees all others: two that have only just met, and not each other, are no majority."""
        try:
            return all(member.online() == MEMBERS for member in self.members)
        except (pymysql.MySQLError, OSError):
            return False

    def addresses(self) -> list[tuple[str, int]]:
        return [(member.host, member.port) for member in self.members]

    def others(self, member: Member) -> list[Member]:
        return [each for each in self.members if each is not member]

    def url(self, database: str) -> str:
        """The URL that names them all."""
        first, *others = self.members
        named = f"{first.host}:{first.port}"
        behind = "".join(f",{each.host}:{each.port}" for each in others)
        return first.url(database).replace(named, named + behind)

    def admin_url(self, database: str = "") -> str:
        return self.primary().admin_url(database)

    def create_database(self, name: str) -> str:
        self.primary().create_database(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.primary().drop_database(name)


@contextmanager
def replicas(folder: Path, networks: Sequence[Network]) -> Iterator[Replicas]:
    """A group at work, until the block ends; each member has its network where there are any."""
    ports = [free_port() for _ in range(MEMBERS)]
    hosts = [network.address for network in networks] or [LOOPBACK] * MEMBERS
    shared = {
        **GROUP_OPTIONS,
        "loose-group-replication-group-name": str(uuid.uuid4()),
        "loose-group-replication-group-seeds": ",".join(
            f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)
        ),
        "loose-group-replication-ip-allowlist": ",".join(sorted({*hosts, LOOPBACK})),
    }
    members: list[Member] = []
    for number, port in enumerate(ports):
        options = {**shared, "server-id": str(number + 1)}
        own = folder / f"member-{number}"
        member = Member(own, options, port, networks[number] if networks else None)
        if members:
            shutil.copy(members[0].folder / PASSWORDS, own / PASSWORDS)
        members.append(member)
        member.url("")  # makes the passwords
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        for member in pool.map(_started, members):
            stack.callback(member.stop)
        group = Replicas(members)
        group.found()
        yield group


def _started(member: Member) -> Member:
    member.start()
    return member
