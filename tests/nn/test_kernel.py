"""The binding of the compiled scan: structures, packing, products, and refusals (the numbers: test_ssm.py)."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest
import torch

from merc.errors import InputError
from merc.nn import kernel

compiled = pytest.mark.skipif(kernel.library() is None, reason="the scan was not compiled on installation")
SOURCE = (Path(kernel.__file__).parent / "scan.cpp").read_text("utf-8")


def members(name: str) -> list[tuple[str, bool]]:
    """Names of a C structure's members and whether each is a pointer, in order."""
    body = re.search(rf"struct {name} {{(.*?)\n}};", SOURCE, re.DOTALL)
    assert body
    found = []
    for line in re.sub(r"//.*", "", body[1]).split(";"):
        declared = re.sub(r"^\s*(const )?(int64_t|float|void)(?=[ *])", "", line)
        found += [(part.strip(" *\n"), "*" in part) for part in declared.split(",") if part.strip()]
    return found


@pytest.mark.parametrize(("ours", "theirs"), [(kernel._Scan, "Scan"), (kernel._Convolution, "Convolution")])
def test_structures_are_those_of_the_source(ours: type[ctypes.Structure], theirs: str) -> None:
    fields = [(name, kind is ctypes.c_void_p) for name, kind in ours._fields_]  # type: ignore[misc]
    assert fields == members(theirs)


def test_constants_are_those_of_the_source() -> None:
    assert f"constexpr int MAX_D_CONV = {kernel.MAX_D_CONV};" in SOURCE


def test_an_unknown_library_is_none() -> None:
    assert kernel.library("sse9") is None


def test_packing_splits_sequences_into_ranges_and_counts_states_between_chunks() -> None:
    packing = kernel.Packing.of(torch.tensor([0, 10, 10, 75, 107]), 32)
    assert packing.borders.tolist() == [0, 0, 0, 2, 2], "65 tokens are three chunks: two states are kept"
    assert packing.ranges.tolist()[0] == 0 and packing.ranges.tolist()[-1] == 4
    assert packing.ranges.diff().min() >= 0 and packing.tokens() == 107


def test_packing_does_not_depend_on_the_default_device() -> None:
    with torch.device("meta"):
        packing = kernel.Packing.of(torch.tensor([0, 3, 9], device="cpu"), 32)
    assert packing.ranges.device.type == packing.borders.device.type == "cpu"


def test_the_product_is_torchs_with_its_gradients() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(*shape, generator=draw, requires_grad=True) for shape in ((7, 5), (3, 5)))
    ours = torch.autograd.grad(kernel.linear(x, weight).square().sum(), (x, weight))
    wanted = torch.autograd.grad((x @ weight.t()).square().sum(), (x, weight))
    torch.testing.assert_close(ours, wanted)


def test_a_frozen_weight_gets_no_gradient() -> None:
    x, weight = torch.randn(2, 4, requires_grad=True), torch.randn(3, 4)
    kernel.linear(x, weight).sum().backward()
    assert x.grad is not None and weight.grad is None


@compiled
def test_other_dtypes_are_refused_with_the_next_step() -> None:
    library = kernel.library()
    assert library is not None
    packing = kernel.Packing.of(torch.tensor([0, 2]), library.chunk)
    weights = kernel.Weights(*(torch.zeros(1) for _ in range(7)))
    with pytest.raises(InputError, match=r"is torch.float64 on cpu; .*choose backend='portable'"):
        kernel.inner(torch.zeros(2, 8, dtype=torch.float64), weights, packing, pool=False, lib=library)
