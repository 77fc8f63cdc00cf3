"""Three Kafka brokers, each of which is a controller as well: one may be gone at any time, and nothing stands still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local import Kafka
from deploy.local.server import LOOPBACK, free_port

BROKERS = 3

REPLICA_LAG_MAX_MS = 3000
"""A follower that is silent is left behind after this, and producers wait for it no longer."""

REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "replica.lag.time.max.ms": str(REPLICA_LAG_MAX_MS),
}


class Node(Kafka):
    """A broker of the cluster; its id counts from 1."""

    def __init__(self, folder: Path, node_id: int, controllers: Sequence[int], overrides: dict[str, str]) -> None:
        super().__init__(folder, overrides, is_brief=True)
        self.node_id = node_id
        self._controllers = controllers

    def _properties(self) -> dict[str, str]:
        own = f"CLIENT://{LOOPBACK}:{self.port}"
        voters = (f"{number}@{LOOPBACK}:{port}" for number, port in enumerate(self._controllers, 1))
        return {
            **super()._properties(),
            **REPLICATED,
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"{own},CONTROLLER://{LOOPBACK}:{self._controllers[self.node_id - 1]}",
        }


class Cluster:
    """The brokers, in the place of one for `tests.broker.Broker`: they are struck by turns."""

    replication_factor = BROKERS

    def __init__(self, folder: Path, overrides: dict[str, str]) -> None:
        self.folder = folder
        controllers = [free_port() for _ in range(BROKERS)]
        self.nodes = [Node(folder / f"broker-{n}", n, controllers, overrides) for n in range(1, BROKERS + 1)]
        identity = self.nodes[0]._cluster_id
        for node in self.nodes[1:]:
            (node.folder / "cluster_id").write_text(identity)
        self._turn = 0

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def node(self, node_id: int) -> Node:
        return self.nodes[node_id - 1]

    def kill(self) -> None:
        """Kill the next one; `start` brings it back."""
        self._next().kill()

    def stop(self) -> None:
        """Stop the next one politely; `start` brings it back."""
        self._next().stop()

    def start(self) -> None:
        """Start those that are down, together: two have to be up before one answers."""
        down = [node for node in self.nodes if not node.is_running()]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, down))

    def _next(self) -> Node:
        self._turn += 1
        return self.nodes[self._turn % BROKERS]


@contextmanager
def kafka_cluster(folder: Path, **overrides: str) -> Iterator[Cluster]:
    """Three brokers at work, until the block ends."""
    cluster = Cluster(folder, overrides)
    with ExitStack() as stack:
        for node in cluster.nodes:
            stack.callback(node.kill)
        cluster.start()
        yield cluster
