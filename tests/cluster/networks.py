"""A network of its own for each server, so that one can be cut off from all others as a pulled cable does it.

The networks are network namespaces of this machine, joined by a bridge: Linux, root and iproute2 are needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

NETWORK = "10.213.{own}.{host}"
BRIDGE_HOST = 1


class Network:
    """The network of one server, with an address that this machine can reach."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a command in here."""
        return [_ip(), "netns", "exec", self.name, *command]

    def cut(self) -> None:
        """From now on nobody hears anything of the other side."""
        _run("link", "set", self.name, "down")

    def mend(self) -> None:
        _run("link", "set", self.name, "up")


def can_be_made() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


@contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """Networks that can be cut off, until the block ends."""
    own = os.getpid() % 250
    bridge = f"stream-{own}"
    with ExitStack() as undo:
        _run("link", "add", bridge, "type", "bridge")
        undo.callback(_run, "link", "delete", bridge)
        _run("address", "add", f"{NETWORK.format(own=own, host=BRIDGE_HOST)}/24", "dev", bridge)
        _run("link", "set", bridge, "up")
        made = []
        for number in range(count):
            network = Network(f"{bridge}-{number}", NETWORK.format(own=own, host=number + 10))
            _run("netns", "add", network.name)
            undo.callback(_run, "netns", "delete", network.name)
            _run("link", "add", network.name, "type", "veth", "peer", "name", "eth0", "netns", network.name)
            _run("link", "set", network.name, "master", bridge, "up")
            _run("-n", network.name, "address", "add", f"{network.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("-n", network.name, "link", "set", device, "up")
            made.append(network)
        yield made


def _run(*arguments: str) -> None:
    subprocess.run([_ip(), *arguments], check=True, capture_output=True, timeout=30)


def _ip() -> str:
    path = shutil.which("ip")
    assert path, "iproute2 is not installed"
    return path
