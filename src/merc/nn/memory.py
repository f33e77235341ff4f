"""Reuse of freed memory between training steps."""

from __future__ import annotations

import ctypes

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # of mallopt(3)


def keep_freed_memory() -> bool:
    """Configure glibc to keep freed memory for reuse, for the rest of the process.

    By default each large tensor is mapped again, and the kernel zeroes all its pages. A training step allocates the
    same tensors every time and pays for this again and again (``bench/memory.py``). With this setting the process keeps
    its peak memory until it ends: suitable for training, not for analysing long recordings.

    Returns:
        Whether the C library supports it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # macOS, Windows, musl
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
