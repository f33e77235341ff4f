"""MELD's dev dialogue 29, from its clips: the one dialogue of which the corpora on disk have sound and picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from merc import Segment

RATE = 48000


@dataclass(frozen=True)
class Annotated:
    """One utterance as the corpus has it, at its place in the joined recording."""

    segment: Segment
    speaker: str
    text: str
    label: str


def join(data: Path, target: Path) -> list[Annotated]:
    """Join the eleven clips below the folder of all corpora into one recording with its 5.1 sound; return the truth."""
    with (data / "meld" / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    truth = []
    with av.open(str(target), "w") as out:
        picture = out.add_stream("libx264", rate=24, options={"preset": "ultrafast", "threads": "1"})
        picture.width, picture.height, picture.pix_fmt = 640, 360, "yuv420p"
        picture.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("pcm_s16le", rate=RATE, layout="5.1")
        clock = 0.0
        for number, row in enumerate(rows):
            clip = data / "meld" / "MELD.Raw" / "dev_splits_complete" / f"dia29_utt{number}.mp4"
            length = _append(out, (picture, sound), clip, clock)
            truth.append(Annotated(Segment(clock, clock + length), row["Speaker"], row["Utterance"], row["Emotion"]))
            clock += length
        for stream in (picture, sound):
            out.mux(stream.encode(None))
    return truth


def _append(out: av.container.OutputContainer, streams: tuple, clip: Path, shift: float) -> float:
    """Re-encode one clip after what was written, its sound as long as its picture; returns its length in seconds."""
    picture, sound = streams
    heard, length = [], 0.0
    with av.open(str(clip)) as source:
        resampler = av.AudioResampler("s16", "5.1", RATE)
        for frame in source.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                small = frame.reformat(640, 360, "yuv420p")
                small.pts, small.time_base = round((shift + frame.time) * 1000), Fraction(1, 1000)
                length = max(length, frame.time + 1 / 24)
                out.mux(picture.encode(small))
            else:
                heard += [part.to_ndarray() for part in resampler.resample(frame)]
    samples = np.concatenate(heard, axis=1).reshape(-1, 6)
    wanted = round((shift + length) * RATE) - round(shift * RATE)
    samples = np.pad(samples, ((0, max(0, wanted - len(samples))), (0, 0)))[:wanted]
    block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="s16", layout="5.1")
    block.sample_rate, block.pts, block.time_base = RATE, round(shift * RATE), Fraction(1, RATE)
    out.mux(sound.encode(block))
    return length
