"""Speed and memory of the Mamba block, compared with installed public implementations and with a lower bound.

    python bench/scan.py                          B 32 × L 8 … 2048 and the lengths of MELD, one and two threads
    python bench/scan.py --only 32,16 --threads 1 one shape; --only meld: lengths of MELD; --json: records
    python bench/scan.py --tuned                  again with an allocator that keeps freed memory (glibc)
    python bench/scan.py --device cuda            ours with the kernels of mamba-ssm if they are built

All run in one process with shared weights, interleaved; results are compared with ours first. Times are milliseconds,
median and minimum over rounds, in wall time, or with --clock cpu in CPU time (for a busy machine); "×" is the ratio to
ours by the medians. "pooled" takes the mean over tokens before out_proj. Memory is the peak above that before forward
and backward. Inputs are features and get no gradient.

The floor is the time of the block's matrix products (by the faster of the two libraries of PyTorch) and of the
arithmetic of the scan at one vector operation per cycle. What would take too long or too much memory is skipped, with a
note.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from floor import BACKWARD_OPERATIONS, FORWARD_OPERATIONS, cycles_per_second, meld, products
from torch import Tensor, nn
from torch.nn import functional as F

from merc.nn import kernel, ssm
from merc.nn.memory import keep_freed_memory
from merc.nn.ssm import Mamba, MambaOptions

SHAPES = [(32, length) for length in (8, 16, 32, 64, 128, 256, 512, 1024, 2048)]
PEERS = {
    "transformers' slow path": "pip install transformers",
    "mambapy, parallel": "pip install mambapy",
    "mambapy, sequential": "pip install mambapy",
    "torchmamba": "pip install --no-deps --ignore-requires-python torchmamba  (it declares Python 3.12)",
}


@dataclass
class Row:
    """One implementation on one shape."""

    shape: str
    threads: int
    name: str
    allocator: str
    forward: list[float] = field(default_factory=list)  # ms
    both: list[float] = field(default_factory=list)
    extra_mb: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contestant:
    name: str
    module: nn.Module
    run: Callable[[], Tensor]  # the output of a forward pass
    tokens: Callable[[Tensor], Tensor] | None = None  # the output as ours has it; None: nothing to compare


class ReferenceForm(nn.Module):
    """The selective scan as in the reference of mamba-ssm: all decays first, then a loop over tokens."""

    def __init__(self, block: Mamba) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        b, rank, states = self.block, self.block.dt_rank, self.block.options.d_state
        inside, z = b.in_proj(x).chunk(2, 2)
        u = F.silu(b.conv1d(inside.transpose(1, 2))[..., : x.shape[1]])  # (batch, channels, length)
        small, key, query = b.x_proj(u.transpose(1, 2)).split([rank, states, states], 2)
        delta = F.softplus(b.dt_proj(small)).transpose(1, 2)
        decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, -b.A_log.exp()))
        update = torch.einsum("bdl,bln,bdl->bdln", delta, key, u)
        h, rows = u.new_zeros(len(x), u.shape[1], states), []
        for t in range(x.shape[1]):
            h = decay[:, :, t] * h + update[:, :, t]
            rows.append(torch.einsum("bdn,bn->bd", h, query[:, t]))
        y = torch.stack(rows, 1) + u.transpose(1, 2) * b.D
        return b.out_proj(y * F.silu(z))


def lengths_of(shape: str) -> list[int]:
    """Lengths of a batch."""
    if shape != "meld":
        batch, length = map(int, shape.split(","))
        return [length] * batch
    return meld(32, seed=0)


def peers(block: Mamba, absent: set[str]) -> Iterator[tuple[str, nn.Module]]:
    """Installed public implementations with our weights; names of the others are added to ``absent``."""
    o, state = block.options, block.state_dict()
    try:
        from transformers import MambaConfig
        from transformers.models.mamba.modeling_mamba import MambaMixer

        sizes = {"hidden_size": o.d_model, "state_size": o.d_state, "conv_kernel": o.d_conv, "expand": o.expand}
        peer = MambaMixer(MambaConfig(**sizes, time_step_rank=block.dt_rank, use_bias=False, num_hidden_layers=1), 0)
        peer.load_state_dict(state)
        yield "transformers' slow path", peer
    except ImportError:
        absent.add("transformers' slow path")
    for name in ("parallel", "sequential"):
        try:
            from mambapy.mamba import MambaBlock
            from mambapy.mamba import MambaConfig as Config

            peer = MambaBlock(Config(d_model=o.d_model, n_layers=1, d_state=o.d_state, pscan=name == "parallel"))
            peer.load_state_dict(state)
            yield f"mambapy, {name}", peer
        except ImportError:
            absent.add(f"mambapy, {name}")
    try:
        from torchmamba import Mamba1Block

        peer = Mamba1Block(o.d_model, o.expand, o.d_state, o.d_conv, block.dt_rank, bias=False)
        names = {"conv1d.weight": "conv_weight", "conv1d.bias": "conv_bias", "D": "D_skip"}
        peer.load_state_dict({names.get(name, name): value for name, value in state.items()})
        yield "torchmamba", peer
    except ImportError:
        absent.add("torchmamba")
    peer = Mamba(o)
    peer.load_state_dict(state)
    yield "mamba-ssm's reference form", ReferenceForm(peer)


def contestants(shape: str, device: str, absent: set[str]) -> list[Contestant]:
    """All implementations that are timed on one shape; ours first."""
    torch.manual_seed(0)
    block = Mamba(MambaOptions()).to(device)
    lengths = lengths_of(shape)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    x = torch.randn(int(offsets[-1]), block.options.d_model, device=device)
    padded = nn.utils.rnn.pad_sequence(list(x.split(lengths)), batch_first=True)
    portable = Mamba(MambaOptions(), backend="portable").to(device)
    portable.load_state_dict(block.state_dict())

    def half() -> Tensor:
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            return block(x, offsets, pool=True)

    found = [
        Contestant("ours", block, lambda: block(x, offsets), lambda out: out),
        Contestant("ours, pooled", block, lambda: block(x, offsets, pool=True)),
        Contestant("ours, pooled, bf16", block, half),
        Contestant("ours, portable backend", portable, lambda: portable(x, offsets), lambda out: out),
    ]
    for name, module in peers(block, absent):
        module.to(device).train()

        def run(module: nn.Module = module) -> Tensor:
            return module(padded)

        def real(out: Tensor) -> Tensor:
            return torch.cat([row[:n] for row, n in zip(out, lengths, strict=True)])

        found.append(Contestant(name, module, run, real))
    return found


def floors(shape: str, threads: int, clock: Callable[[], float], budget: float) -> list[Row]:
    """Lower bound for any implementation on this machine."""
    lengths = lengths_of(shape)
    tokens, (hertz, _) = sum(lengths), cycles_per_second()
    lanes = {"avx512": 16, "avx2": 8}.get(library.name if (library := kernel.library()) else "", 4)
    scan = [tokens * 2048 * 64 / lanes * n / hertz / threads * 1e3 for n in (FORWARD_OPERATIONS, BACKWARD_OPERATIONS)]
    out = []
    for name, rows in (("floor", tokens), ("floor, pooled", len(lengths))):
        row = Row(shape, threads, name, "stock")
        for product in (lambda a, b: a @ b.t(), kernel._product):
            pair = products(tokens, rows, product)
            times = [measure([call], clock, budget / 16)[0] for call in pair]
            least = [min(values) for values in times]
            if not row.both or least[1] + scan[0] + scan[1] < row.both[0]:
                row.forward, row.both = [least[0] + scan[0]], [least[1] + scan[0] + scan[1]]
                row.note = f"products {least[0]:.1f} / {least[1]:.1f}, scan {scan[0]:.1f} / {sum(scan):.1f}"
        out.append(row)
    return out


# ---------------------------------------------------------------------------------------------------- measuring


def measure(calls: list[Callable[[], object]], clock: Callable[[], float], budget: float) -> list[list[float]]:
    """Milliseconds of each call, interleaved, up to ``budget`` seconds each and at most 30 times."""
    times: list[list[float]] = [[] for _ in calls]
    spent = [0.0] * len(calls)
    for _ in range(30):
        for n, call in enumerate(calls):
            if spent[n] < budget:
                wall, begin = time.perf_counter(), clock()
                call()
                times[n].append((clock() - begin) * 1e3)
                spent[n] += time.perf_counter() - wall
    return times


def both_ways(one: Contestant, device: str) -> tuple[Callable[[], None], Callable[[], None]]:
    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    def forward() -> None:
        with torch.no_grad():
            one.run()
        wait()

    def both() -> None:
        one.run().float().sum().backward()
        one.module.zero_grad()
        wait()

    return forward, both


def peak(call: Callable[[], None], device: str) -> float:
    """Peak memory of ``call`` in MB above that before, by the high-water mark of the kernel."""
    gc.collect()
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return (_status("VmHWM") - before) / 1e3


def _status(key: str) -> float:
    return float(Path("/proc/self/status").read_text().split(f"{key}:")[1].split()[0])


def why_not(tokens: int, last: tuple[int, float, float] | None, longest: float) -> str:
    """Why a shape is too large for an implementation that took ``last`` (tokens, s, MB) on another; or empty."""
    if last is None:
        return ""
    grown = tokens / last[0]
    if last[1] * grown > longest:
        return f"skipped: about {last[1] * grown:.0f} s or more per call"
    available = float(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) / 1e3
    return f"skipped: about {last[2] * grown:.0f} MB" if last[2] * grown > 0.8 * available else ""


def bench(shape: str, threads: int, args: argparse.Namespace, last: dict[str, tuple[int, float, float]]) -> list[Row]:
    """All rows for one shape and number of threads; ``last`` has the cost of each implementation so far."""
    torch.set_num_threads(threads)
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    lengths = lengths_of(shape)
    padded, rows, runs, wanted = len(lengths) * max(lengths), [], [], None
    for one in contestants(shape, args.device, args.absent):
        rows.append(row := Row(shape, threads, one.name, args.allocator))
        row.note = why_not(padded, last.get(one.name), args.longest)
        if row.note:
            continue
        forward, both = both_ways(one, args.device)
        begin, wall = clock(), time.perf_counter()
        row.extra_mb = round(peak(both, args.device), 1)  # also the warm-up
        row.both, wall = [(clock() - begin) * 1e3], time.perf_counter() - wall
        last[one.name] = padded, wall, row.extra_mb
        if one.tokens:
            with torch.no_grad():
                out = one.tokens(one.run())
            wanted = out if wanted is None else wanted
            worst = float((out - wanted).abs().max() / wanted.abs().max())
            row.note = "" if worst < 1e-4 else f"differs from ours by {worst:.0e}"
        once = wall >= args.seconds and args.allocator == "stock"  # tuned: the first call pays for all pages
        runs.append((row, forward, None if once else both))
    for (row, *_), times in zip(runs, measure([run[1] for run in runs], clock, args.seconds), strict=True):
        row.forward = times
    again = [run for run in runs if run[2]]
    for (row, *_), times in zip(again, measure([run[2] for run in again], clock, args.seconds), strict=True):
        row.both = times
    return rows + (floors(shape, threads, clock, args.seconds) if args.device == "cpu" else [])


# ------------------------------------------------------------------------------------------------------ printing


def median(row: Row, which: str) -> float:
    values = getattr(row, which)
    return statistics.median(values) if values else math.nan


def least(row: Row, which: str) -> float:
    return min(getattr(row, which), default=math.nan)


def show(rows: list[Row]) -> None:
    """One shape as a table."""
    named = {row.name: row for row in rows}
    first = rows[0]
    print(f"\n{first.shape.replace(',', ' sequences × ')}, {first.threads} thread(s), allocator {first.allocator}")
    ratio = f"{'× ours / pooled':>18}"
    print(f"{'':28}{'forward':>18}{ratio}{'forward+backward':>20}{ratio}{'extra MB':>10}")
    for row in rows:
        cells = ""
        for which, width in (("forward", 18), ("both", 20)):
            values, own = getattr(row, which), median(row, which)
            mark = "" if len(values) > 1 or row.name.startswith("floor") else " once"
            ratios = [own / median(named[name], which) for name in ("ours", "ours, pooled")]
            cells += f"{own:.1f} ({min(values):.1f}){mark}".rjust(width) if values else "–".rjust(width)
            cells += (" / ".join(f"{ratio:.2f}" for ratio in ratios)).rjust(18) if values else " " * 18
        print(f"{row.name:28}{cells}{'' if row.extra_mb is None else row.extra_mb:>10}  {row.note}")
    if "floor" in named:
        for name, floor in (("ours", "floor"), ("ours, pooled", "floor, pooled")):
            ratios = [least(named[name], w) / least(named[floor], w) for w in ("forward", "both")]
            print(f"{name} / {floor}: forward {ratios[0]:.2f}, forward+backward {ratios[1]:.2f} (least times)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="B,L or meld")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=5.0, help="per implementation, direction and shape")
    parser.add_argument("--longest", type=float, default=60.0, help="maximum seconds per call")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print the records instead of the tables")
    parser.add_argument("--tuned", action="store_true", help="again with an allocator that keeps freed memory")
    args = parser.parse_args()
    args.absent = set()
    records = []
    for allocator in ["stock", "tuned"] if args.tuned else ["stock"]:
        args.allocator = allocator
        if args.allocator == "tuned" and not keep_freed_memory():
            parser.error("the C library does not support keeping freed memory; omit --tuned")
        for threads in args.threads:
            last: dict[str, tuple[int, float, float]] = {}
            for shape in [args.only] if args.only else [*(f"{b},{n}" for b, n in SHAPES), "meld"]:
                rows = bench(shape, threads, args, last)
                records += rows
                if not args.json:
                    show(rows)
    if args.json:
        print(json.dumps([asdict(row) for row in records]))
        return
    hertz, how = cycles_per_second()
    print(f"\nours: {ssm.choose(args.device)}; torch {torch.__version__}; clock {hertz / 1e9:.2f} GHz ({how})")
    for name in sorted(args.absent):
        print(f"not installed: {name}: {PEERS[name]}")


if __name__ == "__main__":
    main()
