"""Speed and accuracy of face detection, face embeddings, identity, and face-voice linking.

    MERC_DATA=corpora python bench/faces.py

Seconds are CPU time on one thread, medians of interleaved rounds. Identity: ROC AUC over pairs of CK+ images of the
same or of different people. Linking: dialogue 29 of the development split of MELD with its annotated turns.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from merc.conversation import Segment
from merc.media.video import Frame, frames, sample_times
from merc.nn.facenet import FaceNet, crop, upright
from merc.paths import data_root
from merc.people.faces import FaceDetector, FaceOptions, observe
from merc.people.link import link
from merc.people.mouth import glimpses

DATA = data_root()


@dataclass(frozen=True)
class Turn:
    speaker: str
    segment: Segment


def row(what: str, value: str) -> None:
    print(f"{what:<66}{value:>24}")


def medians(methods: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds + 1):
        for name, method in methods.items():
            start = time.process_time()
            method()
            spent[name].append(time.process_time() - start)
    return {name: float(np.median(values[1:])) for name, values in spent.items()}


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def dialogue() -> tuple[list[Turn], list[Frame]]:
    """Turns of the dialogue, sampled frames and the brightness of those between, in time of the dialogue."""
    with (DATA / "meld" / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    zero = seconds(rows[0]["StartTime"])
    turns = [Turn(r["Speaker"], Segment(seconds(r["StartTime"]) - zero, seconds(r["EndTime"]) - zero)) for r in rows]
    return turns, [frame for r, turn in zip(rows, turns, strict=True) for frame in shots(r["Utterance_ID"], turn)]


def shots(number: str, turn: Turn) -> Iterator[Frame]:
    path = DATA / "meld" / "MELD.Raw" / "dev_splits_complete" / f"dia29_utt{number}.mp4"
    wanted = sample_times(Segment(0, turn.segment.duration))
    for frame in frames(path, wanted, grey=glimpses(wanted, end=turn.segment.duration)):
        yield Frame(turn.segment.start + frame.time, frame.actual, frame.image)


def costs(pictures: list[np.ndarray]) -> None:
    small = [cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA) for picture in pictures]
    fine, coarse = FaceDetector(), FaceDetector(FaceOptions(smallest=30))
    methods: dict[str, Callable[[], object]] = {
        "640x360, faces from 40 px": lambda: [fine.detect(picture) for picture in small],
        "640x360, faces from 30 px": lambda: [coarse.detect(picture) for picture in small],
        "1280x720 (shrunk to 360), from 40 px": lambda: [fine.detect(picture) for picture in pictures],
    }
    if hasattr(cv2, "CascadeClassifier"):  # OpenCV 4; 5 has moved it to opencv_contrib
        haar = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
        grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in small]
        methods["OpenCV's Haar cascade, 640x360, from 40 px"] = lambda: [
            haar.detectMultiScale(g, minSize=(40, 40)) for g in grey
        ]
    else:
        row("detect, OpenCV's Haar cascade", "not in this OpenCV")
    found = {name: sum(len(faces) for faces in method()) for name, method in methods.items()}  # type: ignore[misc, attr-defined]
    for name, spent in medians(methods, rounds=3).items():
        row(f"detect, {name}", f"{spent / len(small):.4f} s/frame, {found[name]} faces")
    crops = np.stack([crop(p, fine.detect(p).boxes[0]) for p in pictures if len(fine.detect(p))][:16])
    nets = {"fp32": FaceNet.load(bfloat16=False), "bf16": FaceNet.load(bfloat16=True)}
    for size in (1, 16):
        some = crops[:size]
        spent = medians({name: lambda net=net, some=some: net.embed(some) for name, net in nets.items()})
        for name, value in spent.items():
            row(f"FaceNet {name}, batch of {size}", f"{value / size:.4f} s/face")
    cosine = (nets["fp32"].embed(crops) * nets["bf16"].embed(crops)).sum(axis=1).min()
    row("minimum cosine of bf16 and fp32", f"{cosine:.5f}")


def identity() -> None:
    paths = sorted((DATA / "faces" / "ckplus48").glob("*/*.png"))[::3]
    names = np.array([re.sub(r"_.*", "", path.name) for path in paths])
    net = FaceNet.load()
    pictures = np.stack([cv2.resize(cv2.imread(str(path)), (160, 160)) for path in paths])
    vectors = np.concatenate([net.embed(pictures[start : start + 16]) for start in range(0, len(pictures), 16)])
    pairs = np.triu_indices(len(names), 1)
    same = (names[:, None] == names)[pairs]
    auc = roc_auc_score(same, (vectors @ vectors.T)[pairs])
    row(f"identity, CK+ at 48x48, {len(names)} images of {len(set(names))} people", f"AUC {auc:.4f}")


def whose() -> list[np.ndarray]:
    turns, pictures = dialogue()
    observe(pictures[:2])  # imports
    start = time.process_time()
    seen = observe(pictures)
    spent = (time.process_time() - start) / len(seen.frame_times)
    per_frame = len(seen) / len(seen.frame_times)
    row("total on 1280x720 (detection, identity, expression, people)", f"{spent:.4f} s/frame")
    row("frames, faces per frame", f"{len(seen.frame_times)}, {per_frame:.2f}")
    row("frames by person", ", ".join(map(str, np.bincount(seen.people))))
    links = link(seen, turns)
    faces = [links.speaker_face(turn.segment, turn.speaker) for turn in turns]
    linked = ", ".join(f"{voice} {found.people} ({found.margin:.1f})" for voice, found in links.links.items())
    row(f"people linked: {linked}", "")
    row("utterances with a face", f"{sum(face.embeddings is not None for face in faces)} of {len(turns)}")
    for number, face in enumerate(faces):
        if face.reason:
            row(f"  utterance {number} ({turns[number].segment.duration:.1f} s): {face.reason}", "")
    return [frame.image for frame in pictures[::4]]


if __name__ == "__main__":
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    images = whose()
    costs(images)
    identity()
    face = FaceDetector().detect(images[0])
    if len(face):
        spent = medians({"upright": lambda: upright(images[0], face.landmarks[0])})["upright"]
        row("one upright crop", f"{spent:.4f} s")
