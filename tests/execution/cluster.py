"""A Ray cluster of small nodes on this machine, of which nodes can be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from merc.execution.engine import Engine

STORE = 80_000_000
"""Bytes of the object store of a node, about the least that Ray takes."""
_SMALL: dict[str, Any] = {"object_store_memory": STORE, "include_dashboard": False}
_SETTINGS = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
    "worker_niceness": 0,
}
"""Lost nodes are noticed within two seconds instead of fifteen, and workers have the priority of this process."""


class Nodes:
    """A head node, on which nothing runs unless it has cores, and nodes of one core that come and go."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._added: list[Any] = []

    def engine(self, **options: Any) -> Engine:
        """Options of a run on this cluster."""
        return Engine("ray", self._cluster.address, **options)

    def add(self) -> None:
        """Add a node of one core."""
        self._added.append(self._cluster.add_node(num_cpus=1, **_SMALL))

    def kill(self, name: str = "") -> None:
        """Kill all processes of the node of an id; none: of the one that was added first."""
        (*_, node) = [one for one in reversed(self._added) if name in ("", one.node_id)]
        self._added.remove(node)
        (raylet,) = node.all_processes["raylet"]
        workers = _children(raylet.process.pid)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in workers:  # they would end an item that is nearly done
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@contextmanager
def nodes(count: int, *, head: int = 0, **settings: Any) -> Iterator[Nodes]:
    """Start a cluster of a head with some cores and some nodes of one core; ends all its processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        started = Cluster(
            initialize_head=True, head_node_args={"num_cpus": head, "_system_config": _SETTINGS | settings, **_SMALL}
        )
        try:
            made = Nodes(started)
            for _ in range(count):
                made.add()
            yield made
        finally:
            started.shutdown()
