"""Who says each utterance of a filmed conversation: voices and faces are clustered together.

A speaker is a group of utterances and of the people seen: its utterances sound alike, its faces look alike, and its
face is the one that speaks while they are said. Every speaker may also be heard without being seen, and people who say
nothing belong to no speaker. The best grouping maximises the sum of three terms:

- voices: the marginal likelihood of the voice vectors under one normal distribution per speaker, with normal means.
  Of two utterances it favours one speaker where their cosine is above about .33; of many, it depends on the mean only;
- speaking: `SEEN` times the logarithm of the part of an utterance's frames in which the speaker's mouth moves, or in
  which the speaker is out of the picture and nobody else's does (`merc.people.speaking`);
- faces: how much more alike than `ALIKE` the faces of one speaker are. People of one frame are never one speaker.

The search climbs from several starts: it moves people and utterances, joins speakers and swaps their faces until
nothing improves. It is deterministic, and its time is linear in the number of utterances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merc.people.speaking import Speaking

SEEN = 1.5
"""Weight of what is seen against what is heard."""
LEAST = 0.15
"""Added to the part of the frames in which a speaker may speak: a camera may show another's moving mouth."""
RATIO = 1.2
"""Variance of voice vectors between speakers over that within: cosines of one speaker's utterances are about .55."""
DIMENSIONS = 10.0
"""Dimensions of a voice vector that count as independent: fewer than it has, for its errors are alike."""
FURTHER = 1.0
"""Price of a further speaker: conversations have few."""
ALIKE, FACES, MOST_FRAMES = 0.4, 3.0, 8
"""Cosine of two people from which they may be one; weight of the difference for each frame, and the most frames."""
MOST_ALIKE = 3.0
"""The most that likeness speaks for one person: what is seen of the two in a few utterances outweighs it."""
_APART = 1000.0  # the price of one speaker in two places of a frame
_SWEEPS = 30
_MOST_SINGLE = 40  # utterances that may all begin as speakers of their own


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """The utterances as they sound.

    Attributes:
        vectors: ``(n, d)`` voice vectors of unit length; rows of zeros where there is none.
        weights: ``(n,)`` how much of a voice each holds: 1 for a long utterance, less for a short one.
        voices: ``(n,)`` number of the voice, from 0, that each was given by its sound alone.
    """

    vectors: np.ndarray
    weights: np.ndarray
    voices: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Who speaks and whose face is whose.

    Attributes:
        speakers: ``(n,)`` number of the speaker of each utterance.
        people: ``(people,)`` number of the speaker of each person; -1: of somebody who says nothing.
        score: What the search maximised.
    """

    speakers: np.ndarray
    people: np.ndarray
    score: float


def owners(speakers: np.ndarray, speaking: Speaking) -> tuple[np.ndarray, np.ndarray]:
    """Whose face each person is, where it is known who speaks.

    Args:
        speakers: ``(n,)`` number of the speaker of each utterance, from 0.
        speaking: What is seen while they are said.

    Returns:
        The speaker of each person (-1: nobody who speaks), ``(people,)``, and by how much the score falls for the best
        faces of each speaker that have none of these people, ``(speakers,)``; 0 for a speaker without any.
    """
    count = int(speakers.max(initial=-1)) + 1
    unheard = Voiced(np.zeros((len(speakers), 1)), np.zeros(len(speakers)), speakers)
    seats = count + np.arange(speaking.count)
    state = _settled(_State(unheard, speaking, speakers, seats))
    people = np.where(state.people < count, state.people, -1)
    margins = np.zeros(count)
    linked = np.unique(people[people >= 0])
    for speaker in linked:
        own = people == speaker
        freed = [np.where(own, seats, state.people), seats]
        exchanged = [
            np.where(own, two, np.where(people == two, speaker, state.people)) for two in linked if two != speaker
        ]
        others = (_State(unheard, speaking, speakers, start, barred=(own, speaker)) for start in [*freed, *exchanged])
        margins[speaker] = state.score() - max(_settled(other).score() for other in others)
    return people, margins


def grouped(voiced: Voiced, speaking: Speaking, *, fewest: int = 1, most: int | None = None) -> Grouping:
    """The best grouping of utterances and people into speakers.

    Args:
        voiced: The utterances as they sound, at least one.
        speaking: What is seen while they are said.
        fewest: Minimum number of speakers, where there are as many utterances.
        most: Maximum number of speakers; None: no limit.
    """
    count = len(voiced.voices)
    bounds = min(fewest, count), min(most or count, count)
    found = [_climbed(_State(voiced, speaking, *start), bounds) for start in _starts(voiced, speaking)]
    return max(found, key=lambda one: one.score)


def _starts(voiced: Voiced, speaking: Speaking) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Speakers of the utterances and of the people to begin with; each person first has a speaker of its own."""
    count, own = len(voiced.voices), np.arange(speaking.count)
    first = speaking.count
    yield first + voiced.voices, own
    yield np.full(count, first), own
    if speaking.count:
        best = speaking.gain.argmax(axis=1)
        yield np.where(speaking.gain.max(axis=1) > 0, best, first + voiced.voices), own
    if count <= _MOST_SINGLE:
        yield first + np.arange(count), own


def _settled(state: _State) -> _State:
    """The state with people moved until nothing improves."""
    before = -np.inf
    for _ in range(_SWEEPS):
        state.move_people()
        state.swap()
        if (score := state.score()) <= before + 1e-6:
            break
        before = score
    return state


def _climbed(state: _State, bounds: tuple[int, int]) -> Grouping:
    before = -np.inf
    for _ in range(_SWEEPS):
        state.part(bounds[0])
        state.move_people()
        state.move_utterances(bounds)
        state.join(bounds)
        state.swap()
        if (score := state.score()) <= before + 1e-6:
            break
        before = score
    return state.grouping()


class _State:
    """A grouping under way: speakers are columns, some without utterances, some without people, the last with neither.

    ``likely`` is the part of each utterance's frames in which each speaker may speak, ``(n, columns)``; ``sums`` and
    ``totals`` are the weighted sum and the total weight of each speaker's voice vectors.
    """

    def __init__(
        self,
        voiced: Voiced,
        speaking: Speaking,
        speakers: np.ndarray,
        people: np.ndarray,
        barred: tuple[np.ndarray, int] | None = None,
    ) -> None:
        self.voiced, self.speaking = voiced, speaking
        self.speakers, self.people = speakers.copy(), people.copy()
        self.columns = int(max(speakers.max(initial=0), people.max(initial=0))) + 2
        self.weighted = voiced.vectors * voiced.weights[:, None]
        self.faces = _likeness(speaking)
        self.barred = np.zeros((speaking.count, self.columns), bool)  # who must not be whose face
        if barred is not None:
            self.barred[barred] = True
        self._count()

    def _count(self) -> None:
        """Recompute what follows from who is whose."""
        self.totals = np.bincount(self.speakers, self.voiced.weights, self.columns)
        self.sums = np.zeros((self.columns, self.weighted.shape[1]))
        np.add.at(self.sums, self.speakers, self.weighted)
        owner = np.zeros((self.speaking.count, self.columns))
        owner[np.arange(self.speaking.count), self.people] = 1
        self.likely = self.speaking.outside[:, None] + self.speaking.gain @ owner

    def score(self) -> float:
        """Voices, what is seen, and faces."""
        seen = _seen(self.likely[np.arange(len(self.speakers)), self.speakers]).sum()
        same = np.triu(self.people[:, None] == self.people[None], 1)
        return float(_voice(self.totals, (self.sums**2).sum(axis=1)).sum() + seen + self.faces[same].sum())

    def move_utterances(self, bounds: tuple[int, int]) -> None:
        """Give each utterance in turn to the best speaker, within the bounds of their number."""
        seen, fewest, most = _seen(self.likely), *bounds
        members = np.bincount(self.speakers, minlength=self.columns)
        for row, (vector, weight) in enumerate(zip(self.weighted, self.voiced.weights, strict=True)):
            old = int(self.speakers[row])
            used = int((members > 0).sum())
            if members[old] == 1 and used <= fewest:
                continue
            self.totals[old] -= weight
            self.sums[old] -= vector
            members[old] -= 1
            squares = (self.sums**2).sum(axis=1)
            longer = squares + 2 * self.sums @ vector + vector @ vector
            gains = seen[row] + _voice(self.totals + weight, longer) - _voice(self.totals, squares)
            if used - (members[old] == 0) >= most:
                gains[members == 0] = -np.inf
            new = int(gains.argmax()) if gains.max() > gains[old] + 1e-9 or np.isinf(gains[old]) else old
            self.totals[new] += weight
            self.sums[new] += vector
            members[new] += 1
            self.speakers[row] = new
        self._free()

    def move_people(self) -> None:
        """Give each person in turn to the best speaker, or to nobody."""
        rows = np.arange(len(self.speakers))
        for person in range(self.speaking.count):
            gain = self.speaking.gain[:, person]
            rest = self.likely[rows, self.speakers] - gain * (self.speakers == self.people[person])
            better = np.bincount(self.speakers, _seen(rest + gain) - _seen(rest), self.columns)
            others = np.arange(self.speaking.count) != person
            better += np.bincount(self.people[others], self.faces[person, others], self.columns)
            better[self.barred[person]] = -np.inf
            new = int(better.argmax())
            if better[new] > better[self.people[person]] + 1e-9:
                self.people[person] = new
                self._free()

    def part(self, fewest: int) -> None:
        """While there are too few speakers, make the utterance that fits its speaker least a speaker of its own."""
        rows = np.arange(len(self.speakers))
        while len(np.unique(self.speakers)) < fewest:
            totals, sums = self.totals[self.speakers], self.sums[self.speakers]
            weights = self.voiced.weights
            rest = _voice(totals - weights, ((sums - self.weighted) ** 2).sum(axis=1))
            alone = _voice(weights, (self.weighted**2).sum(axis=1)) + _seen(self.speaking.outside)
            gains = alone + rest - _voice(totals, (sums**2).sum(axis=1)) - _seen(self.likely[rows, self.speakers])
            gains[np.bincount(self.speakers, minlength=self.columns)[self.speakers] < 2] = -np.inf
            self.speakers[int(gains.argmax())] = self.columns - 1
            self._free()

    def join(self, bounds: tuple[int, int]) -> None:
        """Join the two speakers that gain most by it, as long as any do or there are too many."""
        while True:
            used = np.unique(self.speakers)
            if len(used) <= max(1, bounds[0]):
                return
            gains = np.stack([self._joined(int(one), used) for one in used])
            one, two = np.unravel_index(int(gains.argmax()), gains.shape)
            if gains[one, two] <= 1e-9 and len(used) <= bounds[1]:
                return
            self.speakers[self.speakers == used[two]] = used[one]
            self.people[self.people == used[two]] = used[one]
            self._count()

    def _joined(self, one: int, others: np.ndarray) -> np.ndarray:
        """By how much the score rises if one speaker and each of the others are one; -inf for itself."""
        totals, sums = self.totals[others], self.sums[others]
        squares, own = (sums**2).sum(axis=1), float(self.sums[one] @ self.sums[one])
        voices = _voice(totals + self.totals[one], squares + own + 2 * sums @ self.sums[one])
        gains: np.ndarray = voices - _voice(totals, squares) - _voice(self.totals[one], np.array(own))
        both = _seen(self.likely[:, [one]] + self.likely[:, others] - self.speaking.outside[:, None])
        now = _seen(self.likely)
        theirs = self.speakers[:, None] == others[None]
        gains = gains + np.where(theirs, both - now[:, others], 0).sum(axis=0)
        gains = gains + np.where((self.speakers == one)[:, None], both - now[:, [one]], 0).sum(axis=0)
        mine = self.faces[self.people == one].sum(axis=0)
        gains = gains + np.bincount(self.people, mine, self.columns)[others]
        gains[others == one] = -np.inf
        return gains

    def swap(self) -> None:
        """Exchange the faces of two speakers where that is better."""
        used = np.unique(self.speakers)
        for place, one in enumerate(used):
            for two in used[place + 1 :]:
                seen = _seen(self.likely[:, [one, two]])
                own, other = self.speakers == one, self.speakers == two
                gain = (seen[own, 1] - seen[own, 0]).sum() + (seen[other, 0] - seen[other, 1]).sum()
                first, second = self.people == one, self.people == two
                barred = self.barred[first, two].any() or self.barred[second, one].any()
                if gain > 1e-9 and not barred:
                    self.people[first], self.people[second] = two, one
                    self._count()

    def _free(self) -> None:
        """Keep the last column free for a new speaker."""
        if (self.speakers == self.columns - 1).any() or (self.people == self.columns - 1).any():
            self.columns += 1
            self.barred = np.pad(self.barred, ((0, 0), (0, 1)))
        self._count()

    def grouping(self) -> Grouping:
        """The result, with the speakers numbered from 0 in the order in which they first speak."""
        _, first, numbers = np.unique(self.speakers, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        number = {int(self.speakers[row]): int(rank[numbers[row]]) for row in first}
        people = np.array([number.get(int(column), -1) for column in self.people], np.int64)
        return Grouping(rank[numbers], people, self.score())


def _voice(totals: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Log marginal likelihood of speakers' vectors up to a constant, by total weight and squared length of the sum."""
    within = (1 / (1 + RATIO)) / DIMENSIONS  # the variance in each dimension of vectors of unit length
    precision = RATIO / (2 * within * (1 + RATIO * totals))
    result: np.ndarray = precision * squares - DIMENSIONS / 2 * np.log1p(RATIO * totals) - FURTHER * (totals > 1e-9)
    return result


def _seen(likely: np.ndarray) -> np.ndarray:
    result: np.ndarray = SEEN * np.log(np.clip(likely, 0, 1) + LEAST)
    return result


def _likeness(speaking: Speaking) -> np.ndarray:
    """What it is worth that two people are one: ``(people, people)``."""
    frames = np.minimum(np.minimum.outer(speaking.frames, speaking.frames), MOST_FRAMES)
    alike = np.minimum(FACES * frames * (speaking.templates @ speaking.templates.T - ALIKE), MOST_ALIKE)
    result: np.ndarray = np.where(speaking.together, -_APART, alike)
    np.fill_diagonal(result, 0)
    return result
