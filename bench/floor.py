"""Shared by scan.py and epoch.py: lengths in MELD, matrix products of the block, clock rate."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

UTTERANCES = 9989  # in the training set of MELD; below, how many of them have 0, 1, 2, … word pieces
LENGTHS = (
    "0 0 0 40 938 499 521 577 561 582 597 504 523 409 447 355 330 306 277 284 240 218 191 201 174 158 132 133 113 102 "
    "105 83 75 59 57 42 21 15 27 19 10 10 7 8 3 4 3 3 6 2 3 4 2 2 0 1 1 1 0 0 1 0 0 0 1 1" + 29 * " 0" + " 1"
)
FORWARD_OPERATIONS = 15  # a state: delta A, exp (11), input B, h, C h
BACKWARD_OPERATIONS = 23  # the same again, and dh, dC, dB, d input, dh exp, d exponent, d delta, dA


def meld(count: int, *, seed: int) -> list[int]:
    """Random lengths with the distribution of the training set of MELD."""
    weights = torch.tensor([float(n) for n in LENGTHS.split()])
    return torch.multinomial(weights, count, replacement=True, generator=torch.Generator().manual_seed(seed)).tolist()


def cycles_per_second() -> tuple[float, str]:
    """Current clock rate: measured by a chain of multiplications of 3 cycles each, or else from /proc/cpuinfo."""
    chain = (
        "#include <stdio.h>\n#include <time.h>\nint main(void){unsigned long x=3;double best=1e9;for(int r=0;r<20;r++){"
        'clock_t a=clock();for(long i=0;i<5000000;i++){x*=0x9E3779B97F4A7C15ul;__asm__ volatile("":"+r"(x));}'
        'double s=(double)(clock()-a)/CLOCKS_PER_SEC;if(s<best)best=s;}printf("%.0f",3*5e6/best);return 0;}'
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError, subprocess.CalledProcessError):
        source, program = Path(folder, "clock.c"), Path(folder, "clock")
        source.write_text(chain)
        subprocess.run(["cc", "-O2", source, "-o", program], check=True, capture_output=True)
        return float(subprocess.run([program], check=True, capture_output=True).stdout), "measured"
    with contextlib.suppress(OSError, IndexError):
        return float(Path("/proc/cpuinfo").read_text().split("cpu MHz")[1].split()[1]) * 1e6, "/proc/cpuinfo"
    return 3e9, "assumed"


def products(
    tokens: int, rows: int, product: Callable[[Tensor, Tensor], Tensor], kind: torch.dtype = torch.float32
) -> tuple[Callable[[], None], ...]:
    """Matrix products of the block, forward, and forward and backward; ``rows`` remain after pooling."""
    sizes = [(tokens, 1024, 4096), (tokens, 2048, 192), (tokens, 64, 2048), (rows, 2048, 1024)]
    made = [tuple(torch.randn(*size, dtype=kind) for size in ((t, i), (o, i), (t, o))) for t, i, o in sizes]

    def forward() -> None:
        for x, w, _ in made:
            product(x, w)

    def both() -> None:
        forward()
        for n, (x, w, y) in enumerate(made):
            product(y.t(), x.t())
            if n:
                product(y, w.t())

    return forward, both
