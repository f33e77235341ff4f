"""Made-up voices and faces of several corpora, as the heads' samples."""

from __future__ import annotations

import numpy as np

from merc.benchmarks.heads.cell import FeatureSet
from merc.benchmarks.heads.splits import DIVISIONS
from merc.corpora import Item
from merc.labels import EKMAN7
from merc.recipes.samples import Sample


def spoken(corpus: str, speakers: int, each: int) -> list[Sample]:
    return [
        Sample(
            corpus,
            Item(f"{corpus}{s}-{label}-{k}", (label,), text=f"{corpus} {s} {label} {k}", speaker=f"p{s}"),
            label,
            "",
        )
        for s in range(speakers)
        for label in EKMAN7
        for k in range(each)
    ]


def shown() -> list[Sample]:
    """CK+ with three frames of each sequence and no neutral faces; RAF-DB with nobody named."""
    posed = [
        Sample(
            "ckplus",
            Item(f"S{s}-{label}-{f}", (label,), text=f"ck {s} {label} {f}", speaker=f"S{s}", group=f"S{s}-{label}"),
            label,
            "",
        )
        for s in range(10)
        for label in EKMAN7
        if label != "neutral"
        for f in range(3)
    ]
    found = [
        Sample("rafdb", Item(f"{split}-{label}-{k}", (label,), split, text=f"raf {split} {label} {k}"), label, "")
        for split, each in (("train", 12), ("test", 4))
        for label in EKMAN7
        for k in range(each)
    ]
    return posed + found


VOICES = [*spoken("ravdess", 12, 2), *spoken("savee", 4, 2), *spoken("tess", 2, 12)]


FACES = shown()


SAMPLES = {"voice": VOICES, "face": FACES}


def features(name: str) -> FeatureSet:
    division = DIVISIONS[name]
    own = SAMPLES[division.modality]
    samples = tuple(own[row] for row in division.rows(own))
    return FeatureSet(division, samples, np.zeros((len(samples), 2), np.float32), "0")
