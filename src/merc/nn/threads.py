"""Temporary number of CPU threads of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Context manager: use ``count`` CPU threads and inference mode; the previous number is restored afterwards.

    Args:
        count: Number of threads, at least 1.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def restored_threads() -> Iterator[None]:
    """Context manager: restore PyTorch's number of CPU threads afterwards.

    For libraries that set the threads of the calling process when they load (CTranslate2).
    """
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
