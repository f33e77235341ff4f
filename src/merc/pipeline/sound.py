"""The sound of a recording: the audio track is decoded, and what of its channels is heard is decided."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.media.audio import Choice, decode_audio, mono
from merc.media.tracks import note
from merc.pipeline.options import Job


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded sound.

    Attributes:
        samples: int16 at 16 kHz on disk, (samples,).
        channel: What was heard, such as "mono" or "left".
        track: Number of the audio track.
        end: Where the data of the recording end, sound or picture, in seconds.
        notes: What was lost or left out.
    """

    samples: np.ndarray
    channel: str
    track: int
    end: float
    notes: tuple[str, ...]


def decoded(job: Job) -> Sound:
    """Decode the audio track of a recording.

    Raises:
        MediaError: the track or the channel is not there, or cannot be decoded.
        OutputError: the samples cannot be stored.
    """
    duration, options = job.probe.duration, job.options
    folder = _folder(job.cache.root)
    choice = Choice(options.tracks, options.channel, folder)
    found = decode_audio(job.path, choice, on_seconds=lambda done: job.report("decode", min(done, duration), duration))
    job.report("decode", duration, duration)
    one = mono(found, folder)
    track = next(track.number for track in job.probe.audio_tracks if track.chosen)
    notes = [found.lost, note(job.probe.audio_tracks, "audio")]
    return Sound(one.samples, one.channel, track, found.end, tuple(sentence for sentence in notes if sentence))


def _folder(cache: Path) -> Path | None:
    """Where the samples are stored: the folder of the cache, which has room; where it is read-only, the system's."""
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return cache if os.access(cache, os.W_OK) else None
