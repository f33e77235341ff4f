"""Time of an epoch of the Mamba fusion on random features, with as many utterances as the training set of MELD.

    python bench/epoch.py --threads 2

The block with d_model 1024 (text, voice and face of each token), mean pooling, a linear head; AdamW; batches of 32
utterances of similar length; float32 and bfloat16; with the share of time outside matrix products.
"""

from __future__ import annotations

import argparse
import time

import torch
from floor import UTTERANCES, meld, products
from torch import nn
from torch.nn import functional as F

from merc.nn import kernel
from merc.nn.ssm import Mamba, MambaOptions


def epoch(threads: int, utterances: int) -> None:
    """Run one epoch in float32 and one in bfloat16."""
    torch.set_num_threads(threads)
    lengths = sorted(meld(utterances, seed=1))
    features = torch.randn(32 * max(lengths), 1024)
    for half in (False, True):
        torch.manual_seed(0)
        block, head = Mamba(MambaOptions()), nn.Linear(1024, 7)
        optimizer = torch.optim.AdamW([*block.parameters(), *head.parameters()], lr=1e-5, fused=True)
        begin, inside = time.perf_counter(), 0.0
        for at in range(0, len(lengths), 32):
            batch = lengths[at : at + 32]
            offsets, labels = torch.tensor([0, *batch]).cumsum(0), torch.randint(7, (len(batch),))
            x = features[: sum(batch)]
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = head(block(x, offsets, pool=True))
            F.cross_entropy(logits.float(), labels, label_smoothing=0.2).backward()
            optimizer.step()
            optimizer.zero_grad()
        total = time.perf_counter() - begin
        for at in range(0, len(lengths), 32):
            batch = lengths[at : at + 32]
            kind = torch.bfloat16 if half else torch.float32
            _, both = products(sum(batch), len(batch), kernel._product, kind)
            begin = time.perf_counter()
            both()
            inside += time.perf_counter() - begin
        share = 1 - inside / total
        print(f"one epoch, {utterances} utterances, {'bf16' if half else 'fp32'}, {threads} thread(s): {total:.1f} s, "
              f"{share:.0%} outside matrix products")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    args = parser.parse_args()
    epoch(args.threads, args.utterances)
