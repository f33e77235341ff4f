"""Binding of the compiled selective scan (``scan.cpp``), with gradients.

There is one library per instruction set; the best one for this processor is loaded. The libraries have a plain C
interface independent of PyTorch, so they work with any version of PyTorch and Python on the same platform.
"""

from __future__ import annotations

import ctypes
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from merc.errors import InputError

DTYPES = (torch.float32, torch.bfloat16)
"""Dtypes that the kernel reads and writes; it always accumulates in float32."""

MAX_D_CONV = 8
"""Maximum d_conv that the compiled convolution takes, as in scan.cpp."""

_LOG2E = 1.4426950408889634
_RANGES = 4  # groups of sequences that threads work on; independent of the number of threads, as it affects rounding
_LEVELS = {"AVX512": ("avx512", "avx2", "base"), "AVX2": ("avx2", "base")}  # name in torch: names here, best first


def _fields(text: str) -> list[tuple[str, Any]]:
    """Fields of a structure as declared in scan.cpp: 64-bit integers and, with a star, pointers."""
    return [(name.strip("*"), ctypes.c_void_p if name[0] == "*" else ctypes.c_int64) for name in text.split()]


class _Scan(ctypes.Structure):
    _fields_ = _fields(
        "sequences channels d_state ranges half threads *offsets *ranges_at *borders_at"
        " *u *z *delta u_row z_row delta_row *B *C bc_row"
        " *decay *skip *bias *y *mean *borders *dy *dmean *du *dz *ddelta dz_row *dB *dC"
        " *ddecay *dskip *dbias"
    )


class _Convolution(ctypes.Structure):
    _fields_ = _fields(
        "sequences channels d_conv ranges half threads *offsets *ranges_at *x x_row *weight *bias *u *du *dx dx_row"
        " *dweight *dbias"
    )


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded library and its constants."""

    name: str
    """avx512, avx2 or base."""
    chunk: int
    """Tokens between two stored states."""
    group: int
    """Channels whose contributions to the gradients of B and C are summed by one task."""
    calls: ctypes.CDLL


@cache
def library(name: str | None = None) -> Library | None:
    """Load a library.

    Args:
        name: "avx512", "avx2" or "base" (default: the best one for this processor).

    Returns:
        The library, or None if it was not built or this processor cannot run it.
    """
    known = _LEVELS.get(torch.backends.cpu.get_cpu_capability(), ("base",))
    for level in known if name is None else [name] if name in known else []:
        for file in sorted(Path(__file__).parent.glob(f"_scan_{level}.*")):
            with suppress(OSError):  # a library for another platform
                calls = ctypes.CDLL(str(file))
                _lend_threads(calls)
                return Library(level, int(calls.merc_chunk()), int(calls.merc_group()), calls)
    return None


def _lend_threads(calls: ctypes.CDLL) -> None:
    """Let the kernel use the OpenMP threads of PyTorch if they are found; other threads would compete with them."""
    for file in sorted(Path(torch.__file__).parent.glob("lib/libgomp*")):
        calls.merc_lend(ctypes.cast(ctypes.CDLL(str(file)).GOMP_parallel, ctypes.c_void_p))


@dataclass(frozen=True, slots=True)
class Packing:
    """Offsets of sequences, of ranges of sequences and of stored states: int64 on the CPU."""

    offsets: Tensor
    ranges: Tensor
    borders: Tensor

    @classmethod
    def of(cls, offsets: Tensor, chunk: int) -> Packing:
        """Split the sequences into ranges with about the same number of tokens; depends only on the offsets."""
        offsets = offsets.to("cpu", torch.int64).contiguous()
        kept = ((offsets.diff() + chunk - 1) // chunk - 1).clamp_(min=0)
        borders = torch.cat([kept.new_zeros(1), kept.cumsum(0)])
        count = max(1, min(_RANGES, len(kept)))
        marks = torch.arange(1, count, device="cpu") * int(offsets[-1]) // count
        inner = torch.searchsorted(offsets, marks).clamp_(max=len(kept))
        return cls(offsets, torch.cat([kept.new_zeros(1), inner, kept.new_full((1,), len(kept))]), borders)

    def tokens(self) -> int:
        """Number of rows of the packed tensors."""
        return int(self.offsets[-1])


@dataclass(frozen=True, slots=True)
class Weights:
    """Parameters between in_proj and out_proj."""

    conv_weight: Tensor
    conv_bias: Tensor
    x_proj: Tensor
    dt_proj: Tensor
    dt_bias: Tensor
    a_log: Tensor
    skip: Tensor


def inner(xz: Tensor, weights: Weights, packing: Packing, *, pool: bool, lib: Library) -> Tensor:
    """The part of the block between in_proj and out_proj, with gradients.

    Args:
        xz: ``(tokens, 2 channels)``, float32 or bfloat16 on the CPU.
        weights: Parameters.
        packing: From the offsets.
        pool: Return the mean over each sequence.
        lib: The library.

    Returns:
        ``(tokens, channels)``, or with ``pool`` ``(sequences, channels)``, of the dtype of xz.

    Raises:
        InputError: If xz has another dtype or device.
    """
    if xz.dtype not in DTYPES or xz.device.type != "cpu":
        raise InputError(
            f"input of the compiled scan is {xz.dtype} on {xz.device}; expected float32 or bfloat16 on the CPU: "
            "convert the tensor, or choose backend='portable'"
        )
    args = (weights.conv_weight, weights.conv_bias, weights.x_proj, weights.dt_proj, weights.dt_bias, weights.a_log)
    return _Inner.apply(xz, *args, weights.skip, packing, pool, lib)  # type: ignore[no-any-return, no-untyped-call]


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """``x @ weight.T`` with gradients, by the faster of the two libraries of PyTorch.

    PyTorch uses MKL for float32, which has half the speed of oneDNN on AMD (bench/scan.py prints both), so oneDNN is
    used on x86. Reduced precision uses oneDNN in any case.
    """
    if torch.is_autocast_enabled("cpu") or x.dtype != torch.float32 or not x.numel() or not _onednn():
        return F.linear(x, weight)
    return _Linear.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


@cache
def _onednn() -> bool:
    available = bool(torch._C._has_mkldnn) and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return available and platform.machine().lower() in ("x86_64", "amd64")


def _product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b.T`` without gradients; both float32 or both bfloat16."""
    if a.dtype != torch.float32 or not a.numel() or not _onednn():
        return a @ b.t()
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")  # type: ignore[no-any-return]


class _Linear(torch.autograd.Function):
    """A product by oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad
        dx = _product(gradient, weight.t()) if wants_x else None
        return dx, _product(gradient.t(), x.t()) if wants_weight else None


def _address(values: dict[str, Any]) -> dict[str, Any]:
    """Replace tensors by the address of their first element."""
    return {name: value.data_ptr() if isinstance(value, Tensor) else value for name, value in values.items()}


def _common(packing: Packing, like: Tensor) -> dict[str, Any]:
    return {
        "sequences": len(packing.offsets) - 1,
        "ranges": len(packing.ranges) - 1,
        "half": like.dtype == torch.bfloat16,
        "threads": torch.get_num_threads(),
        "offsets": packing.offsets,
        "ranges_at": packing.ranges,
    }


def _convolve(lib: Library, packing: Packing, step: str, **values: Any) -> None:
    values |= _common(packing, values["x"]) | {"x_row": values["x"].stride(0)}
    d_conv, channels = values["weight"].shape
    structure = _Convolution(**_address(values | {"d_conv": d_conv, "channels": channels}))
    getattr(lib.calls, step)(ctypes.byref(structure))


def _scan(lib: Library, packing: Packing, step: str, **values: Any) -> None:
    values |= _common(packing, values["u"]) | {"borders_at": packing.borders}
    values |= {f"{name}_row": values[name].stride(0) for name in ("u", "z", "delta")}
    d_state, channels = values["decay"].shape
    structure = _Scan(**_address(values | {"d_state": d_state, "channels": channels, "bc_row": values["B"].stride(0)}))
    getattr(lib.calls, step)(ctypes.byref(structure))


def _plain(*tensors: Tensor) -> list[Tensor]:
    """Parameters as required by the kernel: float32, contiguous."""
    return [tensor.detach().float().contiguous() for tensor in tensors]


class _Inner(torch.autograd.Function):
    """Convolution, x_proj, dt_proj and scan; saves no tensor larger than ``(tokens, 2 channels)``."""

    @staticmethod
    def forward(
        ctx: Any, xz: Tensor, conv_weight: Tensor, conv_bias: Tensor, x_proj: Tensor, dt_proj: Tensor, dt_bias: Tensor,
        a_log: Tensor, skip: Tensor, packing: Packing, pool: bool, lib: Library,
    ) -> Tensor:  # fmt: skip
        xz, kind = xz.contiguous(), xz.dtype
        channels, d_state = a_log.shape
        x, z = xz.chunk(2, 1)
        ctx.dtypes = [p.dtype for p in (conv_weight, conv_bias, x_proj, dt_proj, dt_bias, a_log, skip)]
        filters, conv_bias, dt_bias, skip = _plain(conv_weight.squeeze(1).t(), conv_bias, dt_bias, skip)
        decay = (a_log.detach().float().exp() * -_LOG2E).t().contiguous()
        u = torch.empty_like(x, memory_format=torch.contiguous_format)
        _convolve(lib, packing, "merc_convolution", x=x, weight=filters, bias=conv_bias, u=u)
        with torch.autocast("cpu", enabled=False):
            projected = _product(u, x_proj.to(kind))
            delta = _product(projected[:, : dt_proj.shape[1]], dt_proj.to(kind))
        b, c = projected[:, -2 * d_state :].float().chunk(2, 1)
        borders = xz.new_empty(int(packing.borders[-1]), d_state, channels, dtype=torch.float32)
        y = None if pool else torch.empty_like(u)
        mean = u.new_empty(len(packing.offsets) - 1, channels, dtype=torch.float32) if pool else None
        keep = any(ctx.needs_input_grad)
        _scan(
            lib, packing, "merc_scan", u=u, z=z, delta=delta, B=b, C=c, decay=decay, skip=skip, bias=dt_bias, y=y,
            mean=mean, borders=borders if keep and len(borders) else None,
        )  # fmt: skip
        if keep:
            ctx.save_for_backward(
                xz, u, projected, delta, borders, filters, conv_bias, x_proj, dt_proj, dt_bias, decay, skip
            )
            ctx.rest = packing, pool, lib
        return y if mean is None else mean.to(kind)  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        xz, u, projected, delta, borders, filters, conv_bias, x_proj, dt_proj, dt_bias, decay, skip = ctx.saved_tensors
        packing, pool, lib = ctx.rest
        (d_state, channels), kind, ranges = decay.shape, xz.dtype, len(packing.ranges) - 1
        x, z = xz.chunk(2, 1)
        b, c = projected[:, -2 * d_state :].float().chunk(2, 1)
        dxz, ddelta, du = torch.empty_like(xz), torch.empty_like(u), torch.empty_like(u)
        dx, dz = dxz.chunk(2, 1)
        gradient = gradient.contiguous().float() if pool else gradient.contiguous()
        db, dc = (u.new_empty(-(-channels // lib.group), len(u), d_state, dtype=torch.float32) for _ in range(2))
        ddecay, dskip, dbias = (
            u.new_zeros(ranges, *size, channels, dtype=torch.float32) for size in ((d_state,), (), ())
        )
        _scan(
            lib, packing, "merc_scan_backward", u=u, z=z, delta=delta, B=b, C=c, decay=decay, skip=skip, bias=dt_bias,
            borders=borders, dy=None if pool else gradient, dmean=gradient if pool else None, du=du, dz=dz,
            ddelta=ddelta, dz_row=dz.stride(0), dB=db, dC=dc, ddecay=ddecay, dskip=dskip, dbias=dbias,
        )  # fmt: skip
        dt_rank = dt_proj.shape[1]
        dprojected = torch.cat([_product(ddelta, dt_proj.to(kind).t()), db.sum(0).to(kind), dc.sum(0).to(kind)], 1)
        ddt_proj = _product(projected[:, :dt_rank].t(), ddelta.t()).t()
        dx_proj = _product(dprojected.t(), u.t())
        du += _product(dprojected, x_proj.to(kind).t())
        dfilters, dconv_bias = filters.new_zeros(ranges, *filters.shape), filters.new_zeros(ranges, channels)
        _convolve(
            lib, packing, "merc_convolution_backward", x=x, weight=filters, bias=conv_bias, du=du, dx=dx,
            dx_row=dx.stride(0), dweight=dfilters, dbias=dconv_bias,
        )  # fmt: skip
        da_log = (ddecay.sum(0) * decay).t() / _LOG2E
        dconv_weight = dfilters.sum(0).t().unsqueeze(1)
        shares = dconv_weight, dconv_bias.sum(0), dx_proj, ddt_proj, dbias.sum(0), da_log, dskip.sum(0)
        return dxz, *(g.to(dtype) for g, dtype in zip(shares, ctx.dtypes, strict=True)), None, None, None
