"""What the C library does with memory that a training step has freed."""

from __future__ import annotations

import ctypes

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # of mallopt(3)


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the rest of the process; whether this C library can be told so.

    By default each large tensor comes from the kernel anew and every page of it is filled with zeros first, which a
    training step, whose tensors are the same each time, pays again and again (`bench/memory.py`). The process then
    holds what it needed most until it ends: for trainings, not for a long recording.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # macOS, Windows, musl
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
