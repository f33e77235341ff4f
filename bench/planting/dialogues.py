"""Dialogues made of clips of known people: who speaks when is known to the frame.

A dialogue is a list of turns, each one person's clips or a part of one, on a time line with pauses and overlaps, mixed
with levels, rooms and noise as its `Scene` says. The same clips, scene and seed give the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, lfilter

from merc.conversation import Segment

RATE = 16000
_FADE = 160  # samples at the ends of a part of a clip: 10 ms, so that a cut does not click
_PEAK = 0.7
_LEVEL = 0.05  # RMS of a person's clips together before levels


@dataclass(frozen=True)
class Scene:
    """What a dialogue is like.

    Attributes:
        seconds: Its length, about.
        short: Share of turns that are a part of a clip of .4 to 1.5 s; others are one or two whole clips.
        overlap: Share of turns that begin before the one before ends, or are spoken within it.
        pause: Mean seconds between turns that do not overlap (exponential, at least .1).
        levels: Decibels by which people's levels may differ.
        snr: Decibels of the quietest person over the noise, drawn from this range; None: no noise.
        room: Seconds in which sound decays by 60 dB, drawn from this range a person; None: no room.
    """

    seconds: float = 50.0
    short: float = 0.0
    overlap: float = 0.0
    pause: float = 0.5
    levels: float = 6.0
    snr: tuple[float, float] | None = None
    room: tuple[float, float] | None = None


@dataclass(frozen=True)
class Spoken:
    """One turn of a planted dialogue, and the part of the dialogue that its sound is."""

    speaker: str
    segment: Segment


@dataclass(frozen=True)
class Planted:
    """A dialogue: int16 samples at 16 kHz and its turns in order of time."""

    samples: np.ndarray
    turns: tuple[Spoken, ...]


def plant(clips: Mapping[str, Sequence[np.ndarray]], scene: Scene, seed: int) -> Planted:
    """Make a dialogue.

    Args:
        clips: Float samples at 16 kHz of each person's clips, without silence around them; all are used in turn.
        scene: What the dialogue is like.
        seed: Of everything that is drawn.
    """
    random = np.random.default_rng(seed)
    people = list(clips)
    clips = {name: _evened(clips[name]) for name in people}
    gains = {name: 10 ** (-random.uniform(0, scene.levels) / 20) for name in people}
    rooms = {name: _response(random, *scene.room) if scene.room else None for name in people}
    turns, sounds = _script(clips, scene, random)
    length = round((max(turn.segment.end for turn in turns) + 1.0) * RATE)
    mix = np.zeros(length)
    for turn, sound in zip(turns, sounds, strict=True):
        heard = gains[turn.speaker] * sound
        response = rooms[turn.speaker]
        if response is not None:
            heard = fftconvolve(heard, response)
        start = round(turn.segment.start * RATE)
        mix[start : start + len(heard)] += heard[: length - start]
    if scene.snr:
        mix += _noise(random, length) * _LEVEL * min(gains.values()) * 10 ** (-random.uniform(*scene.snr) / 20)
    mix *= min(1.0, _PEAK / np.abs(mix).max())
    return Planted(np.rint(mix * 32767).astype(np.int16), turns)


def _evened(clips: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A person's clips at one mean level, the differences between them halved in decibels, so that a sob is heard."""
    levels = np.array([np.sqrt(np.mean(clip**2)) for clip in clips])
    mean = np.exp(np.log(levels).mean())
    return [clip * (_LEVEL / np.sqrt(mean * level)) for clip, level in zip(clips, levels, strict=True)]


def _script(
    clips: Mapping[str, Sequence[np.ndarray]], scene: Scene, random: np.random.Generator
) -> tuple[tuple[Spoken, ...], list[np.ndarray]]:
    """The turns and their sounds: who is not alone never follows themselves, and everybody speaks."""
    people, used = list(clips), dict.fromkeys(clips, 0)
    turns: list[Spoken] = []
    sounds: list[np.ndarray] = []
    free = dict.fromkeys(people, 0.0)  # when each is silent again
    end, waiting = 0.5, [people[i] for i in random.permutation(len(people))]
    while end < scene.seconds:
        others = [name for name in people if not turns or name != turns[-1].speaker] or people
        first = [name for name in waiting if name in others]
        name = first[0] if first else others[random.integers(len(others))]
        waiting = [one for one in waiting if one != name]
        sound = _said(clips[name], used, name, short=random.random() < scene.short, random=random)
        start = end + 0.1 + random.exponential(scene.pause)
        if turns and random.random() < scene.overlap:
            start = end - random.uniform(0.3, 1.0) * min(len(sound) / RATE, turns[-1].segment.duration)
        start = max(start, free[name] + 0.1)
        stop = start + len(sound) / RATE
        turns.append(Spoken(name, Segment(round(start, 4), round(stop, 4))))
        sounds.append(sound)
        free[name], end = stop, max(end, stop)
    order = sorted(range(len(turns)), key=lambda i: turns[i].segment)
    return tuple(turns[i] for i in order), [sounds[i] for i in order]


def _said(
    clips: Sequence[np.ndarray], used: dict[str, int], name: str, *, short: bool, random: np.random.Generator
) -> np.ndarray:
    """The sound of a turn: a part of the person's next clip, or one or two whole ones."""
    whole = 1 if short or random.random() < 0.7 else 2
    sound = np.concatenate([clips[(used[name] + i) % len(clips)] for i in range(whole)])
    used[name] += whole
    if not short:
        return sound
    length = min(len(sound), round(random.uniform(0.4, 1.5) * RATE))
    start = random.integers(len(sound) - length + 1)
    part = sound[start : start + length].copy()
    ramp = np.linspace(0, 1, _FADE)
    part[:_FADE] *= ramp
    part[-_FADE:] *= ramp[::-1]
    return part


def _response(random: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    """A room's response: the direct sound and exponentially decaying noise, 0 to 10 dB below it in energy."""
    decay = random.uniform(shortest, longest)
    times = np.arange(round(decay * RATE)) / RATE
    tail = random.normal(size=len(times)) * 10 ** (-3 * times / decay)
    tail[:80] = 0  # 5 ms until the first reflection
    tail *= 10 ** (-random.uniform(0, 10) / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return tail


def _noise(random: np.random.Generator, length: int) -> np.ndarray:
    """Noise of RMS 1 that falls with frequency, as fans and streets have, with some hum."""
    noise = lfilter([1.0], [1.0, -0.9], random.normal(size=length)) + 0.3 * random.normal(size=length)
    times = np.arange(length) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * times + random.uniform(0, 6)) / k for k in range(1, 6))
    noise = noise / noise.std() + random.uniform(0, 0.7) * hum
    scaled: np.ndarray = noise / noise.std()
    return scaled
