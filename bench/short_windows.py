"""Short windows of speech: Whisper's own encoder against the one that reads silence in blocks.

    MERC_DATA=corpora python bench/short_windows.py               40 clips of each of two corpora
    MERC_DATA=corpora python bench/short_windows.py --clips 200

Utterances of RAVDESS (two English sentences in eight moods) and of nEMO (Polish sentences), spread evenly over each
corpus, are recognised three times: with CTranslate2's encoder, and with the network in PyTorch that reads silence frame
by frame, and in blocks. Printed are CPU seconds an encoding, word errors against what is known to be said, with the
language given, and the share whose language is right when it is not.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray

from merc.conversation import Segment
from merc.corpora import CORPORA, READERS
from merc.features.of_items import RATE, sounds
from merc.nn import whisper
from merc.paths import corpus_root
from merc.speech.asr import Recognizer

SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
LANGUAGES = {"ravdess": "en", "nemo": "pl"}


@dataclass(frozen=True)
class Clip:
    """A sound, its corpus, and what is said in it."""

    corpus: str
    samples: NDArray[np.int16]
    text: str


def clips(count: int) -> Iterator[Clip]:
    """Utterances of both corpora, evenly."""
    for corpus in LANGUAGES:
        own = READERS[corpus](corpus_root(corpus, CORPORA[corpus].folder))
        for place in np.linspace(0, len(own) - 1, count).astype(int):
            item = own[place]
            text = item.meta["transcript"] if corpus == "nemo" else SENTENCES[item.id.split("-")[4]]
            wave = next(iter(sounds([item])))
            yield Clip(corpus, (wave * 32767).clip(-32768, 32767).astype(np.int16), text)


class Timed:
    """Counts the CPU seconds of an encoder."""

    def __init__(self, encode: Any) -> None:
        self.encode, self.seconds, self.calls = encode, 0.0, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        began = time.process_time()
        found = self.encode(*given, **named)
        self.seconds, self.calls = self.seconds + time.process_time() - began, self.calls + 1
        return found


def measured(recognizer: Recognizer, made: list[Clip]) -> tuple[list[str], list[str]]:
    """The words and the language of each clip."""
    words, languages = [], []
    for clip in made:
        speech = [Segment(0.0, len(clip.samples) / RATE)]
        found = recognizer.languages(clip.samples, speech)
        languages.append(max(found, key=lambda code: found[code]))
        said = recognizer.transcribe(clip.samples, speech[0], LANGUAGES[clip.corpus], speech=speech)
        words.append(" ".join(word.text for word in said))
    return words, languages


def _plain(text: str) -> str:
    return re.sub(r"[^\w ]", "", text.casefold()).strip() or "-"


def main() -> None:
    """Print a row for each way of encoding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40, help="of each corpus")
    parser.add_argument("--blocks-alone", action="store_true")
    arguments = parser.parse_args()
    made = list(clips(arguments.clips))
    print(f"{len(made)} clips, {sum(len(c.samples) for c in made) / RATE / len(made):.1f} s in the mean")
    for title, block in (("CTranslate2", None), ("in PyTorch", 1), ("in blocks", whisper.BLOCK)):
        if arguments.blocks_alone and title != "in blocks":
            continue
        recognizer = Recognizer()
        batched: Any = recognizer._batched
        timed = Timed(batched._read)
        batched._read = timed
        if block is None:
            batched._short = None
        else:
            whisper.BLOCK = block
        words, languages = measured(recognizer, made)
        cells = [f"{title:12} {timed.seconds / timed.calls:5.2f} CPU s"]
        for corpus, code in LANGUAGES.items():
            own = [n for n, clip in enumerate(made) if clip.corpus == corpus]
            error = jiwer.wer([_plain(made[n].text) for n in own], [_plain(words[n]) for n in own])
            right = sum(languages[n] == code for n in own) / len(own)
            cells.append(f"{corpus}: word errors {error:.3f}, language right {right:.3f}")
        print(" | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
