"""Planted films of dialogues: voices of acted speech joined with faces whose mouths follow the sound.

A film has two to five people, each with a voice (`bench.planting.voices`) and a face (a still of RAF-DB). The camera
shows the speaker, a listener, several people or nobody, and cuts between and within utterances; some people are never
seen. Heads move, eyes blink, listeners smile or chew, and the picture has noise and is compressed. Mouths open with the
envelope of the sound. The people of the two halves are disjoint: voices by speaker, faces by the parts of RAF-DB. The
same half and seed give the same film.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from bench.planting.dialogues import Scene, Spoken, plant
from bench.planting.voices import RATE, people
from merc.people.faces import FaceDetector

FPS = 25
WIDTH, HEIGHT = 640, 360
SIDE = 160
"""Pixels of a still."""
_STILLS = 150  # of a half
_THROAT = np.array([60, 22, 24], np.float32)
_CLIPS_EACH = 12  # clips of a person in a dialogue


@dataclass(frozen=True, slots=True)
class Shot:
    """What the camera shows in a stretch: people with the centre and the side of their faces, in pixels."""

    start: float
    end: float
    faces: tuple[tuple[int, float, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A film before it is rendered.

    Attributes:
        samples: int16 at 16 kHz.
        names: Of the people, whose numbers are places in it.
        turns: Who speaks when, in order of time.
        shots: What is shown when.
        stills: Numbers of the people's faces.
        seed: Of what is drawn when it is rendered.
    """

    samples: np.ndarray
    names: tuple[str, ...]
    turns: tuple[Spoken, ...]
    shots: tuple[Shot, ...]
    stills: tuple[int, ...]
    seed: int

    def shot(self, time: float) -> Shot:
        """What is shown at a time in seconds."""
        return next((one for one in self.shots if one.start <= time < one.end), self.shots[-1])


def script(data: Path, half: str, seed: int) -> Film:
    """Who says what when, and what is shown; ``half`` is "tuning" or "test"."""
    rng = np.random.default_rng([seed, len(half)])
    count = int(rng.choice([2, 2, 3, 3, 4, 5]))
    corpus = str(rng.choice(["ravdess", "nemo", ""]))  # of one corpus, alike in channel and language, or of any
    known = people(data, half)
    pool = [one for one in known if one.corpus == corpus]
    cast = [
        (pool if len(pool) >= count else known)[i]
        for i in _drawn(rng, len(pool if len(pool) >= count else known), count)
    ]
    scene = Scene(seconds=32.0, short=0.3, pause=0.4, snr=(15, 35))
    dialogue = plant({one.name: one.clips(_CLIPS_EACH, rng) for one in cast}, scene, int(rng.integers(1 << 30)))
    names = tuple(one.name for one in cast)
    unseen = rng.random(count) < (0.2 if count > 2 else 0.1)
    shots = _shots([(names.index(turn.speaker), turn) for turn in dialogue.turns], unseen, rng)
    stills = tuple(_drawn(rng, _STILLS, count))
    return Film(dialogue.samples, names, dialogue.turns, tuple(shots), stills, int(rng.integers(1 << 30)))


def _drawn(rng: np.random.Generator, size: int, count: int) -> list[int]:
    return [int(i) for i in rng.choice(size, count, replace=False)]


def _shots(said: Sequence[tuple[int, Spoken]], unseen: np.ndarray, rng: np.random.Generator) -> list[Shot]:
    seen = [person for person in range(len(unseen)) if not unseen[person]]
    cuts: list[tuple[float, int]] = []
    for person, turn in said:
        segment = turn.segment
        if rng.random() < 0.8 or not cuts:
            cuts.append((max(0.0, segment.start - float(rng.uniform(0, 0.3))), person))
        if segment.duration > 1.5 and rng.random() < 0.3:
            cuts.append((segment.start + float(rng.uniform(0.4, 0.7)) * segment.duration, person))
    cuts = sorted([(0.0, cuts[0][1]), *cuts[1:]])
    ends = [time for time, _ in cuts[1:]] + [said[-1][1].segment.end + 60.0]
    return [_shot(start, end, person, seen, rng) for (start, person), end in zip(cuts, ends, strict=True)]


def _shot(start: float, end: float, speaker: int, seen: Sequence[int], rng: np.random.Generator) -> Shot:
    others = [person for person in rng.permutation(seen).tolist() if person != speaker]
    own = [speaker] if speaker in seen else []
    kind = rng.choice(["speaker", "listener", "several", "nobody"], p=[0.47, 0.25, 0.25, 0.03])
    shown: list[int] = own if kind == "speaker" else []
    if kind == "listener" or (kind == "speaker" and not own):
        shown = others[:1]
    if kind == "several":
        shown = sorted([*own, *others[: int(rng.integers(1, 3))]])
    side = float(rng.uniform(110, 230)) / (1 if len(shown) < 2 else 1.3 if len(shown) == 2 else 1.8)
    x = np.linspace(0, WIDTH, len(shown) + 2)[1:-1] + rng.uniform(-30, 30, len(shown))
    y = rng.uniform(140, 200, len(shown))
    return Shot(start, end, tuple((p, float(x[i]), float(y[i]), side) for i, p in enumerate(shown)))


def render(data: Path, half: str, film: Film, target: Path) -> None:
    """Write a film: H.264 and AAC in what the target's suffix says."""
    rng = np.random.default_rng(film.seed)
    known = faces(data, half)
    actors = [_Actor(known[still], _own(film, name), rng) for still, name in zip(film.stills, film.names, strict=True)]
    _write(target, _pictures(actors, film, rng), film.samples, crf=int(rng.integers(23, 32)))


def _own(film: Film, name: str) -> np.ndarray:
    """The sound where a person speaks, with silence elsewhere."""
    own = np.zeros(len(film.samples))
    for turn in film.turns:
        part = slice(int(turn.segment.start * RATE), int(turn.segment.end * RATE))
        if turn.speaker == name:
            own[part] = film.samples[part] / 32768
    return own


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    """A still that can open its mouth: RGB (s, s, 3), row, column and half width of the mouth, and row of the eyes."""

    image: np.ndarray
    mouth: tuple[float, float, float]
    eyes: float


@cache
def faces(data: Path, half: str) -> tuple[_Face, ...]:
    """The first stills of a half with a neutral expression in which MTCNN finds one frontal face."""
    part = "train" if half == "tuning" else "test"
    detector, found = FaceDetector(), []
    with zipfile.ZipFile(data / "faces" / "rafdb.zip") as archive:
        rows = [line.split(",") for line in archive.read(f"{part}_labels.csv").decode().split()[1:]]
        for name in (row[0] for row in rows if row[-1] == "7"):
            path = f"aligned/{part}/{part}_images/{name.removesuffix('.jpg').removesuffix('_aligned')}_aligned.jpg"
            image = cv2.imdecode(np.frombuffer(archive.read(path), np.uint8), cv2.IMREAD_COLOR)
            face = _animated(cv2.resize(image[:, :, ::-1], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), detector)
            found += [face] if face else []
            if len(found) == _STILLS:
                break
    return tuple(found)


def _animated(image: np.ndarray, detector: FaceDetector) -> _Face | None:
    """The still as a face that can open its mouth, if one frontal face is found in it."""
    around = SIDE // 2
    seen = detector.detect(cv2.copyMakeBorder(image, *[around] * 4, cv2.BORDER_CONSTANT, value=(110, 110, 110)))
    if len(seen) != 1 or seen.scores[0] < 0.999:
        return None
    eyes, mouth = seen.landmarks[0, :2] - around, seen.landmarks[0, 3:] - around
    middle, half, apart = mouth.mean(axis=0), abs(mouth[1, 0] - mouth[0, 0]) / 2, abs(eyes[1, 0] - eyes[0, 0])
    if abs(middle[0] - eyes[:, 0].mean()) > 0.15 * apart or half < 0.1 * SIDE or apart < 0.35 * SIDE:
        return None
    return _Face(image, (float(middle[1]), float(middle[0]), float(half)), float(eyes[:, 1].mean()))


@dataclass(frozen=True, slots=True, eq=False)
class _Fields:
    """How far each pixel of a still moves for a mouth that is wide open, a smile and a blink: (s, s) float32 each."""

    x: np.ndarray
    y: np.ndarray
    gap: np.ndarray
    jaw: np.ndarray
    smile: np.ndarray
    blink: np.ndarray


@cache
def _fields(face: _Face) -> _Fields:
    row, column, half = face.mouth
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    gap = 0.16 * SIDE * np.sqrt(np.clip(1 - ((x - column) / half) ** 2, 0, 1))
    chin = 0.10 * SIDE * np.exp(-(((x - column) / (1.6 * half)) ** 2))
    above = 0.25 * gap * np.exp(-(((row - y) / (SIDE / 17)) ** 2))
    below = 1 - np.clip((y - row) / max(1.0, SIDE - row), 0, 1)
    jaw = np.where(y > row, np.maximum(0.7 * gap, chin) * below, -above)
    smile = 0.18 * np.exp(-(((y - row) / (SIDE / 11)) ** 2)) * np.exp(-(((x - column) / half) ** 2)) * (x - column)
    blink = SIDE / 27 * np.exp(-(((y - face.eyes) / (SIDE / 27)) ** 2))
    return _Fields(x, y, gap, *(field.astype(np.float32) for field in (jaw, smile, blink)))


def opened(face: _Face, opening: float, smile: float, blink: float) -> np.ndarray:
    """The still with its mouth open by a share of the way (0 to 1), its corners drawn apart and its eyes shut."""
    f = _fields(face)
    moved = cv2.remap(
        face.image,
        (f.x - smile * f.smile).astype(np.float32),
        (f.y - opening * f.jaw - blink * f.blink).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    gap = opening * f.gap
    inside = np.clip(1.5 - np.abs(f.y - face.mouth[0] - 0.2 * gap) / np.maximum(0.5 * gap, 1e-3), 0, 1) * (gap > 1)
    share = 0.85 * inside[..., None].astype(np.float32)
    result: np.ndarray = moved * (1 - share) + _THROAT * share
    return result


class _Actor:
    """The face of a person over time: opening with the envelope, a listener's smiles, blinks, movements of the head."""

    def __init__(self, face: _Face, sound: np.ndarray, rng: np.random.Generator) -> None:
        self.face, frames = face, int(len(sound) / RATE * FPS) + 2
        padded = np.pad(sound, (0, 2 * RATE))
        power = np.add.reduceat(padded**2, np.arange(0, frames * RATE // FPS, RATE // FPS))[:frames]
        envelope = np.sqrt(power / (RATE // FPS))
        talking = np.convolve(envelope > 0.004, np.ones(9), "same") > 0
        scale = np.quantile(envelope[envelope > 0.004], 0.9) if (envelope > 0.004).any() else 1.0
        visemes = np.clip(0.75 + 0.35 * rng.standard_normal(frames), 0.2, 1.3)
        opening = np.clip(envelope / scale, 0, 1.2) ** 0.7 * visemes * rng.uniform(0.5, 1.0)
        opening = np.roll(np.convolve(opening, [0.25, 0.5, 0.25], "same"), int(rng.integers(-1, 3)))
        chews = _slow(rng, frames, 25) > 1.4
        self.opening = np.where(talking, opening, chews * np.abs(_slow(rng, frames, 3)) * 0.25)
        self.smile = np.clip(_slow(rng, frames, 20), 0, 1.5) + talking * 0.4 * np.abs(_slow(rng, frames, 3))
        self.blink = (np.arange(frames)[:, None] % int(rng.integers(60, 120)) < 3).any(axis=1).astype(float)
        liveliness = rng.uniform(0.6, 1.6) * np.where(talking, 1.4, 1.0)
        self.x, self.y = _slow(rng, frames, 12) * 3 * liveliness, _slow(rng, frames, 9) * 2.5 * liveliness
        self.turn = _slow(rng, frames, 14) * 2.5 * liveliness
        self.light = 1 + 0.04 * _slow(rng, frames, 40)

    def draw(self, frame: int, x: float, y: float, side: float, canvas: np.ndarray) -> None:
        """Draw the face of ``side`` pixels around a point of the canvas (h, w, 3) float32."""
        picture = opened(self.face, float(self.opening[frame]), float(self.smile[frame]), float(self.blink[frame]))
        room = int(side * 1.2) // 2 * 2
        left, top = int(np.clip(x - room / 2, 0, WIDTH - room)), int(np.clip(y - room / 2, 0, HEIGHT - room))
        matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(self.turn[frame]), side / SIDE)
        matrix[:, 2] += (room / 2 + self.x[frame] - SIDE / 2, room / 2 + self.y[frame] - SIDE / 2)
        mask = cv2.warpAffine(_mask(), matrix, (room, room))[..., None]
        face = cv2.warpAffine(picture, matrix, (room, room)) * np.float32(self.light[frame])
        part = canvas[top : top + room, left : left + room]
        part += (face - part) * mask


@cache
def _mask() -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    return np.clip((0.5 - np.hypot(x, y / 1.08)) / 0.06, 0, 1).astype(np.float32)


def _slow(rng: np.random.Generator, frames: int, width: float) -> np.ndarray:
    """Smooth noise of unit variance that changes within about ``width`` frames."""
    kernel = np.exp(-(np.arange(-3 * width, 3 * width + 1) ** 2) / (2 * width**2))
    rough = np.convolve(rng.standard_normal(frames + len(kernel)), kernel / np.sqrt((kernel**2).sum()), "same")
    result: np.ndarray = rough[:frames]
    return result


def _pictures(actors: Sequence[_Actor], film: Film, rng: np.random.Generator) -> Iterator[np.ndarray]:
    grain = rng.normal(0, rng.uniform(1, 4), (4, HEIGHT, WIDTH, 1)).astype(np.float32)
    backgrounds = {shot: _background(rng) for shot in film.shots}
    for frame in range(int(len(film.samples) / RATE * FPS)):
        shot = film.shot(frame / FPS)
        canvas = backgrounds[shot].copy()
        for person, x, y, side in shot.faces:
            actors[person].draw(frame, x, y, side, canvas)
        yield np.clip(canvas + grain[frame % 4], 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator) -> np.ndarray:
    rough = rng.integers(20, 220, (5, 8, 3)).astype(np.float32)
    smooth: np.ndarray = cv2.GaussianBlur(cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), (0, 0), 6)
    return smooth


def _write(target: Path, pictures: Iterator[np.ndarray], samples: np.ndarray, *, crf: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w") as out:
        video: Any = out.add_stream(
            "libx264", rate=FPS, options={"crf": str(crf), "preset": "veryfast", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = out.add_stream("aac", rate=RATE, layout="mono")
        for picture in pictures:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())
        whole = av.AudioFrame.from_ndarray(samples[None], layout="mono")
        whole.sample_rate = RATE
        out.mux(audio.encode(whole))
        out.mux(audio.encode())
