"""Results of a check, made by code."""

from __future__ import annotations

import numpy as np
import polars as pl

from merc.quality.findings import FINDINGS, VERIFIED, conform

EMOTIONS = ("anger", "joy", "neutral")


def row(number: int, **changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "utterance": f"train/dia{number // 6}_utt{number % 6}",
        "conversation": f"train/dia{number // 6}",
        "split": "train",
        "speaker": "Ann",
        "speaker_original": "Ann",
        "label": "neutral",
        "text": f"This is sentence number {number}.",
        "media": "clip.mp4",
        "heard": "something",
        "verdict": "keep",
        "position": number % 6,
        "length": 6,
        "cosine": 0.95,
        "levenshtein": 0.95,
        "best_face_cosine": 0.8,
    }
    return base | changes


def finding(of: dict[str, object], step: str, **changes: object) -> dict[str, object]:
    base = {name: of.get(name) for name in FINDINGS}
    return base | {"step": step, "measure": step, "verdict": "keep", "reason": None} | changes


def tables(rows: list[dict[str, object]], found: list[dict[str, object]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    places = [finding(one, "speakers") for one in rows]
    return conform([*places, *found], FINDINGS), conform(rows, VERIFIED)


def check(
    count: int = 240, *, seed: int = 0, anger: float = 0.6, others: float = 0.1
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A check that removes anger at one rate and the other emotions at another, by the transcript's cosine."""
    random = np.random.default_rng(seed)
    rows, found = [], []
    for number in range(count):
        label = EMOTIONS[int(random.integers(3))]
        out = bool(random.random() < (anger if label == "anger" else others))
        one = row(
            number, label=label, speaker=("Ann", "Bob")[number % 2], split=("train", "test")[number >= count // 2]
        )
        if out:
            one |= {"cosine": 0.1, "verdict": "remove", "step": "text", "reason": "cosine 0.10 below 0.25"}
        rows.append(one)
        verdict = {"verdict": "remove", "reason": one["reason"]} if out else {}
        found.append(finding(one, "text", measure="cosine", value=one["cosine"], threshold=0.25, **verdict))
    return tables(rows, found)
