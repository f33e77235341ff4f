"""A corpus in MELD's layout from real speech and real faces, with known faults, to see whether a check finds them.

Voices are actors of RAVDESS and the two of TESS, whose sentences are known; faces are subjects of CK+, one a speaker
with several expressions, shown as a still. In each dialogue an actor of RAVDESS and a voice of TESS take turns.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

FAULTS = (
    "swapped transcripts",
    "silence",
    "another voice",
    "stranger's face",
    "partner's face",
    "no face",
    "several speakers",
    "truncated file",
)
STEPS: Mapping[str, tuple[str, ...]] = {
    "swapped transcripts": ("text",),
    "silence": ("audio", "text"),
    "another voice": ("voice",),
    "stranger's face": ("face",),
    "partner's face": ("face",),
    "no face": ("face",),
    "several speakers": ("speakers",),
    "truncated file": ("audio", "text"),
}
"""The steps whose business a fault is."""

WIDTH, HEIGHT, SIDE, FPS = 320, 240, 176, 10
_SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
_EMOTIONS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise"),
        strict=True,
    )
)
_TESS = {"angry": "anger", "happy": "joy", "sad": "sadness", "ps": "surprise"}
_COLUMNS = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season")
_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


@dataclass(frozen=True)
class Take:
    """One recorded sentence: whose voice, its file, what is said, with which emotion."""

    voice: str
    path: Path
    text: str
    emotion: str


@dataclass(frozen=True)
class Shot:
    """One utterance as it will be written."""

    dialogue: int
    turn: int
    speaker: str
    text: str
    take: Take
    face: np.ndarray | None  # RGB
    sound: str = "mono"  # mono, right of 2, third of 6, first of 6, silent, faint
    cut: float | None = None  # share of the file's bytes that is kept
    faststart: bool = False
    name: str | None = None  # as annotated, where it is not the speaker


@dataclass(frozen=True)
class Planted:
    """The folder of the corpus, and the fault of each utterance by id (None: clean)."""

    root: Path
    faults: Mapping[str, str | None]


@dataclass(frozen=True)
class Plan:
    """How large the corpus is: ``each`` utterances of every fault; a swap spoils two."""

    dialogues: int = 24
    turns: int = 10
    actors: int = 10
    voices: tuple[str, ...] = ("OAF", "YAF")
    each: int = 12
    seed: int = 0
    faults: Sequence[str] = field(default=FAULTS)


def build(data: Path, root: Path, plan: Plan | None = None) -> Planted:
    """Write the corpus below ``root``; the same plan gives the same corpus."""
    plan = plan or Plan()
    random = np.random.default_rng(plan.seed)
    shots = _dialogues(data, plan, random)
    faults = _assign(shots, plan, random)
    shots = _spoil(shots, faults, data=data, random=random)
    split = {number: _split(number, plan.dialogues) for number in range(plan.dialogues)}
    _write_tables(root, shots, split)
    named = {}
    for index, shot in enumerate(shots):
        folder = root / "MELD.Raw" / _FOLDERS[split[shot.dialogue]]
        folder.mkdir(parents=True, exist_ok=True)
        _write_clip(folder / f"dia{shot.dialogue}_utt{shot.turn}.mp4", shot, np.random.default_rng([plan.seed, index]))
        named[f"{split[shot.dialogue]}/dia{shot.dialogue}_utt{shot.turn}"] = faults.get(index)
    return Planted(root, named)


def _dialogues(data: Path, plan: Plan, random: np.random.Generator) -> list[Shot]:
    """The clean utterances: in every dialogue an actor and a voice of TESS, in turns."""
    actors = [f"{number + 1:02d}" for number in random.permutation(24)[: plan.actors]]
    takes = {voice: list(random.permutation(np.array(of(data, voice), object))) for voice in (*actors, *plan.voices)}
    pictures = _pictures(data, [*actors, *plan.voices], random)
    shots = []
    for dialogue in range(plan.dialogues):
        pair = (actors[dialogue % len(actors)], plan.voices[dialogue // len(actors) % len(plan.voices)])
        for turn in range(plan.turns):
            voice = pair[turn % 2]
            take = takes[voice].pop()
            faces = pictures[voice]
            faces.append(faces.pop(0))
            sound = ("mono", "third of 6", "right of 2", "first of 6")[turn % 4]
            shots.append(Shot(dialogue, turn, _name(voice), take.text, take, faces[-1], sound=sound))
    return shots


def of(data: Path, voice: str) -> list[Take]:
    """All takes of an actor of RAVDESS ("01" … "24") or a voice of TESS ("OAF", "YAF")."""
    takes = []
    if voice.isdigit():
        for path in sorted((data / "audio" / "ravdess").glob(f"*-{voice}.opus")):
            parts = path.stem.split("-")
            takes.append(Take(voice, path, _SENTENCES[parts[4]], _EMOTIONS[parts[2]]))
    else:
        for path in sorted((data / "audio" / "tess").glob(f"{voice}_*.opus")):
            _, word, emotion = path.stem.split("_")
            takes.append(Take(voice, path, f"Say the word {word}.", _TESS.get(emotion, emotion)))
    return takes


def _name(voice: str) -> str:
    return f"Actor{voice}" if voice.isdigit() else voice


def _pictures(data: Path, voices: Sequence[str], random: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """For each voice the pictures of one subject of CK+, those with the most pictures drawn at random."""
    subjects: dict[str, list[Path]] = {}
    for path in sorted((data / "faces" / "ckplus48").glob("*/*.png")):
        subjects.setdefault(path.name.split("_")[0], []).append(path)
    rich = [name for name, paths in sorted(subjects.items()) if len(paths) >= 9]
    chosen = random.permutation(rich)[: len(voices)]
    return {
        voice: [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in subjects[str(subject)]]
        for voice, subject in zip(voices, chosen, strict=True)
    }


def _assign(shots: Sequence[Shot], plan: Plan, random: np.random.Generator) -> dict[int, str]:
    """Draw which utterances are spoilt and how; what is swapped are neighbours, whose sentences differ in kind."""
    faults: dict[int, str] = {}
    free = list(random.permutation(len(shots)))
    if "swapped transcripts" in plan.faults:
        for index in list(free):
            if sum(fault == "swapped transcripts" for fault in faults.values()) >= 2 * -(-plan.each // 2):
                break
            other = index + 1
            if (
                other < len(shots)
                and shots[other].dialogue == shots[index].dialogue
                and not {index, other} & set(faults)
            ):
                faults |= {index: "swapped transcripts", other: "swapped transcripts"}
    left = [index for index in free if index not in faults]
    for fault in plan.faults:
        for _ in range(plan.each if fault != "swapped transcripts" else 0):
            wanted = fault == "another voice" and not plan.voices[1:]
            pick = next(i for i in left if not wanted or shots[i].speaker == plan.voices[0])
            left.remove(pick)
            faults[pick] = fault
    return faults


def _spoil(shots: Sequence[Shot], faults: Mapping[int, str], *, data: Path, random: np.random.Generator) -> list[Shot]:
    strangers = _strangers(data, sum(fault == "stranger's face" for fault in faults.values()), random)
    used = {shot.take.voice for shot in shots}
    seen: Counter[str] = Counter()
    result = list(shots)
    for index in sorted(faults):
        shot, fault = shots[index], faults[index]
        number, partner = (
            seen[fault],
            next(s for s in shots if s.dialogue == shot.dialogue and s.speaker != shot.speaker),
        )
        seen[fault] += 1
        if fault == "swapped transcripts":
            result[index] = replace(shot, text=shots[index - 1 if number % 2 else index + 1].text)
        elif fault == "another voice":
            result[index] = replace(shot, take=_same_words(data, shot, used, random))
        elif fault == "stranger's face":
            result[index] = replace(shot, face=strangers.pop())
        elif fault == "truncated file":
            result[index] = replace(shot, cut=float(random.uniform(0.3, 0.6)), faststart=bool(number % 2))
        else:
            result[index] = _plainly(shot, fault, number, partner)
    return result


def _plainly(shot: Shot, fault: str, number: int, partner: Shot) -> Shot:
    """The faults that take nothing but the dialogue itself."""
    several = (f"{shot.speaker} and {partner.speaker}", "All", "Both")[number % 3]
    return {
        "silence": replace(shot, sound=("faint", "silent")[number % 2]),
        "partner's face": replace(shot, face=partner.face),
        "no face": replace(shot, face=None),
        "several speakers": replace(shot, name=several),
    }[fault]


def _same_words(data: Path, shot: Shot, used: set[str], random: np.random.Generator) -> Take:
    """The same words by another voice: an actor who is no speaker of the corpus, or the other voice of TESS."""
    if shot.take.voice.isdigit():
        voices = [f"{number:02d}" for number in range(1, 25) if f"{number:02d}" not in used]
    else:
        voices = [voice for voice in ("OAF", "YAF") if voice != shot.take.voice]
    voice = str(random.choice(voices))
    takes = [take for take in of(data, voice) if take.text == shot.take.text]
    return takes[int(random.integers(len(takes)))]


def _strangers(data: Path, count: int, random: np.random.Generator) -> list[np.ndarray]:
    with zipfile.ZipFile(data / "faces" / "rafdb.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".png")))
        chosen = [names[int(i)] for i in random.choice(len(names), count, replace=False)]
        pictures = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR) for name in chosen]
    return [cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in pictures]


def _split(dialogue: int, dialogues: int) -> str:
    """Two thirds train, the rest dev and test by turns; a small corpus has dialogues in train alone."""
    return ("train", "train", "train", "train", "dev", "test")[dialogue % 6] if dialogues >= 6 else "train"


def _write_tables(root: Path, shots: Sequence[Shot], split: Mapping[int, str]) -> None:
    for name in _FOLDERS:
        target = io.StringIO()
        writer = csv.writer(target)
        writer.writerow((*_COLUMNS, "Episode", "StartTime", "EndTime"))
        own = [shot for shot in shots if split[shot.dialogue] == name]
        for number, shot in enumerate(own, 1):
            place = (shot.dialogue, shot.turn, 1, 1, "00:00:00,000", "00:00:02,000")
            writer.writerow((number, shot.text, shot.name or shot.speaker, shot.take.emotion, "neutral", *place))
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{name}_sent_emo.csv").write_text(target.getvalue(), "utf-8")


def _write_clip(path: Path, shot: Shot, random: np.random.Generator) -> None:
    samples, rate = soundfile.read(shot.take.path, dtype="float32")
    samples = samples / max(float(np.abs(samples).max()), 1e-6) * 0.7
    channels, layout = _channels(samples, shot.sound, random)
    options = {"movflags": "+faststart"} if shot.faststart else {}
    with av.open(str(path), "w", options=options) as container:
        film = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "18", "threads": "1"})
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        voice = container.add_stream("aac", rate=rate, layout=layout)
        picture = _canvas(shot.face, random)
        for number in range(round(len(samples) / rate * FPS)):
            noisy = picture + random.integers(-2, 3, picture.shape)
            frame = av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(film.encode(frame))
            _add_sound(container, voice, channels, (round(number * rate / FPS), round((number + 1) * rate / FPS), rate))
        for stream in (film, voice):
            container.mux(stream.encode(None))
    if shot.cut is not None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * shot.cut)])


def _add_sound(container: object, stream: object, channels: np.ndarray, piece: tuple[int, int, int]) -> None:
    first, last, rate = piece
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(channels)]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels[:, first:last]), format="fltp", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first
    container.mux(stream.encode(frame))  # type: ignore[attr-defined]


def _channels(samples: np.ndarray, sound: str, random: np.random.Generator) -> tuple[np.ndarray, str]:
    """The channels (c, n) and their layout; speech is in one of them, the others hold faint noise or nothing."""
    if sound == "silent":
        return np.zeros((1, len(samples)), np.float32), "mono"
    if sound == "faint":
        return (random.normal(size=(1, len(samples))) * 0.003).astype(np.float32), "mono"
    count, place = {"mono": (1, 0), "right of 2": (2, 1), "third of 6": (6, 2), "first of 6": (6, 0)}[sound]
    channels = np.zeros((count, len(samples)), np.float32)
    channels[place] = samples
    return channels, {1: "mono", 2: "stereo", 6: "5.1"}[count]


def _canvas(face: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
    """The still: the face in the middle of a blurred continuation of its edges, or a texture without a face."""
    if face is None:
        rough = random.integers(40, 200, (6, 8, 3)).astype(np.uint8)
        return cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.int64)
    large = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    y, x = (HEIGHT - SIDE) // 2, (WIDTH - SIDE) // 2
    edges = cv2.copyMakeBorder(large, y, HEIGHT - SIDE - y, x, WIDTH - SIDE - x, cv2.BORDER_REPLICATE)
    canvas = cv2.GaussianBlur(edges, (31, 31), 0)
    canvas[y : y + SIDE, x : x + SIDE] = large
    return canvas.astype(np.int64)
