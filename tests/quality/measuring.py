"""Measurements made up from the names of files, for checks without models; importable by the measuring processes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import MediaError, WeightError
from merc.quality.measure import Measured, Task, failed

SPEAKERS = ("Ann", "Bob")


def unit(name: str, size: int = 512) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    vector = np.random.default_rng(seed).normal(size=size)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def sound(
    heard: str = "yes",
    *,
    voice: str = "Ann",
    peak: int = 9000,
    channel: str = "mono",
    lost: str = "",
    seconds: float = 1.5,
) -> Measured:
    return {
        "channel": np.array(channel),
        "seconds": np.array(seconds),
        "declared": np.array(1.5),
        "lost": np.array(lost),
        "peak": np.array(peak),
        "speech": np.array(1.2),
        "heard": np.array(heard),
        "voice": unit(voice, 192),
    }


def faces(*people: str, frames: int = 2, strange: float = 0.0, lost: str = "") -> Measured:
    """Each frame shows all the people; ``strange`` mixes something else into every face."""
    times = [0.5 + n for n in range(frames)]
    rows = [(time, index, person) for time in times for index, person in enumerate(people)]
    mixed = [unit(person) + strange * unit(f"{person}{time}") for time, _, person in rows]
    return {
        "frames": np.array(times),
        "wanted": np.array(times),
        "times": np.array([time for time, _, _ in rows], np.float64),
        "boxes": np.array([[0.1 + 0.3 * n, 0.1, 0.3 + 0.3 * n, 0.5] for _, n, _ in rows]).reshape(-1, 4),
        "scores": np.full(len(rows), 0.99),
        "embeddings": np.array([v / np.linalg.norm(v) for v in mixed], np.float32).reshape(-1, 512),
        "lost": np.array(lost),
    }


def corpus(folder: Path, *, dialogues: int = 4, length: int = 5) -> list[Conversation]:
    """Dialogues of Ann and Bob by turns; every utterance has a clip, an empty file whose name says all."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(dialogues):
        utterances = []
        for turn in range(length):
            name = f"dia{number}_utt{turn}"
            path = folder / f"{name}_{SPEAKERS[turn % 2]}.mp4"
            path.touch()
            os.utime(path, (1, 1))
            utterances.append(
                Utterance(name, SPEAKERS[turn % 2], f"line {turn}", label="joy", meta={"media": str(path)})
            )
        made.append(Conversation(f"dia{number}", tuple(utterances), {"split": "train"}))
    return made


def measure(task: Task, *, log: str | None = None, seconds: float = 0.0) -> Measured:
    """Say what the file's name says; a name with "broken", "crash" or "hang" does that."""
    name = Path(task.path).stem
    time.sleep(seconds)
    if "broken" in name:
        raise MediaError(f"{name}.mp4: cannot be decoded")
    if "crash" in name:
        os._exit(9)
    if "hang" in name:
        time.sleep(600)
    if "unfetched" in name:
        raise WeightError("weight 'mtcnn' not fetched yet: run 'merc weights get mtcnn'")
    if log:
        with Path(log).open("a") as file:
            file.write(f"{task.key}\n")
    speaker = name.rpartition("_")[2]
    if task.part == "sound":
        return sound(f"line {name.split('_')[1][3:]}", voice=speaker)
    if task.part == "words":
        return {"cosine": np.array(1.0 if task.texts[0] == task.texts[1] else 0.0)}
    return faces(speaker, strange=0.1)


def heard_alone() -> Callable[[Task], Measured]:
    """As ``build``, of recordings without a picture."""
    return _heard


def _heard(task: Task) -> Measured:
    if task.part == "faces":
        return {**failed(f"{Path(task.path).name}: holds no video"), "sound_only": np.array(True)}
    return measure(task)


def build(log: str | None = None, seconds: float = 0.0) -> Callable[[Task], Measured]:
    return partial(measure, log=log, seconds=seconds)
