"""Two consumers that share the topics, and what can be done to them."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from random import Random

from deploy.local import Registry
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.records import TopicPartition
from tests.broker import Broker
from tests.chaos.watch import Progress, Watch, pid_of
from tests.consumers import Consumer
from tests.waiting import InVain, wait_for

log = logging.getLogger(__name__)

RunCommand = Callable[..., subprocess.CompletedProcess[str]]
"""Takes a command's arguments."""

MEMBERS = 2

LOOK_SECONDS = 0.1
"""Looking takes the machine some milliseconds, which the consumers need as well."""

SETTLE_SECONDS_MAX = 60.0
"""From the start of both until both are at work: 4 s, but after a broker's or a server's end it takes longer, and
the machine may be busy."""

COMMAND_SECONDS_MAX = 300.0
"""A replay waits for all that there was to sweep and to sum, while a member is killed every few seconds."""

PASSING_SECONDS_MAX = 10.0
"""The longest wait for somebody to come to one row of the ledger: into some tables little is written."""

COMMANDS_MAX = 2
"""At once: the machine is the members'."""

ATTEMPTS_MAX = 10


class Group:
    """The members that are alive. `start` starts `stream run`, and `run` another command, to its end; what is left to
    chance is drawn from `chance`."""

    def __init__(
        self, start: Callable[[], Consumer], run: RunCommand, broker: Broker, watch: Watch, chance: Random
    ) -> None:
        self.broker = broker
        self.watch = watch
        self.chance = chance
        self.members: list[Consumer] = []
        self.kills = 0
        self.freezes = 0
        self.failovers: list[tuple[float, str]] = []
        """The seconds from each election of a primary until the members were at work, and what brought it about."""
        self.registry: Registry | None = None
        """The schema registry, where there is one."""
        self.witness: Consumer | None = None
        """A member to whom nothing is done, where there is one: it is not among `members`."""
        self._start = start
        self._run = run
        self._started: list[Consumer] = []
        self._commands = ThreadPoolExecutor(COMMANDS_MAX, "command")
        self._typed: list[Future[None]] = []
        self._began = time.monotonic()

    def start_one(self) -> Consumer:
        fresh = self._start()
        self.members.append(fresh)
        self._started.append(fresh)
        return fresh

    def call_a_witness(self) -> Consumer:
        self.witness = self._start()
        self._started.append(self.witness)
        return self.witness

    def command(self, *arguments: str) -> None:
        """Run a command beside the members and whatever strikes next."""
        self.await_commands(COMMANDS_MAX - 1)
        self._typed.append(self._commands.submit(self._run_until_done, arguments))

    def await_commands(self, most: int = 0) -> None:
        """Wait until at most so many commands are under way: each succeeds, whatever it met."""
        while len(self._typed) > most:
            wait(self._typed, return_when=FIRST_COMPLETED)
            done = [typed for typed in self._typed if typed.done()]
            self._typed = [typed for typed in self._typed if not typed.done()]
            for typed in done:
                typed.result()

    def _run_until_done(self, arguments: tuple[str, ...]) -> None:
        """Type it again where it ended with the advice to do so."""
        began, attempts = time.monotonic(), 1
        while (done := self._run(*arguments)).returncode == EXIT_TRY_AGAIN and attempts < ATTEMPTS_MAX:
            attempts += 1
        self.note(f"  stream {arguments[0]} took {time.monotonic() - began:.1f} s, {attempts} attempts")
        assert done.returncode == 0, f"stream {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"

    def required_registry(self) -> Registry:
        assert self.registry
        return self.registry

    def settle(self) -> None:
        """Replace the dead, and go on when each member owns partitions and moves one of them: so that what comes next
        always meets work in progress."""
        while len(self.members) < MEMBERS:
            self.start_one()
        self.wait_while_alive(self._is_shared, "the members to share the partitions")
        before = self.watch.progress()
        self.wait_while_alive(lambda: self._has_each_moved(before), "each member's progress to move")

    def wait_while_alive(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that is due within seconds, while no member ends."""
        wait_for(lambda: self._alive() and condition(), what, SETTLE_SECONDS_MAX, every_seconds=LOOK_SECONDS)

    def someone(self) -> Consumer:
        return self.chance.choice(self.members)

    def other(self, member: Consumer) -> Consumer:
        (other,) = (each for each in self.members if each is not member)
        return other

    def owned_by(self, member: Consumer) -> list[TopicPartition]:
        return sorted(partition for partition, pid in self.watch.owners().items() if pid == member.pid)

    def owned(self) -> list[TopicPartition]:
        """The partitions that the members have: not those of the witness."""
        pids = {member.pid for member in self.members}
        return sorted(partition for partition, pid in self.watch.owners().items() if pid in pids)

    def ledgers(self) -> list[tuple[TopicPartition, str]]:
        """The members' partitions with the tables into which they sent rows, in any order."""
        owned = set(self.owned())
        sent = sorted(each for each in self.watch.rows_sent() if each[0] in owned)
        return self.chance.sample(sent, len(sent))

    def wait_at(self, statement: str, seconds: float = SETTLE_SECONDS_MAX) -> Consumer:
        """The member that comes first to a statement that begins so."""
        return wait_for(lambda: self._at(statement), statement, seconds)[0]

    def passing(self, statement: str) -> Consumer | None:
        """The same, where one comes soon."""
        with suppress(InVain):
            return self.wait_at(statement, PASSING_SECONDS_MAX)
        return None

    def _at(self, statement: str) -> list[Consumer]:
        return [member for member in self.members if self._alive() and self.watch.is_at(statement, member.pid)]

    def kill(self, victim: Consumer) -> None:
        """SIGKILL for a live process: one that ended by itself is a failure and no victim."""
        self._alive()
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
        self.members.remove(victim)
        self.kills += 1
        self.note(f"  killed {victim.pid} ({victim.log.name})")

    def dismiss(self, member: Consumer) -> None:
        """SIGTERM: it finishes what it has begun."""
        self._alive()
        member.terminate()
        member.assert_ends(0)
        self.members.remove(member)
        self.note(f"  dismissed {member.pid} ({member.log.name})")

    def retries(self, reason: str) -> int:
        """The number of the members' retries so far for a reason."""
        return sum(int(member.metric("stream_retries_total", reason=reason)) for member in self.members)

    def kill_all(self) -> None:
        for member in self.chance.sample(self.members, len(self.members)):
            self.kill(member)

    def fenced(self) -> int:
        """The number of transactions that were refused because their partition had gone to another."""
        return sum(len(member.logged("fenced")) for member in self._started)

    def logs(self) -> list[Path]:
        """The logs of all that ever were members."""
        return [member.log for member in self._started]

    def let_pass(self, seconds_max: float) -> None:
        """Let a random time pass: the only wait here that is not for a condition."""
        threading.Event().wait(self.chance.uniform(0, seconds_max))

    def note(self, line: str) -> None:
        """For the report of a failure."""
        log.info("%6.1f s  %s", time.monotonic() - self._began, line)

    def _is_shared(self) -> bool:
        return {member.pid for member in self._all()} == set(self.watch.owners().values())

    def _has_each_moved(self, since: Progress) -> bool:
        moved = {
            pid_of(row)
            for where, row in self.watch.progress().items()
            if where in since and row["records_consumed"] > since[where]["records_consumed"]
        }
        return {member.pid for member in self.members} <= moved

    def _all(self) -> list[Consumer]:
        return [*self.members, *([self.witness] if self.witness else [])]

    def _alive(self) -> bool:
        for member in self._all():
            assert member.is_running, f"a consumer ended by itself with {member.wait()}:\n{member.log_text()[-6000:]}"
        return True
