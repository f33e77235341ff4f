"""Time of one fine-tuning epoch of Whisper's encoder on the English acted corpora, and where it goes.

    python bench/speech_epoch.py --share 0.02 --threads 2 --precision float32 --tuning full

A sample of the utterances, drawn by a seed, goes through the loop as ``merc train speech`` does: sound from the cache,
log-mel spectrograms, forward, backward, the step of AdamW. Printed are wall and CPU seconds, what they come to for all
4,720 utterances, and which share of the CPU time is spent outside matrix products (convolutions and attention count as
such). Where other processes share the cores, CPU seconds divided by the threads are what an idle machine takes.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from merc.nn.threads import threads
from merc.recipes.request import Prepared, Request
from merc.training.data import Item
from merc.training.loop import Plan, fit
from merc.training.tasks import system_task

CORPORA = ("ravdess", "tess", "savee")
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "linear", "conv", "scaled_dot_product", "mkldnn", "matmul", "flash")
"""What the names of operators that multiply matrices contain."""


def prepared(options: argparse.Namespace) -> Prepared:
    """The system on the sound of the three corpora."""
    chosen = {"tuning": options.tuning, "aggregator": "mean", "layer": "sum"}
    training = {"epochs": 1, "threads": options.threads, "precision": options.precision, "batch": options.batch}
    request = Request("speech", "speech3-speaker", options=chosen, training=training, data=options.data)
    return Prepared(request)


def outside(events: Iterable[object]) -> tuple[float, float]:
    """CPU seconds of all operators, and of those that are no matrix products."""
    times = [(str(one.key), one.self_cpu_time_total / 1e6) for one in events]  # type: ignore[attr-defined]
    total = sum(seconds for _, seconds in times)
    return total, sum(seconds for name, seconds in times if not any(part in name for part in PRODUCTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--share", type=float, default=0.02, help="of the utterances")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="float32", choices=["bf16", "float32"])
    parser.add_argument("--tuning", default="full", choices=["full", "all-but-front-end", "lora"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    one = prepared(options)
    fold = one.folds()[0]
    material = one.material(fold)
    items = material.items([*fold.train.scored, *fold.valid.scored], level="utterance")
    everything = sum(material.features["voice"].steps(name) for name in material.features["voice"].rows)
    drawn = random.Random(0).sample(items, max(options.batch, round(options.share * len(items))))
    sound = sum(item.length for item in drawn)
    read, seconds, cpu, total, other = epoch(one, drawn, material.widths)
    scale = everything / sound
    print(f"{len(drawn)} of 4,720 utterances, {sound / 16_000:.0f} s of sound, silence around them cut off")
    print(f"{options.tuning}, {options.precision}, {options.threads} threads, batches of {options.batch}")
    print(f"wall {seconds:.1f} s, CPU {cpu:.1f} s; log-mel spectrograms {read:.1f} s of it")
    print(f"all ({everything / 57.6e6:.2f} h): wall {scale * seconds / 60:.1f} min, CPU {scale * cpu / 60:.1f} min")
    print(f"on {options.threads} idle cores about {scale * cpu / options.threads / 60:.1f} min")
    print(f"{sound / 16_000 / cpu:.1f} s of sound a CPU second")
    print(f"outside matrix products: {100 * other / total:.0f} % of the time in operators of torch")


def epoch(one: Prepared, drawn: list[Item], widths: dict[str, int]) -> tuple[float, float, float, float, float]:
    """Seconds for spectrograms, wall, CPU, in operators, and of those outside matrix products, of one epoch."""
    system = one.system(widths)
    upstream = system.upstreams[0]  # type: ignore[index, union-attr]
    reading = [0.0]
    plain = upstream.prepare

    def timed(raw: object) -> object:
        began = time.perf_counter()
        found = plain(raw)
        reading[0] += time.perf_counter() - began
        return found

    upstream.prepare = timed
    task = system_task(system, drawn, [], one.classes, options=one.options)  # nothing is judged
    with threads(one.options.threads):
        plans: list[Plan] = task.data.plan(1, torch.Generator().manual_seed(0))[:1]
        task.loss(system.train(), task.data.load(plans[0]))  # loads kernels
        reading[0] = 0.0

    settings = replace(one.options, metric=None)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        began, used = time.perf_counter(), time.process_time()
        fit(task, settings)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return reading[0], seconds, cpu, *outside(watched.key_averages())


if __name__ == "__main__":
    main()
