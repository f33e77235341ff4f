"""Which executor runs the items: processes of this machine, or the workers of a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from merc.errors import InputError
from merc.execution.crew import Crew
from merc.execution.pool import Processes
from merc.options import above, at_least, one_of

ENGINES = ("processes", "ray")


@dataclass(frozen=True, slots=True)
class Engine:
    """Where items run.

    Raises:
        InputError: for an engine that is not known, or resources that cannot be had.

    Example:
        >>> Engine("ray", gpus=0.25).threads
        1
    """

    name: str = "processes"
    """``processes`` of this machine, or ``ray``."""
    address: str | None = None
    """Of Ray's head node as HOST:PORT, or ``auto`` on a node of the cluster; None: ``$RAY_ADDRESS``, or else a cluster
    on this machine for this run."""
    cpus: float = 1.0
    """Cores that Ray reserves for a worker."""
    gpus: float = 0.0
    """GPUs that Ray reserves for a worker; with 0.25 four workers decode side by side and share one GPU."""

    def __post_init__(self) -> None:
        one_of(ENGINES, engine=self.name)
        above(0, scope="engine", cpus_per_worker=self.cpus)
        at_least(0, scope="engine", gpus_per_worker=self.gpus)
        if self.name != "ray" and (self.address or self.cpus != 1 or self.gpus):
            raise InputError("--address, --cpus-per-worker and --gpus-per-worker are for --engine ray")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise InputError(f"gpus_per_worker is {self.gpus:g}: expected a share of one GPU or a whole number")
        if (self.address or "").startswith("ray://"):
            raise InputError(
                f"address {self.address} is one of Ray Client, which merc does not use: run merc on a node of the "
                "cluster with --address auto"
            )

    @property
    def distributed(self) -> bool:
        """Whether items run on other machines."""
        return self.name == "ray"

    @property
    def threads(self) -> int:
        """CPU threads of a worker of Ray."""
        return max(1, int(self.cpus))

    def open(self, workers: int, *, timeout: float) -> Crew[Any]:
        """The executor; use it as a context.

        Args:
            workers: Number of workers; 0: one per core of this machine, or as many as the cluster has room for.
            timeout: Seconds after which an item fails.

        Returns:
            The executor: processes of this machine, or workers of Ray.

        Raises:
            MissingExtra: Ray is not installed.
        """
        if self.distributed:
            from merc.execution.ray import Ray

            return Ray(self, workers, timeout=timeout)
        return Processes(workers or os.cpu_count() or 1, timeout=timeout)
