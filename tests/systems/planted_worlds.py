"""The worlds of planted corpora: for each system dialogues in which its core idea decides the label.

Each function takes a source of random numbers and how many dialogues there are to learn from, and gives dialogues by
split. Prototypes are drawn first, so that all splits share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

PARTS = (("train", 1.0), ("dev", 0.25), ("test", 0.6))
"""Splits, and their sizes as a share of the training part."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance: its label (None: it has none), vectors ``(d,)`` or sequences ``(S, d)``, None where absent."""

    label: str | None
    values: Mapping[str, np.ndarray | None] = field(default_factory=dict)
    speaker: str = "A"
    text: str = ""


Dialogue = list[Turn]


def _parts(count: int, dialogue: Callable[[], Dialogue]) -> dict[str, list[Dialogue]]:
    return {split: [dialogue() for _ in range(max(4, round(share * count)))] for split, share in PARTS}


def _sign(random: np.random.Generator, bit: int, *shape: int, noise: float = 0.4) -> np.ndarray:
    """A vector or sequence of 1 or -1 throughout, with noise."""
    found: np.ndarray = 2.0 * bit - 1.0 + noise * random.standard_normal(shape)
    return found


def agreement(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Text and voice each show a sign; the label is whether the two agree."""

    def turn() -> Turn:
        text, voice = (int(one) for one in random.integers(2, size=2))
        values = {"text": _sign(random, text, 4), "voice": _sign(random, voice, 4)}
        return Turn("same" if text == voice else "other", values)

    return _parts(count, lambda: [turn() for _ in range(4)])


def agreeing_sequences(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Words and frames each show a sign, each in a number of steps of their own; the label is whether they agree."""

    def turn() -> Turn:
        text, voice = (int(one) for one in random.integers(2, size=2))
        words, frames = (int(one) for one in random.integers((3, 5), (6, 9)))
        values = {"text": _sign(random, text, words, 4), "voice": _sign(random, voice, frames, 4)}
        return Turn("same" if text == voice else "other", values)

    return _parts(count, lambda: [turn()])


def movements(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """A movement rises or falls, and so its mean says nothing; voice shows a sign at two of its frames."""

    def turn() -> Turn:
        rises, loud = (int(one) for one in random.integers(2, size=2))
        steps, frames = int(random.integers(10, 20)), int(random.integers(6, 10))
        ramp = (2 * rises - 1) * np.linspace(-1, 1, steps)[:, None] + 0.3 * random.standard_normal((steps, 5))
        sound = 0.3 * random.standard_normal((frames, 3))
        place = int(random.integers(frames - 1))
        sound[place : place + 2] += 2.0 * loud - 1.0
        return Turn(("up ", "down ")[rises] + ("soft", "loud")[loud], {"motion": ramp, "voice": sound})

    return _parts(count, lambda: [turn()])


def pointed(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """One turn of each dialogue sounds marked, and what its text shows is the label of all turns."""
    shapes = random.standard_normal((3, 8))

    def dialogue() -> Dialogue:
        length = int(random.integers(5, 9))
        shown, marked = random.integers(3, size=length), int(random.integers(length))
        text = shapes[shown] + 0.3 * random.standard_normal((length, 8))
        voice = 0.5 * random.standard_normal((length, 4))
        voice[marked] += 3.0
        label = "abc"[shown[marked]]
        return [Turn(label, {"text": text[turn], "voice": voice[turn]}) for turn in range(length)]

    return _parts(count, dialogue)


def promised(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Two speakers each sound marked at their first turn: what its text shows is the label of their turns from the
    fourth on."""
    shapes = random.standard_normal((3, 8))

    def dialogue() -> Dialogue:
        length = int(random.integers(12, 17))
        who, shown = random.integers(2, size=length), random.integers(3, size=length)
        who[:2] = 0, 1
        text = shapes[shown] + 0.3 * random.standard_normal((length, 8))
        voice, labels = np.zeros((length, 1)), [None] * length
        for own in (np.flatnonzero(who == one) for one in (0, 1)):
            voice[own[0]] = 2.0
            for turn in own[3:]:
                labels[turn] = "abc"[shown[own[0]]]
        return [
            Turn(labels[turn], {"text": text[turn], "voice": voice[turn]}, "AB"[who[turn]]) for turn in range(length)
        ]

    return _parts(count, dialogue)


def answers(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Two speakers in stretches of one to three turns: the label is what the other one showed throughout the stretch
    before, whatever the speaker shows."""
    shapes = random.standard_normal((3, 8))

    def dialogue() -> Dialogue:
        turns: Dialogue = []
        before, speaker = None, 0
        while len(turns) < 10:
            shown = int(random.integers(3))
            for _ in range(int(random.integers(1, 4))):
                text = shapes[shown] + 0.3 * random.standard_normal(8)
                turns.append(Turn(None if before is None else "abc"[before], {"text": text}, "AB"[speaker]))
            before, speaker = shown, 1 - speaker
        return turns

    return _parts(count, dialogue)


def named_cells(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Frames of four cells, each of another kind and with a class of its own; the words name the kind that counts."""

    def turn() -> Turn:
        kind, shown = random.permutation(4), random.integers(3, size=4)
        wanted = int(random.integers(4))
        cells = np.concatenate([2 * np.eye(4)[kind], 2 * np.eye(3)[shown]], -1).ravel()
        return Turn("abc"[shown[list(kind).index(wanted)]], {"text": 2 * np.eye(4)[wanted], "face": cells[None]})

    return _parts(count, lambda: [turn()])


LENT = "lent "
"""Before the splits of a corpus that lends its labels."""


def topics(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """A corpus of joy and anger whose training part has few of the topics of its test part, and another one of all
    topics that says only how positive they are."""
    every, seen = 24, 4
    shapes = random.standard_normal((every, 16))

    def dialogue(size: int, labels: tuple[str, str]) -> Dialogue:
        return [
            Turn(labels[topic % 2], {"text": shapes[topic] + 0.2 * random.standard_normal(16)}, text=f"topic {topic}")
            for topic in random.permutation(size).tolist()
        ]

    own = {
        split: [dialogue(size, ("anger", "joy")) for _ in range(count)]
        for split, size in (("train", seen), ("dev", every), ("test", every))
    }
    lent = {f"{LENT}{split}": [dialogue(every, ("negative", "positive")) for _ in range(count)] for split, _ in PARTS}
    return own | lent


def faint(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Words show the class clearly, a faint voice less so; in the test part six of seven utterances have no words."""
    shapes = random.standard_normal((2, 4, 16))

    def dialogue(*, silent: bool) -> Dialogue:
        labels = random.integers(4, size=7)
        text = shapes[0][labels] + 0.8 * random.standard_normal((7, 16))
        voice = 0.2 * (shapes[1][labels] + 1.5 * random.standard_normal((7, 16)))
        absent = silent * np.arange(7) > 0
        return [
            Turn("abcd"[labels[turn]], {"text": None if absent[turn] else text[turn], "voice": voice[turn]})
            for turn in range(7)
        ]

    sizes = {split: max(4, round(share * count)) for split, share in PARTS}
    return {split: [dialogue(silent=split == "test") for _ in range(size)] for split, size in sizes.items()}


def in_order(random: np.random.Generator, count: int) -> dict[str, list[Dialogue]]:
    """Long utterances in which two marked tokens stand far apart; the label says which of them comes first."""
    marks = 4 * np.eye(8)[:2]

    def turn() -> Turn:
        steps, first = int(random.integers(14, 19)), int(random.integers(2))
        tokens = 0.3 * random.standard_normal((steps, 8))
        early, late = int(random.integers(4)), int(random.integers(steps - 4, steps))
        tokens[early] += marks[first]
        tokens[late] += marks[1 - first]
        return Turn("ab"[first], {"text": tokens})

    return _parts(count, lambda: [turn()])
