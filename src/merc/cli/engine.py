"""The options of commands that can run on a cluster: ``--engine``, its address, and the resources of a worker."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from merc.execution.engine import ENGINES, Engine

LOCAL = Engine()
"""This machine: the default of commands."""

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[str, typer.Option(help=f"Where the work is done: {' or '.join(ENGINES)} (a cluster).")],
        LOCAL.name,
    ),
    "address": (
        Annotated[
            str | None,
            typer.Option(
                help="Ray: HOST:PORT of the head node, or auto on a node of the cluster (default: $RAY_ADDRESS, or "
                "else a cluster on this machine)."
            ),
        ],
        LOCAL.address,
    ),
    "cpus_per_worker": (Annotated[float, typer.Option(help="Ray: cores of a worker.")], LOCAL.cpus),
    "gpus_per_worker": (
        Annotated[float, typer.Option(help="Ray: GPUs of a worker; with 0.25 four workers share one.")],
        LOCAL.gpus,
    ),
}


def with_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of an engine to a command, which gets them as one argument, ``engine``."""
    own = inspect.signature(command, eval_str=True)
    others = [one for name, one in own.parameters.items() if name != "engine"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def run(
        *arguments: Any,
        engine: str = LOCAL.name,
        address: str | None = None,
        cpus_per_worker: float = LOCAL.cpus,
        gpus_per_worker: float = LOCAL.gpus,
        **given: Any,
    ) -> None:
        chosen = Engine(engine, address, cpus=cpus_per_worker, gpus=gpus_per_worker)
        command(*arguments, engine=chosen, **given)

    run.__signature__ = own.replace(parameters=[*others, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*others, *added)} | {"return": None}
    return run
