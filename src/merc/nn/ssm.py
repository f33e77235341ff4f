"""The Mamba block over packed sequences: each output vector depends on its token and all tokens before it.

Gu and Dao 2023, "Mamba: Linear-time sequence modeling with selective state spaces"; equal to state-spaces/mamba in
names, initialisation and numbers. With D = expand * d_model channels and N states, for each sequence

    x, z = in_proj(input)              u = silu(conv(x))            delta', B, C = x_proj(u)
    delta = softplus(dt_proj(delta'))  A = -exp(A_log)
    h[t] = exp(delta[t] A) * h[t-1] + delta[t] u[t] B[t]            y[t] = C[t] h[t] + D u[t]
    output = out_proj(y * silu(z))

Shapes: packed tensors are ``(tokens, channels)``, the concatenation of all sequences, and ``offsets`` (int64,
``(sequences + 1,)``) has the start of each and the end: ``[0, 3, 7]`` is one of three tokens and one of four. A is
``(channels, d_state)``, B and C are ``(tokens, d_state)``, h is ``(channels, d_state)`` for each sequence.

Five backends give the same result, and :func:`choose` selects one: the compiled kernel, the kernels of mamba-ssm on
CUDA, plain PyTorch, and by request "twice", plain PyTorch whose gradients can be differentiated again, and a reference
for reading and testing.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError, MissingExtra
from merc.nn import kernel
from merc.nn.scan import Scan, cuda_scan, doubling_scan, places, portable_scan, reference_scan
from merc.options import at_least, between

Backend = Literal["kernel", "cuda", "portable", "twice", "reference"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MambaOptions:
    """Sizes and initialisation of a block; the defaults are those of the Mamba fusion."""

    d_model: int = 1024
    """Size of a token's vector, in and out."""
    d_state: int = 64
    """State size of each channel (N); 16 in the paper's language models, 64 in the Mamba fusion."""
    d_conv: int = 4
    """Width of the causal convolution, the current token included; the compiled kernel takes at most 8."""
    expand: int = 2
    """Inner channels per number of d_model."""
    dt_rank: int | None = None
    """Rank of the projection that yields delta; None: d_model / 16, rounded up."""
    dt_min: float = 1e-3
    """Minimum delta at initialisation: how long a channel remembers."""
    dt_max: float = 1e-1
    """Maximum delta at initialisation."""
    dt_init_floor: float = 1e-4
    """Lower bound of delta at initialisation."""

    def __post_init__(self) -> None:
        at_least(1, d_model=self.d_model, d_state=self.d_state, expand=self.expand)
        between(1, kernel.MAX_D_CONV, d_conv=self.d_conv)
        at_least(1, dt_rank=self.dt_rank, hint=", or None for d_model / 16")
        if not 0 < self.dt_min <= self.dt_max:
            raise InputError(f"dt_min is {self.dt_min} and dt_max {self.dt_max}; need 0 < dt_min <= dt_max")

    @property
    def channels(self) -> int:
        """Channels inside the block: ``expand * d_model``."""
        return self.expand * self.d_model


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend that a block runs on, and why."""

    backend: Backend
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """State of streams between tokens; :meth:`Mamba.start` makes the initial one."""

    recent: Tensor
    """Last inputs of the convolution, ``(streams, d_conv - 1, channels)``."""
    h: Tensor
    """State of the recurrence, ``(streams, channels, d_state)``."""


def choose(
    device: torch.device | str = "cpu", *, dtype: torch.dtype = torch.float32, backend: Backend | None = None
) -> Choice:
    """Select a backend.

    Args:
        device: Device of the input.
        dtype: Its dtype.
        backend: A backend to use; None for the fastest one.

    Returns:
        The backend with the reason.

    Raises:
        InputError: If there is no such backend.
        MissingExtra: If the backend cannot be used.

    Example:
        >>> choose("cpu", dtype=torch.float64).backend
        'portable'
    """
    kind = torch.device(device).type
    found = {"kernel": _why_no_kernel(kind, dtype), "cuda": _why_no_cuda(kind)}
    found |= dict.fromkeys(("portable", "twice", "reference"), "")
    if backend is not None:
        if backend not in found:
            raise InputError(f"no backend '{backend}'; the backends are {', '.join(get_args(Backend))}")
        if found[backend]:
            raise MissingExtra(f"backend '{backend}' cannot be used: {found[backend]}; choose backend='portable'")
        return Choice(backend, "requested")
    if kind == "cuda":
        return (
            Choice("portable", found["cuda"]) if found["cuda"] else Choice("cuda", "mamba-ssm's kernels are installed")
        )
    if kind != "cpu" or found["kernel"]:
        return Choice("portable", found["kernel"])
    return Choice("kernel", f"compiled for {cast(kernel.Library, kernel.library()).name}")


def _why_no_kernel(kind: str, dtype: torch.dtype) -> str:
    """Why the compiled kernel cannot be used; empty if it can."""
    if kind != "cpu":
        return f"the compiled scan runs on the CPU, not on {kind}"
    if dtype not in kernel.DTYPES:
        return f"the compiled scan takes float32 and bfloat16, not {dtype}"
    if kernel.library() is None:
        return "the scan was not compiled on installation: with a C++ compiler, 'pip install --force-reinstall merc'"
    return ""


@cache
def _why_no_cuda(kind: str) -> str:
    """Why mamba-ssm's compiled scan cannot be used; empty if it can. Its Python part may be installed without it."""
    if kind != "cuda":
        return f"mamba-ssm runs on CUDA, not on {kind}"
    try:
        import selective_scan_cuda  # type: ignore[import-not-found]  # noqa: F401
        from mamba_ssm.ops import selective_scan_interface  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        return f"mamba-ssm's kernels are not installed ({error}): 'MAMBA_KEEP_CUDA_BUILD=TRUE pip install mamba-ssm'"
    return ""


@cache
def _announce(choice: Choice) -> None:
    """Log a choice once; as a warning if it is a slow fallback."""
    level = logging.WARNING if choice.backend == "portable" and choice.reason != "requested" else logging.INFO
    _log.log(level, "Mamba runs on the %s backend: %s", choice.backend, choice.reason)


_SCANS: dict[Backend, Scan] = {
    "portable": portable_scan,
    "twice": partial(portable_scan, recompute=False),
    "reference": reference_scan,
    "cuda": cuda_scan,
}


class Mamba(nn.Module):
    """A Mamba block.

    Parameters have the names, shapes and initial distributions of state-spaces/mamba, so state dicts are compatible.

    Args:
        options: Sizes and initialisation.
        backend: A backend to use; None lets :func:`choose` select one for each input.

    Example:
        >>> block = Mamba(MambaOptions(d_model=8, d_state=4))
        >>> tokens, offsets = torch.randn(7, 8), torch.tensor([0, 3, 7])  # a sequence of 3 tokens and one of 4
        >>> block(tokens, offsets).shape, block(tokens, offsets, pool=True).shape
        (torch.Size([7, 8]), torch.Size([2, 8]))
    """

    def __init__(self, options: MambaOptions | None = None, *, backend: Backend | None = None) -> None:
        super().__init__()
        self.options = options = options or MambaOptions()
        self.backend = backend
        channels, self.dt_rank = options.channels, options.dt_rank or -(-options.d_model // 16)
        self.in_proj = nn.Linear(options.d_model, 2 * channels, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, options.d_conv, groups=channels, padding=options.d_conv - 1)
        self.x_proj = nn.Linear(channels, self.dt_rank + 2 * options.d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, channels)
        self.A_log = nn.Parameter(torch.arange(1.0, options.d_state + 1).log().repeat(channels, 1))
        self.D = nn.Parameter(torch.ones(channels))
        self.out_proj = nn.Linear(channels, options.d_model, bias=False)
        self._start_delta()

    @torch.no_grad()
    def _start_delta(self) -> None:
        """Initialise dt_proj so that delta is log-uniform between dt_min and dt_max."""
        o = self.options
        self.dt_proj.weight.uniform_(-(self.dt_rank**-0.5), self.dt_rank**-0.5)
        span = math.log(o.dt_max) - math.log(o.dt_min)
        delta = (torch.rand(o.channels) * span + math.log(o.dt_min)).exp().clamp(min=o.dt_init_floor)
        self.dt_proj.bias.copy_(delta + torch.log(-torch.expm1(-delta)))  # the inverse of softplus

    def forward(self, x: Tensor, offsets: Tensor, *, pool: bool = False) -> Tensor:
        """Run over packed sequences.

        Args:
            x: ``(tokens, d_model)``.
            offsets: int64 ``(sequences + 1,)``.
            pool: Return the mean over each sequence. It is taken before out_proj, with which it commutes, so that the
                product is computed per sequence instead of per token.

        Returns:
            ``(tokens, d_model)``, or with ``pool`` ``(sequences, d_model)``.

        Raises:
            InputError: If x and offsets do not match.
        """
        _check(x, offsets, width=self.options.d_model, pool=pool)
        choice = choose(x.device, dtype=self._dtype(x), backend=self.backend)
        _announce(choice)
        if choice.backend == "kernel":
            lib = cast(kernel.Library, kernel.library())
            xz = kernel.linear(x, self.in_proj.weight)
            y = kernel.inner(xz, self._weights(), kernel.Packing.of(offsets, lib.chunk), pool=pool, lib=lib)
            return kernel.linear(y, self.out_proj.weight)
        offsets = offsets.to(x.device)
        y = self._inner(self.in_proj(x), offsets, _SCANS[choice.backend])
        return cast(Tensor, self.out_proj(_mean(y, offsets) if pool else y))

    def _dtype(self, x: Tensor) -> torch.dtype:
        """Dtype of the output of in_proj for x."""
        kind = x.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype

    def _weights(self) -> kernel.Weights:
        bias = cast(Tensor, self.conv1d.bias)
        dt = self.dt_proj
        return kernel.Weights(self.conv1d.weight, bias, self.x_proj.weight, dt.weight, dt.bias, self.A_log, self.D)

    def _inner(self, xz: Tensor, offsets: Tensor, scan: Scan) -> Tensor:
        """The part between in_proj and out_proj in plain PyTorch, with a given scan: ``(tokens, channels)``."""
        x, z = xz.chunk(2, 1)
        u = F.silu(self._convolve(x, offsets))
        dt_rank, d_state = self.dt_rank, self.options.d_state
        small, b, c = self.x_proj(u).split([dt_rank, d_state, d_state], 1)
        kind = torch.promote_types(u.dtype, torch.float32)  # the scan accumulates in float32 at least
        delta = F.softplus(self.dt_proj(small).to(kind))
        a = -self.A_log.to(kind).exp()
        y = scan(u.to(kind), delta, a, b.to(kind), c.to(kind), offsets)
        return ((y + self.D * u) * F.silu(z)).to(xz.dtype)

    def _convolve(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Depthwise causal convolution over ``d_conv`` tokens within each sequence."""
        place, _ = places(offsets, x.shape[0])
        out = self.conv1d.weight[:, 0, -1] * x + cast(Tensor, self.conv1d.bias)
        for back in range(1, self.options.d_conv):
            earlier = F.pad(x, (0, 0, back, 0))[: x.shape[0]].masked_fill((place < back)[:, None], 0.0)
            out = out + self.conv1d.weight[:, 0, -1 - back] * earlier
        return out

    def start(self, streams: int) -> State:
        """Initial state of a number of streams."""
        o, like = self.options, self.A_log
        return State(like.new_zeros(streams, o.d_conv - 1, o.channels), like.new_zeros(streams, o.channels, o.d_state))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next token of every stream.

        Args:
            x: ``(streams, d_model)``.
            state: From :meth:`start` or the last step.

        Returns:
            ``(streams, d_model)`` and the new state.

        Raises:
            InputError: If the number of streams or the width differs.
        """
        if x.shape != (len(state.h), self.options.d_model):
            raise InputError(
                f"input of a step has shape {tuple(x.shape)}; expected {(len(state.h), self.options.d_model)}: "
                "one token per stream of the state"
            )
        inside, z = self.in_proj(x).chunk(2, 1)
        window = torch.cat([state.recent, inside[:, None]], 1)  # (streams, d_conv, channels)
        u = F.silu((window * self.conv1d.weight[:, 0].t()).sum(1) + cast(Tensor, self.conv1d.bias))
        small, b, c = self.x_proj(u).split([self.dt_rank, self.options.d_state, self.options.d_state], 1)
        delta = F.softplus(self.dt_proj(small))
        h = torch.exp(delta[:, :, None] * -self.A_log.exp()) * state.h + (delta * u)[:, :, None] * b[:, None]
        y = (h @ c[:, :, None]).squeeze(2) + self.D * u
        return self.out_proj(y * F.silu(z)), State(window[:, 1:], h)


class Exportable(nn.Module):
    """A block as a graph without loops, for ``torch.onnx.export``: ``(x, offsets)`` to the output of the block.

    Args:
        block: The block.
        longest: Maximum number of tokens per sequence; longer sequences would be truncated to their last tokens.
        pool: As for the block.

    Raises:
        InputError: If ``longest`` is below 1.
    """

    def __init__(self, block: Mamba, *, longest: int = 128, pool: bool = False) -> None:
        super().__init__()
        if longest < 1:
            raise InputError(f"longest is {longest}; expected the number of tokens of the longest sequence, at least 1")
        self.block, self.longest, self.pool = block, longest, pool

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        """As ``forward`` of the block, without checks, as a graph cannot raise."""

        def scan(*args: Tensor) -> Tensor:
            return doubling_scan(*args, longest=self.longest)

        y = self.block._inner(self.block.in_proj(x), offsets, scan)
        return cast(Tensor, self.block.out_proj(_mean(y, offsets) if self.pool else y))


def _mean(y: Tensor, offsets: Tensor) -> Tensor:
    """Mean over each sequence, ``(sequences, channels)``."""
    sums = y.new_zeros(offsets.shape[0] - 1, y.shape[1]).index_add(0, places(offsets, y.shape[0])[1], y)
    return sums / offsets.diff()[:, None].to(y.dtype)


def _check(x: Tensor, offsets: Tensor, *, width: int, pool: bool) -> None:
    """Raise InputError unless x and offsets match."""
    if x.ndim != 2 or x.shape[1] != width:
        raise InputError(
            f"x has shape {tuple(x.shape)}; expected (tokens, {width}): pack the sequences one after another"
        )
    if offsets.ndim != 1 or offsets.dtype != torch.int64 or len(offsets) < 1:
        raise InputError(
            f"offsets are {offsets.dtype} of shape {tuple(offsets.shape)}; expected int64 (sequences + 1,)"
        )
    lengths, ends = offsets.diff(), (int(offsets[0]), int(offsets[-1]))
    if ends != (0, len(x)) or bool((lengths < 0).any()):
        raise InputError(
            f"offsets run from {ends[0]} to {ends[1]} over {len(x)} tokens; "
            "they must begin with 0, never fall, and end with the number of tokens"
        )
    if pool and not bool(lengths.all()):
        empty = int((lengths == 0).nonzero()[0])
        raise InputError(f"sequence {empty} has no token, so it has no mean; remove it before pooling")
