# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Compare two systems with an interval
#
# Two systems are trained on one table with three seeds each, and compared by a paired bootstrap over the dialogues of
# the test split. The table is the invented corpus of `examples/merc-example`, the features are counts of characters, so
# that this runs in seconds without weights: set `TABLE` to a corpus of yours, and `features` to `text=mpnet`.

# %%
"""Compare two systems: seeds, intervals, a test."""

import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from merc.benchmarks.run_report import report_run
from merc.corpora.manifest import conversations
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.significance import compare
from merc.recipes.request import Request
from merc.recipes.systems import train

place = Path(tempfile.mkdtemp())
table = Path(os.environ.get("TABLE", "../merc-example/data/weather-talk/dialogues.csv"))
rows = pl.read_csv(table)
rows.rename({"dialogue": "conversation"}, strict=False).write_csv(place / "corpus.csv")
rows.group_by("split", "label").len().sort("split", "label")

# %% [markdown]
# One vector per utterance, under its id.

# %%
counted = "abcdefghijklmnopqrstuvwxyz.,!?"
vectors = {
    one.id: np.array([one.text.lower().count(mark) / max(1, len(one.text)) for mark in counted], np.float32)
    for talk in conversations(place / "corpus.csv")
    for one in talk.utterances
}
np.savez(place / "counts.npz", **vectors)
len(vectors)

# %% [markdown]
# `concat` reads each utterance alone, `cogmen` the dialogue around it. Each seed is a run of its own; the best
# checkpoint of each is chosen on validation, and each opening of the test split is recorded in the run.


# %%
protocol, features = f"manifest:{place / 'corpus.csv'}", f"text={place / 'counts.npz'}"


def runs(system: str, seeds: range) -> Runs:
    """Train one run per seed, and give what they predict for the test split."""
    found = []
    for seed in seeds:
        out = place / f"{system}-{seed}"
        list(train(Request(system, protocol, features=features, seed=seed), out))
        found += report_run(out, split="test").diagnostics.runs.seeds
    return Runs(system, tuple(found))


systems = [runs(name, range(3)) for name in ("concat", "cogmen")]

# %% [markdown]
# The mean over seeds, their standard deviation, and the 95 % interval over dialogues.

# %%
metric = "weighted_f1"
figures = {one.name: estimate(one, metric=metric) for one in systems}
pl.DataFrame(
    [
        {"system": name, "mean": round(one.mean, 3), "sd": one.sd, "low": round(one.low, 3), "high": round(one.high, 3)}
        for name, one in figures.items()
    ]
)

# %% [markdown]
# Overlapping intervals do not answer whether one is better; the interval of the difference does.

# %%
both = compare(*systems, metric=metric)
print(f"{both.first} minus {both.second}: {both.difference:+.3f} ({both.low:+.3f} to {both.high:+.3f})")
print(f"p = {both.p:.3f}")
print(f"better: {both.better or 'neither, as far as these dialogues can tell'}")
