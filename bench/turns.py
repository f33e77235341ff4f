"""Whether utterances are cut where the person changes: planted dialogues of RAVDESS sentences and single words.

    python bench/turns.py [--half tuning] [--dialogues 3]

People say whole sentences or one word of one ("door"), close after each other, and their words are known. Printed are
the word error rate; then, with the voices that diarisation finds and with the true ones, for several lengths from which
another voice counts at an end of a sentence and inside it: the share of worded utterances that hold words of two
people, and the share of words that are in an utterance of their person's voice. The same follows for two clips of
meetings, whose reference turns stand for the true voices. What is heard is kept in the cache between runs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import soundfile
from planting.dialogues import RATE, Planted, Scene, Spoken, plant
from planting.voices import people, trimmed
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from merc.cache import Cache, key
from merc.conversation import Segment, Utterance, Word
from merc.paths import data_root
from merc.people.activity import agreed, voice_activity
from merc.people.diarise import Turn, diarise
from merc.pipeline.turns import TurnOptions, utterances
from merc.speech.asr import Recognizer
from merc.speech.matching import tokens
from merc.speech.vad import detect_speech
from merc.speech.windows import windows

TEXTS = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
SCENE = Scene(seconds=40.0, pause=0.1)
LIMITS = (0.0, 0.2, 0.4, 0.7, 1.0)
Totals = dict[tuple[str, float, float], np.ndarray]


def clips(half: str, seed: int, recognizer: Recognizer) -> dict[str, list[tuple[np.ndarray, str]]]:
    """Three people's sentences and single words, each with its text."""
    random = np.random.default_rng(seed)
    ravdess = [one for one in people(data_root(), half) if one.corpus == "ravdess"]
    found: dict[str, list[tuple[np.ndarray, str]]] = {}
    for index in random.permutation(len(ravdess))[:3]:
        person = ravdess[index]
        paths = [*person.neutral, *person.moved]
        said = []
        for place in random.permutation(len(paths))[:5]:
            sound = trimmed(soundfile.read(paths[place], dtype="float32")[0])
            said.append((sound, TEXTS[paths[place].stem.split("-")[4]]))
        samples = np.rint(said[0][0] * 32767).astype(np.int16)
        words = recognizer.transcribe(samples, Segment(0, len(samples) / RATE), "en")
        door = int(words[-1].segment.start * RATE) if words else len(samples)
        said.insert(1, (said[0][0][door:], "door"))
        said.insert(3, (said[0][0][door:], "door"))
        found[person.name] = [one for one in said if len(one[0]) > 0.2 * RATE]
    return found


def heard(planted: Planted, recognizer: Recognizer) -> dict[str, list]:
    """Words, found turns and speech of a dialogue as rows."""
    samples = planted.samples
    activity = voice_activity(samples)
    speech = agreed(activity, detect_speech(samples), end=len(samples) / RATE)
    found = diarise(samples, speech, heard=activity)
    words = [
        word
        for window in windows(speech, samples=samples)
        for word in recognizer.transcribe(samples, window, "en", speech=speech)
    ]
    return {
        "words": [[w.text, w.segment.start, w.segment.end, w.probability] for w in words],
        "turns": [[t.speaker, t.segment.start, t.segment.end] for t in found.turns],
        "speech": [[s.start, s.end] for s in speech],
    }


def speaker_of(word: Word, planted: Planted) -> str:
    return max(
        planted.turns,
        key=lambda turn: (turn.segment.overlap(word.segment), -abs(turn.segment.middle - word.segment.middle)),
    ).speaker


def scored(found: Sequence[Utterance], voices: Sequence[int | None], planted: Planted) -> np.ndarray:
    """Worded utterances, those that mix two people, words, words of the right voice."""
    worded = [(u, v) for u, v in zip(found, voices, strict=True) if u.words]
    people = [[speaker_of(word, planted) for word in u.words] for u, _ in worded]
    mixed = sum(len(set(names)) > 1 for names in people)
    pairs = Counter((v, name) for (_, v), names in zip(worded, people, strict=True) for name in names)
    rows, columns = sorted({v for v, _ in pairs}, key=str), sorted({name for _, name in pairs})
    table = np.array([[pairs[v, name] for name in columns] for v in rows])
    chosen = linear_sum_assignment(-table)
    return np.array([len(worded), mixed, table.sum(), table[chosen].sum()])


def compared(totals: Totals, planted: Planted, rows: Mapping[str, list]) -> list[Word]:
    """Add the scores of a recording under each setting; returns its words."""
    words = [Word(text, Segment(start, end), p) for text, start, end, p in rows["words"]]
    speech = [Segment(*span) for span in rows["speech"]]
    order = sorted({turn.speaker for turn in planted.turns})
    turns = {
        "found": [Turn(voice, Segment(start, end)) for voice, start, end in rows["turns"]],
        "true": [Turn(order.index(turn.speaker), turn.segment) for turn in planted.turns],
    }
    for which, edge, inside in product(turns, LIMITS, LIMITS):
        options = TurnOptions(edge=edge, inside=inside)
        found, voices = utterances(words, turns[which], speech=speech, options=options)
        at = (which, edge, inside)
        totals[at] = totals.get(at, np.zeros(4)) + scored(found, voices, planted)
    return words


def spoken_in(planted: Planted, said: Mapping[str, list[tuple[np.ndarray, str]]]) -> list[str]:
    """The words of a dialogue: each turn holds as many of the person's clips as its length says."""
    spoken: list[str] = []
    used: Counter[str] = Counter()
    for turn in planted.turns:
        length = turn.segment.duration
        while length > 0.01:
            sound, text = said[turn.speaker][used[turn.speaker] % len(said[turn.speaker])]
            used[turn.speaker] += 1
            spoken += text.split()
            length -= len(sound) / RATE
    return spoken


def clip(name: str, rttm: str) -> Planted:
    """A clip of a meeting with its reference turns."""
    folder = data_root() / "clips"
    samples = np.rint(soundfile.read(folder / f"{name}.wav", dtype="float32")[0] * 32767).astype(np.int16)
    lines = [line.split() for line in (folder / rttm).read_text(encoding="utf-8").splitlines()]
    turns = [Spoken(f[7], Segment(float(f[3]), float(f[3]) + float(f[4]))) for f in lines if f[:2] == ["SPEAKER", name]]
    return Planted(samples, tuple(turns))


def report(title: str, totals: Totals) -> None:
    print(title)
    print(f"{'voices':<8}{'edge':>6}{'inside':>8}{'utterances':>12}{'mixed':>8}{'right words':>13}")
    for (which, edge, inside), (worded, mixed, total, right) in totals.items():
        print(f"{which:<8}{edge:>6.1f}{inside:>8.1f}{worded:>12.0f}{mixed / worded:>8.3f}{right / total:>13.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("tuning", "test"), default="tuning")
    parser.add_argument("--dialogues", type=int, default=3)
    arguments = parser.parse_args()
    recognizer, cache = Recognizer(), Cache()

    def kept(planted: Planted) -> dict[str, list]:
        return cache.json(key("bench turns", planted.samples.tobytes().hex()), lambda: heard(planted, recognizer))

    totals: Totals = {}
    errors = count = 0
    for seed in range(arguments.dialogues):
        said = clips(arguments.half, seed, recognizer)
        planted = plant({name: [sound for sound, _ in rows] for name, rows in said.items()}, SCENE, seed)
        spoken = spoken_in(planted, said)
        recognised = [token for word in compared(totals, planted, kept(planted)) for token in tokens(word.text)]
        errors += Levenshtein.distance(spoken, recognised)
        count += len(spoken)
    rate = f"{count} words, error rate {errors / count:.3f}"
    report(f"half: {arguments.half}, {arguments.dialogues} dialogues, {rate}", totals)
    totals = {}
    for name, rttm in (("sample", "sample.rttm"), ("trn03", "debug.train.rttm")):
        planted = clip(name, rttm)
        compared(totals, planted, kept(planted))
    report("clips of meetings", totals)


if __name__ == "__main__":
    main()
