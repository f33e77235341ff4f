"""Scans: gradients, equality with the reference, and padding for the kernel of mamba-ssm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from merc.nn.scan import Scan, cuda_scan, doubling_scan, portable_scan, reference_scan
from tests.nn.made_mamba import block, packed


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scan_inputs(offsets: Tensor, channels: int, d_state: int) -> list[Tensor]:
    tokens, draw = int(offsets[-1]), torch.Generator().manual_seed(3)
    u, delta = (torch.randn(tokens, channels, generator=draw, dtype=torch.float64) for _ in range(2))
    a = -torch.rand(channels, d_state, generator=draw, dtype=torch.float64) - 0.1
    b, c = (torch.randn(tokens, d_state, generator=draw, dtype=torch.float64) for _ in range(2))
    return [tensor.requires_grad_() for tensor in (u, F.softplus(delta).detach(), a, b, c)]


@pytest.mark.parametrize("scan", [reference_scan, portable_scan, lambda *a: doubling_scan(*a, longest=4)])
def test_gradients_in_double(scan: Scan) -> None:
    offsets = torch.tensor([0, 3, 4, 4, 8])
    assert torch.autograd.gradcheck(lambda *inputs: scan(*inputs, offsets), scan_inputs(offsets, 3, 2))


def test_portable_and_doubling_equal_the_reference_over_several_tiles() -> None:
    offsets = torch.tensor([0, 9, 9, 10, 23])
    inputs = scan_inputs(offsets, 150, 3)
    wanted = reference_scan(*inputs, offsets)
    for got in (portable_scan(*inputs, offsets), doubling_scan(*inputs, offsets, longest=13)):
        torch.testing.assert_close(got, wanted)


def test_mamba_ssm_is_given_padded_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    def selective_scan_fn(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        assert u.shape == (4, 48, 9) and b.shape == (4, 10, 9)
        rows = []
        for one_u, one_delta, one_b, one_c in zip(u, delta, b, c, strict=True):
            inputs = (one_u.t(), one_delta.t(), a, one_b.t(), one_c.t())
            rows.append(reference_scan(*inputs, torch.tensor([0, u.shape[2]])))
        return torch.stack(rows).transpose(1, 2)

    monkeypatch.setitem(sys.modules, "mamba_ssm", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", SimpleNamespace())
    interface = SimpleNamespace(selective_scan_fn=selective_scan_fn)
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", interface)
    model, (x, offsets) = block("reference"), packed((3, 9, 0, 5))
    xz = model.in_proj(x)
    torch.testing.assert_close(model._inner(xz, offsets, cuda_scan), model._inner(xz, offsets, reference_scan))


def test_gradients_of_a_scan_without_recomputation_can_be_differentiated_again():
    torch.manual_seed(0)
    offsets = torch.tensor([0, 3, 5])
    u, delta, b, c = (torch.randn(5, size, dtype=torch.float64, requires_grad=True) for size in (2, 2, 3, 3))
    a = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)

    def scan(u, delta, a, b, c):
        return portable_scan(u, delta.sigmoid(), -a, b, c, offsets, recompute=False)

    assert torch.autograd.gradgradcheck(scan, (u, delta, a, b, c))
