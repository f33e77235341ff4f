"""Memory that a training step has freed is used again, without a page fault."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from merc.nn.memory import bound_memory, keep_freed_memory

_STEPS = """
import resource, sys
import torch
from merc.nn.memory import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("this C library cannot be told")
def step():
    torch.ones(16_000_000).add_(1)
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _STEPS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_later_steps_touch_hardly_a_new_page() -> None:
    assert _faults("kept") < _faults("usual") / 2


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
    bound_memory()


_ARENAS = """
import ctypes, sys, threading
from merc.nn.memory import bound_memory
if sys.argv[1] == "shared":
    bound_memory(2)
ready = threading.Barrier(6)
def work():
    ready.wait()
    bytearray(50_000)
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for one in threads: one.start()
for one in threads: one.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(("how", "fewest", "most"), [("usual", 3, 99), ("shared", 1, 2)])
def test_many_threads_allocate_from_few_arenas(how: str, fewest: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", _ARENAS, how], capture_output=True, text=True, check=True)
    assert fewest <= done.stdout.count("<heap nr=") <= most


def test_kernels_are_kept_in_the_number_that_the_user_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    bound_memory(kernels=9)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    bound_memory(kernels=9)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "9"
