"""What the machine has free for processes: cores, and memory within the limits of a container."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
_GROUP, _MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that can be had without swapping: of the machine, and of its container; None where this is unknown."""
    found = [left for names in _CGROUPS if (left := _left(*names)) is not None]
    with suppress(OSError, ValueError, KeyError):
        rows = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        found.append(int(rows["MemAvailable"].split()[0]) * 1024)
    return min(found, default=None)


def _left(limit: str, used: str) -> int | None:
    with suppress(OSError, ValueError):  # a limit of "max" is none
        return max(0, int((_GROUP / limit).read_text()) - int((_GROUP / used).read_text()))
    return None


def processes(items: int, *, memory: float) -> int:
    """How many processes to run items in: as many as cores and free memory allow, at most one an item.

    Args:
        items: Number of items.
        memory: Bytes that one process takes.

    Returns:
        At least 1.

    Example:
        >>> processes(1, memory=2e9)
        1
    """
    free = free_memory()
    most = min(items, cores())
    return max(1, most if free is None else min(most, int(free // memory)))
