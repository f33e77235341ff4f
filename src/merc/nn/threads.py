"""Temporary number of CPU threads of PyTorch, and one thread for the matrix products of NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch

_lock = Lock()
_inside = 0
_limit: Any = None


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


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Context manager: OpenBLAS, which NumPy and SciPy carry, uses one thread in the whole process.

    With several it sums in another order, so that the last bits, and what is decided by them, depend on the number of
    cores and on ``OMP_NUM_THREADS``. Threads of a process may be inside at the same time: the last restores the number.
    While another thread holds a limit by threadpoolctl, that one stays.
    """
    global _inside, _limit
    import scipy.linalg  # noqa: F401 - its library is only found once it is loaded
    from threadpoolctl import ThreadpoolController

    with _lock:
        if _inside == 0:
            libraries = ThreadpoolController().select(internal_api="openblas")
            files = [library["filepath"] for library in libraries.info()]
            own = [file for file in files if not {"torch", "torch.libs"} & set(Path(file).parts[-3:])]  # on ARM
            _limit = libraries.select(filepath=own).limit(limits=1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.restore_original_limits()
