"""The context manager restores the number of threads, also after an exception."""

from __future__ import annotations

import pytest
import torch

from merc.nn.threads import restored_threads, threads


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
