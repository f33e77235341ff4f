"""The sound of a recording: its audio track, and what of the channels is heard: one sound, or one for each party."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from merc.media.audio import Choice, DecodedAudio, decode_audio
from merc.media.samples import RATE, Samples, Sink, blocks, release, to_int16
from merc.media.tracks import note
from merc.pipeline.options import Job
from merc.speech.channels import ECHO, FRAME, Heard, Mask, decide, levels, separate
from merc.speech.vad import detect_speech

SPEAKER_ENCODER = "campplus"
LONGEST_VOICE = 20.0
"""Seconds of a voice that are compared with another."""
KEPT = (5, 8)
"""Frames before and behind a party's own speech that are kept of its channel, for soft onsets and releases."""
WEIGHTS = ("silero-vad", "campplus")


@dataclass(frozen=True, slots=True)
class Party:
    """A channel with speakers of its own.

    Attributes:
        name: Name of the channel, such as "left".
        samples: int16 at 16 kHz on disk, (samples,); silent while another party speaks alone, so without its bleed.
    """

    name: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded sound.

    Attributes:
        samples: int16 at 16 kHz on disk, (samples,): all that is heard.
        channel: What that is, such as "mono", "left", "mean of left, right" or "separate: left, right".
        track: Number of the audio track.
        end: Where the data of the recording end, sound or picture, in seconds.
        notes: What was lost or left out.
        parties: The channels that have speakers of their own; empty: one sound for all.
    """

    samples: Samples
    channel: str
    track: int
    end: float
    notes: tuple[str, ...]
    parties: tuple[Party, ...] = ()


def decoded(job: Job) -> Sound:
    """Decode the audio track of a recording, and decide what of its channels is heard.

    Raises:
        MediaError: the track or the channel is not there, or cannot be decoded.
        OutputError: the samples cannot be stored.
        WeightError: a weight is absent.
    """
    duration, options = job.probe.duration, job.options
    choice = Choice(options.tracks, options.channel, _folder(job.cache.root))
    found = decode_audio(job.path, choice, on_seconds=lambda done: job.report("decode", min(done, duration), duration))
    job.report("decode", duration, duration)
    track = next(track.number for track in job.probe.audio_tracks if track.chosen)
    heard = _heard(job, found)
    notes = [found.lost, note(job.probe.audio_tracks, "audio"), _restarts(job), _left_out(found), heard.why]
    sound = Sound(found.samples[:, 0], found.names[0], track, found.end, tuple(one for one in notes if one))
    return _apart(sound, found, heard, choice.folder) if heard.parties else _joined(sound, found, heard, choice.folder)


def _restarts(job: Job) -> str | None:
    count = job.probe.restarts
    times = "once" if count == 1 else f"{count} times"
    return f"the clock of {job.path.name} starts again {times}; its parts are joined" if count else None


def _left_out(found: DecodedAudio) -> str | None:
    if not found.left_out:
        return None
    return (
        f"only the first {len(found.names)} channels are heard, not {', '.join(found.left_out)}; choose with --channel"
    )


def _heard(job: Job, found: DecodedAudio) -> Heard:
    """What is heard of decoded planes; the decision is stored, so that a second run need not listen again."""
    if len(found.names) == 1:
        return Heard((1.0,))

    def listen(place: int) -> Mask:
        samples = found.samples[:, place]
        mask = np.zeros(-(-len(samples) // FRAME), dtype=bool)
        for part in detect_speech(samples):
            mask[round(part.start * RATE / FRAME) : round(part.end * RATE / FRAME)] = True
        release(found.samples)
        return mask

    def voices(parts: list[tuple[int, Mask]]) -> np.ndarray:
        encoder = job.models.encoder(SPEAKER_ENCODER, device=job.device)
        vectors = np.asarray(encoder.encode([_speech_of(found.samples, place, mask) for place, mask in parts]))
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def run() -> dict[str, object]:
        measured = levels(found.samples)
        chosen = job.options.channel == "separate"
        return asdict(
            separate(found.names, measured, listen) if chosen else decide(found.names, measured, listen, voices)
        )

    rows = job.cache.json(job.key("channels", weights=WEIGHTS), run)
    own = tuple(tuple((first, last) for first, last in party) for party in rows["own"])
    heard = Heard(tuple(rows["weights"]), tuple(rows["parties"]), own, rows["why"])
    most = job.options.speakers or job.options.max_speakers
    if most is None or most >= len(heard.parties) or job.options.channel == "separate":
        return heard
    shared = tuple(weight / len(heard.parties) for weight in heard.weights)
    return Heard(shared, why=f"the channels hold {len(heard.parties)} parties, but the limit is {most}: heard as one")


def _speech_of(samples: Samples, place: int, mask: Mask) -> Samples:
    """The samples of a plane in some frames, as many as are compared."""
    frames = np.flatnonzero(mask)[: round(LONGEST_VOICE * RATE / FRAME)]
    places = (frames[:, None] * FRAME + np.arange(FRAME)).ravel()
    return np.ascontiguousarray(samples[places[places < len(samples)], place])


def _joined(sound: Sound, found: DecodedAudio, heard: Heard, folder: Path | None) -> Sound:
    """One sound of weighted planes."""
    weights = np.array(heard.weights, np.float32)
    used = [place for place, weight in enumerate(heard.weights) if weight]
    names = [("inverted " if heard.weights[place] < 0 else "") + found.names[place] for place in used]
    channel = names[0] if len(names) == 1 else f"mean of {', '.join(names)}"
    if len(found.names) == 1:
        return replace(sound, channel=channel)
    with Sink(folder) as sink:
        for block in blocks(found.samples):
            sink.write(to_int16(block.astype(np.float32) @ weights)[:, None])
            release(found.samples)
        return replace(sound, samples=sink.read()[:, 0], channel=channel)


def _apart(sound: Sound, found: DecodedAudio, heard: Heard, folder: Path | None) -> Sound:
    """A sound for each party, and their sum."""
    places, frames = list(heard.parties), -(-len(found.samples) // FRAME)
    gains = _gains(heard, frames)
    with ExitStack() as stack:
        sinks = [stack.enter_context(Sink(folder)) for _ in range(len(places) + 1)]
        first = 0
        for block in blocks(found.samples):
            at = (np.arange(first, first + len(block)) - FRAME / 2) / FRAME
            kept = block[:, places] * np.stack([np.interp(at, np.arange(frames), gain) for gain in gains], axis=1)
            for sink, part in zip(sinks, [*kept.T, kept.sum(axis=1)], strict=True):
                sink.write(to_int16(part)[:, None])
            release(found.samples)
            first += len(block)
        *parts, total = (sink.read()[:, 0] for sink in sinks)
    parties = tuple(Party(found.names[place], part) for place, part in zip(places, parts, strict=True))
    channel = f"separate: {', '.join(party.name for party in parties)}"
    return replace(sound, samples=total, channel=channel, parties=parties)


def _gains(heard: Heard, frames: int) -> np.ndarray:
    """1 where the channel of a party is kept, 0 where only another speaks: (parties, frames)."""
    kept, speaking = np.zeros((2, len(heard.parties), frames), dtype=bool)
    for party, stretches in enumerate(heard.own):
        for start, end in stretches:
            kept[party, max(0, start - KEPT[0]) : end + KEPT[1]] = True
            speaking[party, max(0, start - ECHO[0]) : end + ECHO[1]] = True
    others = [np.delete(speaking, party, axis=0).any(axis=0) for party in range(len(kept))]
    return (kept | ~np.array(others)).astype(np.float32)


def on_track(job: Job, number: int) -> Job:
    """The job for another audio track of the recording."""
    tracks = tuple(replace(track, chosen=track.number == number) for track in job.probe.audio_tracks)
    options = replace(job.options, audio_track=number)
    return replace(job, probe=replace(job.probe, audio_tracks=tracks), options=options)


def _folder(cache: Path) -> Path | None:
    """Where the samples are stored: the folder of the cache, which has room; where it is read-only, the system's."""
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return cache if os.access(cache, os.W_OK) else None
