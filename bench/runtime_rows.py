"""What the runtime gives for real words, sounds and faces beside what torch gives: the largest difference of each part.

    MERC_DATA=corpora python bench/runtime_rows.py FOLDER [--rows 60] [--parts text,voice,face,speaker,written]

FOLDER is what 'merc export onnx analysis' wrote. Two comparisons: with torch in float32, which the graphs repeat, and
with the arithmetic of 'merc analyze' on this machine, which is bfloat16 where the CPU multiplies it. Words are
dialogues of MELD's test part, sounds RAVDESS, faces RAF-DB, written texts GoEmotions. Differences are of probabilities,
for the speaker encoder 1 - cosine. Exit 1 where one in float32 is above 0.0001.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np

from merc.backbones import mpnet_dialogue
from merc.backbones.whisper import WhisperBackbone
from merc.corpora import READERS, conversations_of, located
from merc.features import of_items
from merc.features.expression import MiddleEncoder
from merc.features.face import FaceCellsEncoder
from merc.features.pictures import pictures
from merc.features.text import TextEncoder
from merc.features.voice import VoiceEncoder
from merc.heads.head import Head, spoken_head
from merc.heads.voice import VoiceHead
from merc.runtime import Analysis, load_analysis

LEVEL = 1e-4
Compared = tuple[np.ndarray, np.ndarray, np.ndarray]
"""By torch in float32, by the arithmetic of an analysis, by the runtime: ``(n, 7)`` each."""


def items(corpus: str, count: int) -> list[Any]:
    """Some items of a corpus, from the whole of it."""
    rows = READERS[corpus](located(corpus))
    return rows[:: max(1, len(rows) // count)][:count]


def text(own: Analysis, count: int) -> Compared:
    taken: list[Any] = []
    for one in (one for one in conversations_of(["meld"]) if one.meta["split"] == "test"):
        if sum(map(len, taken)) < count:
            taken.append(mpnet_dialogue.numbered(one))
    head = spoken_head()
    assert head is not None
    found = []
    for exact in (True, False):
        rounds = mpnet_dialogue.multiplies_bfloat16
        with patch.object(mpnet_dialogue, "multiplies_bfloat16", (lambda device: False) if exact else rounds):
            rows = mpnet_dialogue.DialogueEncoder(head.path, longest=192).encode(taken)
        found.append(head.probabilities(np.stack([rows[turn.id] for one in taken for turn in one])))
    said = [own.text([turn.text for turn in one], speakers=[turn.speaker for turn in one]) for one in taken]
    return found[0], found[1], np.concatenate(said)


def written(own: Analysis, count: int) -> Compared:
    texts = [one.text for one in items("goemotions", count)]
    head = Head.load("text", conversation=False)
    exact, usual = (np.asarray(TextEncoder(precision=one).encode(texts)) for one in ("float32", "auto"))
    return head.probabilities(exact), head.probabilities(usual), own.written(texts)


def sounds(count: int) -> list[np.ndarray]:
    return list(of_items.sounds(items("ravdess", count)))


def voice(own: Analysis, count: int) -> Compared:
    heard, head = sounds(count), VoiceHead.load()
    exact, usual = MiddleEncoder(), MiddleEncoder()
    exact.__dict__["_backbone"] = WhisperBackbone.load()  # in float32
    people = [place % 5 for place in range(len(heard))]
    found = [head.probabilities(one.encode(heard), people) for one in (exact, usual)]
    return found[0], found[1], own.voice(heard, speakers=people)


def face(own: Analysis, count: int) -> Compared:
    crops, head = pictures(items("rafdb", count)), Head.load("face")
    exact, usual = (head.probabilities(FaceCellsEncoder(bfloat16=one).encode(crops)) for one in (False, None))
    return exact, usual, own.face(list(crops))


def speaker(own: Analysis, count: int) -> Compared:
    """One column: 1, and the cosine of the two vectors of a sound."""
    heard = sounds(count)
    wanted, found = np.asarray(VoiceEncoder().encode(heard)), own.voices(heard)
    cosine = (wanted * found).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    return np.ones(len(heard)), np.ones(len(heard)), cosine


PARTS = {one.__name__: one for one in (text, voice, face, speaker, written)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--parts", default="")
    chosen = parser.parse_args(arguments)
    own, missed = load_analysis(chosen.folder), False
    names = chosen.parts.split(",") if chosen.parts else [name for name in PARTS if name in own.parts]
    for name in names:
        exact, usual, found = PARTS[name](own, chosen.rows)
        difference, shipped = (float(np.abs(one - found).max()) for one in (exact, usual))
        other = "" if found.ndim == 1 else f"; {np.mean(usual.argmax(1) != found.argmax(1)):.1%} other labels"
        missed |= difference > LEVEL
        print(
            f"{name}: {len(found)} rows; from torch in float32 {difference:.1e}, level {LEVEL:g}: "
            f"{'met' if difference <= LEVEL else 'MISSED'}; from 'merc analyze' here {shipped:.1e}{other}",
            flush=True,
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
