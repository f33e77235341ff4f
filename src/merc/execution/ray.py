"""The executor of a Ray cluster: an item that kills its worker costs itself alone, and a node that is lost nothing.

Each worker is an actor that builds the function once and has one item at a time, so that as many items are in flight as
there are workers, and a death tells whose item it was. Where a worker's process dies, its item is tried once more and
then fails; where its node is lost, which is rarely the item's fault, the item is tried up to ``NODE_LOSSES`` times.
Ray's own restarts and retries are off, for they would not say which attempt of an item it was. Workers that are lost
are replaced on the nodes that are left, and nodes that join later are used.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from merc.errors import InputError, MercError, require
from merc.execution.actor import Actor, Setting, join, split
from merc.execution.crew import STARTING, Crew, Death, Worker
from merc.execution.engine import Engine
from merc.options import at_least

NODE_LOSSES = 5
"""How often an item may be in flight on a node that is lost before it fails."""
_FAILED_STARTS = 5  # workers in a row that died before they were ready, after which the run ends
_RECOUNT = 10.0  # seconds after which the nodes are counted again
_ANSWER = 10.0  # seconds that the head node may take to answer
_STATISTICS = "RAY_USAGE_STATS_ENABLED"
_STORE = 80_000_000  # bytes of the object store of a cluster of our own, which holds next to nothing


@dataclass(slots=True, kw_only=True)
class _Placed(Worker):
    """One actor, its answer that is awaited, and the id of its node (known when it is ready)."""

    actor: Any
    answer: Any
    node: str = ""


class Ray(Crew[_Placed]):
    """Runs items in the workers of a Ray cluster; use it as a context, which ends them and leaves the cluster.

    A connection of this process to Ray that exists is used and kept.

    Args:
        engine: The address of the cluster, and the resources of a worker.
        workers: Number of workers; 0: as many as the cluster has room for, as nodes join and leave.
        timeout: Seconds after which an item fails and its worker is replaced.

    Raises:
        InputError: for a number of workers below 0, a timeout of 0 or less; when it is entered, where there is no
            cluster at the address, or no node has the resources of a worker.
        MissingExtra: Ray is not installed.
    """

    def __init__(self, engine: Engine, workers: int = 0, *, timeout: float) -> None:
        at_least(0, scope=self.scope, hint=" (0: as many as there is room for)", count=workers)
        super().__init__(timeout=timeout)
        require("ray", extra="ray", what="--engine ray needs Ray")
        import ray

        self._ray: Any = ray
        self._engine, self._count = engine, workers
        self._connection = ExitStack()
        self._room, self._counted, self._failed_starts = 0, -_RECOUNT, 0

    def __enter__(self) -> Ray:
        if not self._ray.is_initialized():
            self._connection.enter_context(_connected(self._ray, self._engine))
        try:
            if not self._count and not self._has_room():
                raise InputError(f"{self._wanted()}, and no node of the cluster has them: {self._resources()}")
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_all()
        self._connection.close()

    def _most(self) -> int:
        """The number given, or as many as the nodes have room for now; at least 1, which waits for a node."""
        return self._count or max(1, self._has_room())

    def _has_room(self) -> int:
        if time.monotonic() - self._counted > _RECOUNT:
            self._room = sum(room(node["Resources"], self._engine) for node in self._alive())
            self._counted = time.monotonic()
        return self._room

    def _alive(self) -> list[Mapping[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _start(self) -> _Placed:
        actor = (
            self._ray.remote(Actor)
            .options(num_cpus=self._engine.cpus, num_gpus=self._engine.gpus, max_restarts=0, max_task_retries=0)
            .remote(Setting.here(), pickle.dumps(self._make), _node)
        )
        return _Placed(actor=actor, answer=actor.start.remote(), since=time.monotonic())

    def _send(self, worker: _Placed) -> None:
        *parts, last = split(worker.item)
        for part in parts:
            worker.actor.add.remote(part)
        worker.answer = worker.actor.run.remote(last)

    def _with_answers(self) -> list[_Placed]:
        """The workers whose call has ended, after a wait of at most a second."""
        by_answer = {worker.answer: worker for worker in self._workers if worker.answer is not None}
        if not by_answer:
            return []
        awaited = list(by_answer)
        self._ray.wait(awaited, num_returns=1, timeout=min(1.0, self._timeout / 4))
        ended, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0)
        return [by_answer[answer] for answer in ended]

    def _receive(self, worker: _Placed) -> Any:
        errors = self._ray.exceptions
        try:
            count, first = self._ray.get(worker.answer)
            others = self._ray.get([worker.actor.part.remote(number) for number in range(1, count)])
        except errors.RayTaskError as error:
            raise error.cause from error  # a fault of the program
        except errors.RayError as error:
            raise self._death(worker, error) from error
        worker.answer = None
        answer = join([first, *others])
        if not worker.ready and not isinstance(answer, BaseException):
            worker.node, self._failed_starts = answer, 0
        return answer

    def _death(self, worker: _Placed, error: Exception) -> Exception:
        """What the death of a worker means for its item."""
        self._counted = -_RECOUNT  # the nodes may be others now
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                return MercError(f"{_FAILED_STARTS} workers in a row died before they were ready: {error}")
            return Death("the worker died before it was ready")
        lost = isinstance(error, self._ray.exceptions.ActorUnavailableError)
        if lost or worker.node not in {node["NodeID"] for node in self._alive()}:
            return Death(f"its node was lost {NODE_LOSSES} times while it ran", attempts=NODE_LOSSES)
        return Death(f"the process died ({type(error).__name__}; Ray's log on its node may say why)")

    def _late(self) -> list[_Placed]:
        """The workers whose items take too long; those that wait for a node of a busy cluster may wait."""
        now = time.monotonic()
        if self._workers and all(not one.ready and now - one.since > STARTING for one in self._workers):
            raise MercError(
                f"no worker could start in {STARTING:g} s: {self._wanted()}; the nodes have {self._resources()}, which "
                "others may be using ('ray status' tells)"
            )
        return [one for one in self._workers if one.busy and now - one.since > self._timeout]

    def _wanted(self) -> str:
        return f"a worker needs {self._engine.cpus:g} CPUs and {self._engine.gpus:g} GPUs"

    def _resources(self) -> str:
        found = [node["Resources"] for node in self._alive()]
        return "; ".join(f"{one.get('CPU', 0):g} CPUs, {one.get('GPU', 0):g} GPUs" for one in found) or "no nodes"

    def _end_all(self) -> None:
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def _end(self, worker: _Placed) -> None:
        with suppress(self._ray.exceptions.RayError):  # it is dead already
            self._ray.kill(worker.actor)


def room(resources: Mapping[str, float], engine: Engine) -> int:
    """How many workers a node has room for.

    Example:
        >>> room({"CPU": 8, "GPU": 1}, Engine("ray", cpus=1, gpus=0.25))
        4
    """
    by_cores = int(resources.get("CPU", 0) / engine.cpus)
    return min(by_cores, int(resources.get("GPU", 0) / engine.gpus)) if engine.gpus else by_cores


def _node() -> str:
    """The id of the node that this worker is on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


@contextmanager
def _connected(ray: Any, engine: Engine) -> Iterator[None]:
    """A connection to the cluster, or to a cluster of our own; both without usage statistics and without words."""
    before = os.environ.get(_STATISTICS)
    os.environ[_STATISTICS] = "0"  # the processes of a cluster of our own inherit it
    try:
        _connect(ray, engine.address or os.environ.get("RAY_ADDRESS") or "local")
        ray._private.worker._worker_logs_enabled = False  # else the death of a worker is printed on stdout
        yield
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True
        if before is None:
            del os.environ[_STATISTICS]
        else:
            os.environ[_STATISTICS] = before


def _connect(ray: Any, address: str) -> None:
    own = {"object_store_memory": _STORE, "include_dashboard": False} if address == "local" else {}
    try:
        _require_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({error}): start one with 'ray start --head --disable-usage-stats', "
            "or give the address of another with --address"
        ) from error


def _require_answer(address: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT, for which Ray would wait for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
