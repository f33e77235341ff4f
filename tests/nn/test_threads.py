"""The context manager restores the number of threads, also after an exception."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy  # noqa: F401 - loads its OpenBLAS
import pytest
import scipy.linalg  # noqa: F401 - loads another one
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from merc.nn.threads import one_blas_thread, restored_threads, threads


def test_the_number_holds_inside_and_is_restored() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()


def test_an_exception_restores_it_too() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads(before + 1):
        raise KeyError("inside")
    assert torch.get_num_threads() == before


def test_threads_that_another_library_sets_are_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), restored_threads():
        torch.set_num_threads(before + 1)
        raise KeyError("inside")
    assert torch.get_num_threads() == before


def blas_threads() -> dict[str, int]:
    """Threads of each OpenBLAS of this process, by its file."""
    libraries = [one for one in ThreadpoolController().info() if one["internal_api"] == "openblas"]
    return {one["filepath"]: one["num_threads"] for one in libraries}


def test_matrix_products_run_on_one_thread_and_the_number_is_restored() -> None:
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        with pytest.raises(KeyError), one_blas_thread():
            assert set(blas_threads().values()) == {1}
            raise KeyError("inside")
        assert 3 in before.values() and blas_threads() == before


def test_another_thread_that_leaves_does_not_restore_it() -> None:
    def passes() -> None:
        with one_blas_thread():
            pass

    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        with one_blas_thread():
            pool.submit(passes).result()
            assert set(blas_threads().values()) == {1}
        assert blas_threads() == before


def test_torch_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    with one_blas_thread():
        assert torch.get_num_threads() == before
