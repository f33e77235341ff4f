"""Small Mamba blocks and packed sequences for the tests of the block and of its scans."""

from __future__ import annotations

import torch
from torch import Tensor

from merc.nn.ssm import Backend, Mamba, MambaOptions


def block(
    backend: Backend | None = None, *, d_model: int = 24, d_state: int = 10, seed: int = 0, **options: int
) -> Mamba:
    torch.manual_seed(seed)
    made = Mamba(MambaOptions(d_model=d_model, d_state=d_state, **options), backend=backend)
    with torch.no_grad():
        made.D.normal_()
        made.A_log.add_(0.1 * torch.randn_like(made.A_log))
    return made


def packed(lengths: tuple[int, ...], width: int = 24, seed: int = 1) -> tuple[Tensor, Tensor]:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return torch.randn(int(offsets[-1]), width, generator=torch.Generator().manual_seed(seed)), offsets
