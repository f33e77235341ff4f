"""What a masked recording still says of who speaks: voices, words and faces before and after.

    MERC_DATA=corpora python bench/masking.py                   16 speakers of RAVDESS, 4 clips each; 12 clips for words
    MERC_DATA=corpora python bench/masking.py --words 0         voices alone

Cosines are of CAM++. "Own original" compares a masked clip with the clip it was made of. Equal error rates compare two
clips: original ones, a masked one with an original one (somebody who has samples of a voice), and masked ones (somebody
who also masks these). 50% is chance. Words are those of Whisper base against the sentences of the corpus.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict

import numpy as np

from merc.corpora import CORPORA, READERS, Item
from merc.export.voice import masked
from merc.features.of_items import sounds
from merc.features.voice import VoiceEncoder
from merc.media.samples import to_int16
from merc.paths import corpus_root

SENTENCES = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}


def chosen(speakers: int, clips: int) -> list[Item]:
    """Clips of the first speakers of RAVDESS, in order of speaker."""
    own: dict[str, list[Item]] = defaultdict(list)
    for item in READERS["ravdess"](corpus_root("ravdess", CORPORA["ravdess"].folder)):
        own[item.speaker or ""].append(item)
    rng = np.random.default_rng(0)
    return [
        items[place]
        for _, items in sorted(own.items())[:speakers]
        for place in rng.choice(len(items), clips, replace=False)
    ]


def equal_error(same: np.ndarray, different: np.ndarray) -> float:
    """The error rate at the threshold where as many pairs are falsely accepted as refused."""
    levels = np.sort(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), levels) / len(same)
    false = 1 - np.searchsorted(np.sort(different), levels) / len(different)
    place = int(np.abs(missed - false).argmin())
    return float(missed[place] + false[place]) / 2


def rate(left: np.ndarray, right: np.ndarray, speakers: list[str]) -> float:
    """The equal error rate of all pairs of different clips, one of each side."""
    cosines, same, different = left @ right.T, [], []
    for one, other in itertools.permutations(range(len(speakers)), 2):
        (same if speakers[one] == speakers[other] else different).append(cosines[one, other])
    return equal_error(np.array(same), np.array(different))


def words(waves: list[np.ndarray], items: list[Item]) -> float:
    """The word error rate of Whisper."""
    import jiwer

    from merc.speech.asr import Recognizer
    from merc.speech.vad import detect_speech
    from merc.speech.windows import windows

    recognizer, said = Recognizer(), []
    for wave in waves:
        speech = detect_speech(wave)
        found = [
            word.text
            for part in windows(speech, samples=wave)
            for word in recognizer.transcribe(wave, part, "en", speech=speech)
        ]
        said.append(" ".join(found).lower().translate(str.maketrans("", "", ".,!?")) or "-")
    return float(jiwer.wer([SENTENCES[item.id.split("-")[4]] for item in items], said))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speakers", type=int, default=16)
    parser.add_argument("--clips", type=int, default=4, help="clips a speaker")
    parser.add_argument("--words", type=int, default=12, help="clips whose words are recognised")
    arguments = parser.parse_args()
    items = chosen(arguments.speakers, arguments.clips)
    before = [to_int16(np.asarray(wave) * 32768) if wave.dtype != np.int16 else wave for wave in sounds(items)]
    after = [masked(wave, seed=number) for number, wave in enumerate(before)]
    encoder, names = VoiceEncoder(), [item.speaker or "" for item in items]
    vectors = [np.asarray(encoder.encode(waves), np.float64) for waves in (before, after)]
    original, hidden = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in vectors)
    own = (original * hidden).sum(1)
    print(f"{len(items)} clips of {arguments.speakers} speakers")
    print(f"cosine of a masked clip with its own original: mean {own.mean():.3f}, largest {own.max():.3f}")
    print(f"equal error rate, original with original: {rate(original, original, names):.1%}")
    print(f"equal error rate, masked with original: {rate(hidden, original, names):.1%}")
    print(f"equal error rate, masked with masked: {rate(hidden, hidden, names):.1%}")
    if count := arguments.words:
        places = np.linspace(0, len(items) - 1, count).astype(int)
        for name, waves in (("original", before), ("masked", after)):
            wrong = words([waves[place] for place in places], [items[place] for place in places])
            print(f"word error rate, {name}: {wrong:.1%} ({count} clips)")


if __name__ == "__main__":
    main()
