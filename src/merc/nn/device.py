"""Devices by name, and a scope in which third-party code makes its tensors on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merc.errors import InputError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
"""Names that can be given; "auto" is the first of cuda, mps and cpu that is present."""


def resolve(name: str | torch.device = "auto") -> torch.device:
    """Device by name.

    Args:
        name: "auto", "cpu", "cuda", "cuda:1", "mps", or a device, which is returned unchanged.

    Raises:
        InputError: If the name is unknown, or this machine or this build of PyTorch has no such device.
    """
    import torch

    if isinstance(name, torch.device):
        return name
    if name == "auto":
        return torch.device(_best())
    kind, _, number = name.partition(":")
    if kind not in DEVICES[1:] or (number and not number.isdigit()):
        raise InputError(f"device '{name}': expected {', '.join(DEVICES)}, or one card as cuda:0")
    here = {"cpu": 1, "cuda": _cuda(), "mps": int(_mps())}[kind]
    if int(number or 0) >= here:
        raise InputError(
            f"device '{name}' is not available: torch {torch.__version__} sees {_cuda()} CUDA devices and "
            f"{'an' if _mps() else 'no'} MPS device; choose --device cpu, or install a build of torch for this device"
        )
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 natively; emulated, it is slower than float32."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())  # the public name is newer


def _best() -> str:
    return "cuda" if _cuda() else "mps" if _mps() else "cpu"


def _cuda() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _mps() -> bool:
    import torch

    return torch.backends.mps.is_available()
