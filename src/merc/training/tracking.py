"""Tracking of a training while it runs: figures of each epoch, into a file and to any tracker that is named.

``history.jsonl`` is always written. ``TRACKERS`` holds others by name, for ``merc train SYSTEM --tracker NAME``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from merc.cache import replacing
from merc.errors import InputError
from merc.plugins import Plugins
from merc.registry import Registry

HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is made from.

    Attributes:
        folder: Of this training: checkpoints, and whatever the tracker keeps.
        shared: The folder that holds this run and others, such as ``runs``.
        experiment: What is trained, such as "cogmen"; trainings of one experiment are compared.
        name: Of this training within the experiment, such as "cogmen/all".
        settings: Every option as it runs, by dotted name.

    Example:
        >>> TrackedRun.of(Path("runs/cogmen"), "all", "cogmen", {"training": {"epochs": 5}}).settings
        {'training.epochs': 5}
    """

    folder: Path
    shared: Path
    experiment: str
    name: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, run: Path, fold: str, experiment: str, settings: Mapping[str, Any]) -> TrackedRun:
        """Describe a fold of a run.

        Args:
            run: Folder of the run.
            fold: Name of the fold, and of its folder in that.
            experiment: What is trained.
            settings: Options, nested.

        Returns:
            What a tracker is made from, with settings by dotted name.
        """
        return cls(run / fold, run.parent, experiment, f"{run.resolve().name}/{fold}", flat(settings))


class Tracker(Protocol):
    """Takes the figures of each epoch; write one of these for any other place than a file."""

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Take the figures of an epoch; a resumed training logs an epoch that was lost again."""
        ...

    def close(self) -> None:
        """Write what is still in memory; called once, also after an interrupted training."""
        ...


class JsonLines:
    """A file with one JSON object an epoch; an epoch that is logged again replaces itself and what came after it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Rewrite the file with this epoch at its end, so that an interrupted run leaves complete lines only."""
        kept = [row for row in self.read() if row["epoch"] < epoch]
        with replacing(self.path) as temporary:
            lines = (json.dumps(row, sort_keys=True) for row in [*kept, {"epoch": epoch, **values}])
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Nothing is kept in memory."""

    def read(self) -> list[dict[str, Any]]:
        """All epochs so far."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines() if line]


class Several:
    """Trackers that all get the same epochs."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = tuple(trackers)

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Hand the figures of an epoch to each."""
        for tracker in self.trackers:
            tracker.log(epoch, values)

    def close(self) -> None:
        """Close each."""
        for tracker in self.trackers:
            tracker.close()


Factory = Callable[[TrackedRun], Tracker]


def _plugged(name: str, found: Any) -> Factory:
    """A class of trackers, or a function that makes one; raises InputError for anything else."""
    if not callable(found):
        raise InputError(f"expected a class or function that makes a tracker of a TrackedRun, found {found!r}")
    if isinstance(found, type) and not all(callable(getattr(found, one, None)) for one in ("log", "close")):
        raise InputError(f"class {found.__name__} has no log(epoch, values) and close(); expected both")
    factory: Factory = found
    return factory


TRACKERS: Registry[Factory] = Registry(
    "tracker",
    {
        "tensorboard": "merc.training.trackers.tensorboard:TensorBoard",
        "mlflow": "merc.training.trackers.mlflow:MLflow",
        "wandb": "merc.training.trackers.wandb:WandB",
    },
    Plugins("merc.trackers", _plugged, reserved=("jsonl",)),
)
"""What makes a tracker of a run, by name."""


@contextmanager
def tracking(names: Sequence[str], run: TrackedRun) -> Iterator[Tracker]:
    """The history file of a run, and the trackers that are named, which are closed at the end whatever happens.

    Args:
        names: In ``TRACKERS``; each once.
        run: What is trained.

    Raises:
        UnknownName: For a tracker that is not known.
        MissingExtra: If its package is not installed.
    """
    factories = [TRACKERS[name] for name in dict.fromkeys(names)]
    with ExitStack() as stack:
        trackers: list[Tracker] = [JsonLines(run.folder / HISTORY)]
        for factory in factories:
            trackers.append(factory(run))
            stack.callback(trackers[-1].close)
        yield Several(trackers)


def flat(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Nested settings by dotted name.

    Example:
        >>> flat({"training": {"epochs": 5, "hook": {}}, "licence": "MIT"})
        {'training.epochs': 5, 'licence': 'MIT'}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{within}{name}.")
        else:
            found[f"{within}{name}"] = value
    return found


def figures(values: Mapping[str, Any]) -> dict[str, float]:
    """What trackers get that take numbers alone.

    Args:
        values: Figures of an epoch.

    Returns:
        Those that are numbers.

    Example:
        >>> figures({"accuracy": 0.5, "stopped": "early"})
        {'accuracy': 0.5}
    """
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
