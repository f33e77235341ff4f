"""Which channels of a recording are heard, decided from what is on them.

A telephone call has a party on each channel; a camera has one scene on both; a recorder may have hum, noise or nothing
on one. Energy does not tell these apart. What does: where each channel holds speech, and by how much it is louder there
than the others. A voice that bleeds from one channel into another, or is recorded by two microphones, has about the
same difference of level all the time. Two channels whose difference of level, while each is speaking, lies far apart
are separate parties, unless it is the same voice on both. Speech that another channel explains, because it is no louder
than what bleeds over from there, does not count for a channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from merc.media.samples import RATE, Samples, blocks, release

FRAME = 512
"""Samples of a frame in which levels are measured (32 ms)."""
COARSE = 4
"""Samples whose mean is one value there: up to 2 kHz speech is louder than noise."""
SMOOTH = 8
"""Frames over which a level is averaged: a syllable."""
STEADY = 10.0
"""dB within which a difference of level is that of one scene, so that nobody needs to listen."""
APART = 18.0
"""dB between the differences of level of two parties: bleed of -10 dB both ways has 20; microphones in a room, 12."""
LOUD = 30.0
"""dB below a channel's loud speech down to which its level says something."""
BLEED = 6.0
"""dB above the usual level of bleed up to which a sound is explained by it."""
ECHO = (3, 12)
"""Frames ahead and back within which bleed follows the voice on another channel: echoes take up to .4 s."""
LEAST = 0.6
"""Seconds of speech below which a channel holds none of its own: two short answers."""
LEAST_SHARE = 0.003
"""The same as a share of all speech: over an hour, chance differences add up."""
LEAST_PARTY = 0.1
"""Share of all speech that a party of more than two channels holds: the sides of a film hold music and laughter."""
SAME_VOICE = 0.72
"""Cosine of the voices of two channels above which they are one voice, where both speak for seconds."""
NEAR = 3.0
"""dB by which a microphone may be below the best one at the places that it is nearest to."""
QUIET = 10.0
"""dB by which a copy may be quieter than the best one to be averaged with it."""
IN_PHASE = 0.5
"""Correlation from which copies are averaged; delayed ones would cancel in part, and inverted ones are turned."""
CENTRE_SHARE = 0.8
"""Share of the speech of surround sound that its centre must hold to be heard alone."""

Mask = NDArray[np.bool_]
Float = NDArray[np.float64]
Listen = Callable[[int], Mask]
"""The frames in which a plane holds speech, by the number of the plane."""
Voices = Callable[[list[tuple[int, Mask]]], np.ndarray]
"""A unit vector for the voice of each plane in its frames."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels of planes over time.

    Args:
        db: Level (frames, planes) in dB, up to 2 kHz, of the first difference, which hum and offsets hardly change.
        correlation: Between planes, (planes, planes).
    """

    db: Float
    correlation: Float


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard.

    Args:
        weights: Weight of each plane in the one sound, of all planes; negative: inverted.
        parties: Planes that have speakers of their own; empty: one scene.
        own: For each of these the first and last frame of the stretches in which it speaks itself.
        why: Sentence on what was left out, or None.
    """

    weights: tuple[float, ...]
    parties: tuple[int, ...] = ()
    own: tuple[tuple[tuple[int, int], ...], ...] = ()
    why: str | None = None


def levels(samples: Samples) -> Levels:
    """Measure decoded planes (samples, planes), in one pass."""
    count = samples.shape[1]
    powers, gram = [], np.zeros((count, count))
    for block in blocks(samples):
        padded = np.pad(block, ((0, -len(block) % FRAME), (0, 0)))
        low = padded.reshape(-1, COARSE, count).mean(axis=1, dtype=np.float32)
        step = np.diff(low, axis=0, prepend=low[:1])
        gram += step.T @ step
        framed = step.reshape(-1, FRAME // COARSE, count)
        powers.append(np.einsum("fsk,fsk->fk", framed, framed) / (FRAME // COARSE))
        release(samples)
    power = np.concatenate(powers) if powers else np.zeros((0, count))
    kernel = np.ones(SMOOTH) / SMOOTH
    smooth = np.stack([np.convolve(column, kernel, mode="same")[: len(power)] for column in power.T], axis=1)
    scale = np.sqrt(np.diag(gram)) + 1e-9
    return Levels(10 * np.log10(smooth + 1.0), gram / scale / scale[:, None])


def decide(names: Sequence[str], measured: Levels, listen: Listen, voices: Voices) -> Heard:
    """Decide what is heard of planes.

    Args:
        names: Names of the planes, as decoded.
        measured: Their levels.
        listen: Finds the speech of a plane; called only where levels do not decide.
        voices: Tells voices apart; called for parties only.
    """
    if names[0] == "centre" and len(names) == 2:
        return _surround(names, listen)
    everything = np.ones_like(measured.db, dtype=bool)
    if _steady(measured.db):
        return _one_scene(names, measured, everything, list(range(len(names))))
    speech = np.stack([listen(place) for place in range(len(names))], axis=1)
    least = _least(speech)
    voiced = [place for place in range(len(names)) if speech[:, place].sum() >= least]
    if not voiced:
        return _alike(names)
    parties = _parties(measured.db, speech, voiced, least)
    if len(parties) > 1 and not _one_voice(parties, voices):
        return _apart(names, parties)
    return _one_scene(names, measured, speech, voiced)


def separate(names: Sequence[str], measured: Levels, listen: Listen) -> Heard:
    """Take each channel with speech as a party, whatever is on the others."""
    speech = np.stack([listen(place) for place in range(len(names))], axis=1)
    voiced = [place for place in range(len(names)) if speech[:, place].any()] or list(range(len(names)))
    own = _own(measured.db, speech, voiced, tops(measured.db, speech, voiced, 1))
    return _apart(names, {place: own[place] if own[place].any() else speech[:, place] for place in voiced})


def runs(mask: Mask) -> list[tuple[int, int]]:
    """The first and last frame (exclusive) of each stretch of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _least(speech: Mask) -> int:
    """Frames that a channel must hold of something to count."""
    return max(1, round(LEAST * RATE / FRAME), round(LEAST_SHARE * int(speech.any(axis=1).sum())))


def _steady(db: Float) -> bool:
    """Whether the difference of level between planes hardly changes where anything is loud."""
    total = db.max(axis=1, initial=0.0)
    loud = db[total > np.percentile(total, 95) - LOUD] if len(total) else db
    differences = np.sort(loud - loud[:, :1], axis=0)[2:-2]  # two pops do not matter
    return len(differences) < 2 or bool((differences[-1] - differences[0]).max() < STEADY)


def _surround(names: Sequence[str], listen: Listen) -> Heard:
    """The centre where it holds the speech, else the mean with the others or the others alone."""
    centre, others = listen(0), listen(1)
    both = (centre | others).sum()
    if not both or centre.sum() >= CENTRE_SHARE * both:
        return Heard((1.0, 0.0))
    if centre.sum() <= (1 - CENTRE_SHARE) * both:
        return Heard((0.0, 1.0), why=f"the centre holds no speech; the {names[1]} other channels is heard")
    return Heard((0.5, 0.5), why="speech is also outside the centre; all channels are heard")


def tops(db: Float, speech: Mask, planes: Sequence[int], least: int) -> dict[tuple[int, int], float]:
    """How far each plane rises above each other one for ``least`` frames of its loud speech, in dB."""
    found = {}
    for one in planes:
        spoken = speech[:, one]
        loud = spoken & (db[:, one] > np.percentile(db[spoken, one], 95) - LOUD) if spoken.any() else spoken
        for other in planes:
            if other != one:
                above = np.sort(db[loud, one] - db[loud, other])
                found[one, other] = float(above[-least]) if len(above) >= least else -np.inf
    return found


def _parties(db: Float, speech: Mask, voiced: Sequence[int], least: int) -> dict[int, Mask]:
    """Planes with speech that no other explains, and its frames: copies of one sound have one of them."""
    rises = tops(db, speech, voiced, least)
    groups = _copies(voiced, rises)
    best = sorted(max(group, key=lambda place: (_quality(db[:, place]), -place)) for group in groups)
    own = _own(db, speech, best, rises)
    kept = [place for place in best if own[place].sum() >= least]
    if db.shape[1] > 2:
        kept = _own_microphones(kept, own, rises)
    if len(kept) < len(best):
        own = _own(db, speech, kept, rises)
    return {place: own[place] for place in kept}


def _own_microphones(planes: Sequence[int], own: dict[int, Mask], rises: dict[tuple[int, int], float]) -> list[int]:
    """The planes that are somebody's own microphone: louder than any other at times, with a share of the speech."""
    total = sum(int(own[place].sum()) for place in planes)
    return [
        place
        for place in planes
        if own[place].sum() >= LEAST_PARTY * total and all(rises[place, o] > 0 for o in planes if o != place)
    ]


def _copies(planes: Sequence[int], rises: dict[tuple[int, int], float]) -> list[list[int]]:
    """Planes in groups of copies: of any two in different groups each rises above the other."""
    groups: list[list[int]] = []
    for one in planes:
        near = [group for group in groups if any(rises[one, other] + rises[other, one] < APART for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([one, *chain.from_iterable(near)])
    return groups


def _own(db: Float, speech: Mask, planes: Sequence[int], rises: dict[tuple[int, int], float]) -> dict[int, Mask]:
    """The frames in which each plane speaks itself: its speech that is louder than what bleeds from any other."""
    own = {}
    for one in planes:
        mask = speech[:, one].copy()
        for other in planes:
            if other != one:
                mask &= db[:, one] - _held(db[:, other]) > _bleed(db, speech, (one, other), rises)
        own[one] = _tidy(mask)
    return own


def _bleed(db: Float, speech: Mask, pair: tuple[int, int], rises: dict[tuple[int, int], float]) -> float:
    """The difference of level up to which the other plane of a pair explains the first, in dB."""
    one, other = pair
    difference = db[:, one] - db[:, other]
    middle = (rises[one, other] - rises[other, one]) / 2
    if not np.isfinite(middle):
        middle = 0.0
    spoken = speech[:, other] & (difference < middle)
    return min(middle, float(np.median(difference[spoken])) + BLEED) if spoken.any() else middle


def _held(db: Float) -> Float:
    """The level of a voice as its echoes may carry it on: the largest within reach."""
    ahead, back = ECHO
    padded = np.pad(db, (back, ahead), constant_values=-np.inf)
    held: Float = np.lib.stride_tricks.sliding_window_view(padded, back + ahead + 1).max(axis=1)
    return held


def _tidy(mask: Mask) -> Mask:
    """A mask with gaps below .26 s filled and stretches below .13 s dropped."""
    filled = mask.copy()
    for start, end in runs(~mask):
        if start > 0 and end < len(mask) and end - start < 8:
            filled[start:end] = True
    for start, end in runs(filled):
        if end - start < 4:
            filled[start:end] = False
    return filled


def _one_voice(parties: dict[int, Mask], voices: Voices) -> bool:
    """Whether the same voice speaks on all: then no channel is a party."""
    alone = [(place, mask & ~_others(parties, place)) for place, mask in parties.items()]
    alone = [(place, mask) for place, mask in alone if mask.sum() * FRAME / RATE >= 3.0]
    if len(alone) < len(parties):
        return False
    vectors = voices(alone)
    cosines = vectors @ vectors.T
    return bool(cosines.min() >= SAME_VOICE)


def _others(parties: dict[int, Mask], place: int) -> Mask:
    others = [mask for other, mask in parties.items() if other != place]
    found: Mask = np.any(others, axis=0)
    return found


def _apart(names: Sequence[str], parties: dict[int, Mask]) -> Heard:
    places = tuple(parties)
    left = [name for place, name in enumerate(names) if place not in places]
    weights = tuple(float(place in places) for place in range(len(names)))
    why = f"{_listed(left)} {_holds(left)} no speech of {'their' if len(left) > 1 else 'its'} own" if left else None
    return Heard(weights, places, tuple(tuple(runs(parties[place])) for place in places), why)


def _alike(names: Sequence[str]) -> Heard:
    return Heard(tuple(np.full(len(names), 1 / len(names)).tolist()))


def _one_scene(names: Sequence[str], measured: Levels, speech: Mask, voiced: Sequence[int]) -> Heard:
    """The mean of the planes that carry the scene in phase, or the best one; inverted copies are turned."""
    db = measured.db
    if not measured.correlation.any():  # digital silence
        return _alike(names)
    best = max(voiced, key=lambda place: (_quality(db[:, place]), -place))
    spoken = speech[:, best] & (db[:, best] > np.percentile(db[speech[:, best], best], 95) - LOUD)
    weights = np.zeros(len(names))
    for place in voiced:
        difference = db[spoken, place] - db[spoken, best]
        weights[place] = _weight(difference, float(measured.correlation[best, place]))
    weights /= np.abs(weights).sum()
    left = [place for place in range(len(names)) if not weights[place]]
    kept = [name for place, name in enumerate(names) if weights[place]]
    why = _left_out([names[place] for place in left], kept, silent=not set(left) & set(voiced)) if left else None
    return Heard(tuple(weights.tolist()), why=why)


def _weight(difference: Float, correlation: float) -> float:
    """Weight of a plane in a mean with the best one: 1, -1 or 0, by its level there and how it is correlated."""
    low, middle, high = np.percentile(difference, [5, 50, 95])
    places_differ = high - low > STEADY and high > -NEAR  # each microphone is nearer to somebody
    in_phase = abs(correlation) >= IN_PHASE
    if not places_differ and not (in_phase and middle > -QUIET):
        return 0.0
    return float(np.copysign(1.0, correlation)) if in_phase else 1.0


def _left_out(left: Sequence[str], kept: Sequence[str], *, silent: bool) -> str:
    several = len(left) > 1
    reason = f"{_holds(left)} no speech" if silent else f"{'carry' if several else 'carries'} the same sound"
    return f"{_listed(left)} {reason} and {'are' if several else 'is'} left out; {_listed(kept)} is heard"


def _quality(db: Float) -> float:
    """How far the loud parts of a plane lie above its quiet ones, in dB."""
    low, high = np.percentile(db, [10, 95]) if len(db) else (0.0, 0.0)
    return float(round(high - low))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _holds(names: Sequence[str]) -> str:
    return "hold" if len(names) > 1 else "holds"
