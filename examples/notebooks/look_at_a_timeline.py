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
# # Look at a timeline
#
# A table of the utterances with polars, how labels and confidence are distributed, and a plot over time. Open it with
# Jupyter and jupytext, or make a notebook of it: `jupytext --to ipynb look_at_a_timeline.py`. It needs `matplotlib`
# (extra `figures`) and the results of `merc demo`, or of any analysis: set `TIMELINE`.

# %%
"""Look at a timeline: a table, distributions, a plot."""

import os

import matplotlib.pyplot as plt
import polars as pl

import merc

timeline = merc.read(os.environ.get("TIMELINE", "merc-demo/conversation.merc/timeline.json")).corrected
len(timeline), timeline.recording.name, timeline.recording.duration

# %% [markdown]
# One row per utterance. The label is empty where the model abstained; the most probable class is there all the same.


# %%
def best(probabilities: dict[str, float] | None) -> str | None:
    """The most probable label, or None without a distribution."""
    return max(probabilities, key=probabilities.get) if probabilities else None


table = pl.DataFrame(
    [
        {
            "start": utterance.segment.start,
            "end": utterance.segment.end,
            "speaker": utterance.speaker,
            "label": prediction.label,
            "best": best(prediction.probabilities),
            "confidence": prediction.confidence,
            "text": utterance.text,
        }
        for utterance, prediction in timeline
        if utterance.segment
    ]
)
table.head()

# %% [markdown]
# How often does each speaker have each label, and how sure is it? A share of abstentions says more than a mean
# confidence.

# %%
by_speaker = table.group_by("speaker", "best").agg(
    pl.len().alias("utterances"),
    pl.col("confidence").mean().round(2),
    pl.col("label").is_null().mean().round(2).alias("abstained"),
)
by_speaker.sort("speaker", "utterances", descending=[False, True])

# %% [markdown]
# Do the modalities agree? For each utterance, the label that each gives on its own.

# %%
alone = pl.DataFrame(
    [
        {
            "utterance": utterance.id,
            "modality": one.modality,
            "label": best(one.probabilities),
        }
        for utterance, prediction in timeline
        for one in prediction.evidence
        if one.probabilities
    ],
    schema={"utterance": pl.String, "modality": pl.String, "label": pl.String},
)
alone.group_by("modality", "label").len().sort("modality", "len", descending=[False, True])

# %% [markdown]
# Confidence over time, one row per speaker; pale where the model abstained.

# %%
speakers = sorted(table["speaker"].drop_nulls().unique())
labels = sorted(table["best"].drop_nulls().unique())
figure, axes = plt.subplots(figsize=(9, 0.8 + 0.6 * len(speakers)), layout="constrained")
for row in table.filter(pl.col("best").is_not_null() & pl.col("speaker").is_not_null()).iter_rows(named=True):
    axes.barh(
        speakers.index(row["speaker"]),
        row["end"] - row["start"],
        left=row["start"],
        height=0.2 + 0.6 * row["confidence"],
        color=f"C{labels.index(row['best'])}",
        alpha=1.0 if row["label"] else 0.35,
    )
axes.set_yticks(range(len(speakers)), speakers)
axes.set_xlabel("seconds")
axes.legend([plt.Rectangle((0, 0), 1, 1, color=f"C{place}") for place in range(len(labels))], labels, fontsize="small")
figure
