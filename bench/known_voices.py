"""How sure stored voices name speakers: false names and missed ones, and the threshold that is fitted on half of them.

    MERC_DATA=corpora python bench/known_voices.py              39 speakers of RAVDESS, SAVEE, nEMO and TESS
    MERC_DATA=corpora python bench/known_voices.py --clips 8    fewer clips a speaker

Of each speaker four clips are stored as a voice; three others at a time are a speaker of a recording. Pairs are
compared within a corpus, so within one room and microphone and, in part, with the same sentences in other moods. Every
second speaker is for tuning: the threshold is the smallest at which at most 1 in 500 pairs of different speakers
passes. The figures are of the other half.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from merc.corpora import CORPORA, READERS, Item
from merc.features.of_items import sounds
from merc.features.voice import VoiceEncoder
from merc.paths import corpus_root
from merc.people.known_voices import THRESHOLD, joined

SPOKEN = ("ravdess", "savee", "nemo", "tess")
STORED, TOGETHER = 4, 3
"""Clips of a stored voice, and of a speaker of a recording."""
MOST_FALSE = 1 / 500


def vectors(corpus: str, clips: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By speaker the vectors of some clips, and their seconds."""
    by_speaker: dict[str, list[Item]] = defaultdict(list)
    for item in READERS[corpus](corpus_root(corpus, CORPORA[corpus].folder)):
        by_speaker[item.speaker or ""].append(item)
    encoder = VoiceEncoder()
    made = {}
    for name, own in sorted(by_speaker.items()):
        order = np.random.default_rng(0).permutation(len(own))[:clips]
        waves = list(sounds([own[place] for place in order]))
        made[name] = encoder.encode(waves), np.array([len(wave) for wave in waves]) / 16000
    return made


def pairs(made: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of speakers of recordings with the stored voice of their own, and with those of the others."""
    stored = {name: joined(rows[:STORED], seconds[:STORED]) for name, (rows, seconds) in made.items()}
    same, different = [], []
    for name, (rows, seconds) in made.items():
        for first in range(STORED, len(rows) - TOGETHER + 1, TOGETHER):
            inside = slice(first, first + TOGETHER)
            one = joined(rows[inside], seconds[inside])
            for other, voice in stored.items():
                (same if other == name else different).append(float(one @ voice))
    return np.array(same), np.array(different)


def main() -> None:
    """Fit the threshold on every second speaker, and print the errors of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16, help="clips a speaker")
    clips = parser.parse_args().clips
    halves: list[list[tuple[np.ndarray, np.ndarray]]] = [[], []]
    for corpus in SPOKEN:
        made = vectors(corpus, clips)
        for half in range(2):
            names = [name for number, name in enumerate(made) if number % 2 == half]
            halves[half].append(pairs({name: made[name] for name in names}))
    tuning = np.concatenate([different for _, different in halves[0]])
    fitted = float(np.quantile(tuning, 1 - MOST_FALSE))
    print(f"threshold fitted on {len(tuning)} pairs of different speakers: {fitted:.3f}; shipped: {THRESHOLD}")
    print(f"{'corpus':>10}{'same':>7}{'missed':>9}{'different':>11}{'false':>9}")
    rows = [*zip(SPOKEN, halves[1], strict=True)]
    rows.append(("all", tuple(map(np.concatenate, zip(*halves[1], strict=True)))))
    for name, (same, different) in rows:
        missed, false = np.mean(same < THRESHOLD), np.mean(different >= THRESHOLD) if len(different) else np.nan
        print(f"{name:>10}{len(same):>7}{missed:>9.1%}{len(different):>11}{false:>9.2%}")


if __name__ == "__main__":
    main()
