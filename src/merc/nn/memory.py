"""Freed memory: kept for reuse between training steps, given back between recordings."""

from __future__ import annotations

import ctypes
import gc
import os

_MMAP_MAX, _TRIM_THRESHOLD, _ARENA_MAX = -4, -1, -8  # of mallopt(3)


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


def bound_memory(arenas: int = 2, kernels: int = 64) -> None:
    """Limit what glibc and oneDNN keep for the rest of the process: it does not grow over a batch of recordings.

    glibc makes an arena for each of many threads, and each keeps what fits no later tensor. oneDNN keeps a thousand
    kernels, and makes new ones for each length of a sound (``bench/batch.py``).

    Args:
        arenas: The most arenas.
        kernels: The most kernels, unless ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` is set or oneDNN has run.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(kernels))
    try:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, arenas)
    except (OSError, AttributeError, TypeError):  # not glibc
        return


def release_memory() -> None:
    """Collect cycles and give freed memory back to the operating system.

    Models in cycles hold native memory that the collector does not count, and glibc keeps what is freed: over a batch
    of recordings both would grow. What is alive afterwards are mostly the modules and models of the process: later
    collections pass over it, which would take a quarter of a second each, until ``gc.unfreeze()``.
    """
    gc.collect()
    gc.freeze()
    trim_memory()


def trim_memory() -> None:
    """Give freed memory back to the operating system: between stages, of which one leaves pieces that no other fits."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # not glibc
        return
