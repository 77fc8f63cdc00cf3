"""A signal reaches the process that we started, and never one that was given its pid later."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deploy.local.kafka import Kafka
from deploy.local.processes import Process
from deploy.local.server import PORTS, free_port, is_free


def test_another_process_with_our_pid_is_not_signalled() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        ours = Process.of(stranger.pid)
        stale = replace(ours, started=ours.started - 1)
        assert not stale.is_alive()
        assert not stale.send(signal.SIGKILL)
        assert stranger.poll() is None
        before_the_boot = replace(ours, boot="another")
        assert not before_the_boot.send(signal.SIGKILL)
        assert stranger.poll() is None
        assert ours.send(signal.SIGKILL)
    assert stranger.returncode == -signal.SIGKILL
    assert not ours.is_alive()


def test_server_whose_record_is_stale_counts_as_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        stale = replace(Process.of(stranger.pid), started=1)
        tmp_path.joinpath("server.json").write_text(json.dumps({"port": 23456, "process": asdict(stale)}))
        server = Kafka(tmp_path, {})
        assert (server.is_running(), server.port) == (False, 23456)
        server.stop()
        server.kill()
        assert stranger.poll() is None
        stranger.kill()


def test_zombie_counts_as_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        process = Process.of(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet reaped
        assert not process.is_alive()


def test_no_process_no_identity() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        pass
    with pytest.raises(ProcessLookupError):
        Process.of(child.pid)


def test_ports_lie_below_those_that_clients_are_given() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() in PORTS
    assert PORTS.stop <= max(first, 32000)
    assert is_free(free_port())
