"""Who speaks, with a picture: planted films of dialogues.

    python bench/who_speaks.py                      twelve films of the half that was tuned on
    python bench/who_speaks.py --half test          twelve films of the half that nothing was tuned on
    python bench/who_speaks.py --each 4 --keep DIR  four films, kept in a folder with all that is computed of them

Films are made by `bench.planting.film`; the bounds of utterances are given, who says them is not. "sound" and "both"
are utterances with the right speaker (speakers matched one to one) by sound alone and with the picture. "given" are
utterances with a face, of those in which their speaker is in one of the frames looked at; "right" are those whose faces
are their speaker's, of all utterances with a face. Error rates are of speech, without a collar, with the given bounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.planting.film import HEIGHT, WIDTH, Film, render, script
from bench.planting.voices import HALVES
from merc.cache import Cache, file_hash
from merc.conversation import Segment, Utterance
from merc.media.container import probe
from merc.paths import data_root
from merc.people.diarise import diarise
from merc.people.faces import FaceObservations
from merc.pipeline.evidence import Sounds
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.speakers import seen_and_heard
from merc.pipeline.transcription import Transcription
from merc.pipeline.turns import nearest_voice
from merc.pipeline.watching import LinkedFaces, detect_faces, link_faces
from merc.speech.vad import detect_speech


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a recording: by sound alone, with the picture, and the faces."""

    heard: AudioResult
    both: AudioResult
    faces: LinkedFaces
    seen: FaceObservations


def found(path: Path, samples: np.ndarray, segments: Sequence[Segment], cache: Cache) -> Found:
    """Analyse a recording whose utterances are known, but not who says them."""
    job = Job(path, probe(path), file_hash(path), AnalyzeOptions(threads=1), cache)
    rows = cache.json(job.key("bench voices"), lambda: _voices(samples, segments))
    speech = tuple(Segment(start, end) for start, end in rows["speech"])
    utterances = tuple(Utterance(f"u{n}", segment=segment) for n, segment in enumerate(segments))
    voices, end = tuple(rows["voices"]), job.probe.duration
    heard = AudioResult(samples, utterances, voices, (), (), Transcription(), (), end=end, speech=speech)
    detected = detect_faces(job, heard)
    both = seen_and_heard(heard, detected, Sounds(job, heard), job.options)
    if detected.faces is None:
        raise SystemExit(f"{path}: {detected.reason}")
    return Found(heard, both, link_faces(both, detected), detected.faces)


def _voices(samples: np.ndarray, segments: Sequence[Segment]) -> dict[str, list[Any]]:
    """The voice of each utterance by its sound alone, and where speech is."""
    speech = detect_speech(samples)
    turns = diarise(samples, speech).turns
    voices = [nearest_voice(segment, turns, reach=60.0) or 0 for segment in segments]
    return {"voices": voices, "speech": [[part.start, part.end] for part in speech]}


def right(truth: Sequence[Hashable], voices: Sequence[Hashable]) -> list[bool]:
    """Which utterances have the right speaker, with voices and people matched one to one."""
    people, names = sorted(set(truth), key=str), sorted(set(voices), key=str)
    table = np.zeros((len(people), len(names)))
    for person, voice in zip(truth, voices, strict=True):
        table[people.index(person), names.index(voice)] += 1
    pairs = {people[i]: names[j] for i, j in zip(*linear_sum_assignment(-table), strict=True)}
    return [pairs.get(person) == voice for person, voice in zip(truth, voices, strict=True)]


def film(path: Path, planted: Film, cache: Cache) -> Counter[str]:
    """Counts of one film."""
    segments = [turn.segment for turn in planted.turns]
    result = found(path, planted.samples, segments, cache)
    truth = [planted.names.index(turn.speaker) for turn in planted.turns]
    counts = Counter(utterances=len(truth), films=1)
    for name, audio in (("sound", result.heard), ("both", result.both)):
        correct = right(truth, audio.voices)
        counts[name] = sum(correct)
        counts[f"{name} seconds"] = sum(s.duration for s, ok in zip(segments, correct, strict=True) if not ok)
        counts[f"{name} speakers"] = int(len(set(audio.voices)) == len(set(truth)))
    counts["seconds"] = sum(segment.duration for segment in segments)
    for segment, person, face in zip(segments, truth, result.faces.faces, strict=True):
        shown = _shown(planted, segment, result.seen, person)
        counts["seen"] += shown
        counts["given"] += shown and face.reason is None
        if face.reason is None:
            counts["faces"] += 1
            counts["right"] += _whose(planted, face.times, face.embeddings, result.seen) == person
    return counts


def _shown(planted: Film, segment: Segment, seen: FaceObservations, person: int) -> bool:
    """Whether a person is shown in one of the frames that were looked at within a segment."""
    times = [time for time in seen.frame_times if segment.start <= time < segment.end]
    return any(person in {face[0] for face in planted.shot(time).faces} for time in times)


def _whose(planted: Film, times: Sequence[float], embeddings: np.ndarray | None, seen: FaceObservations) -> int | None:
    """Whose most faces of an utterance are: the person who was drawn nearest to each."""
    votes: Counter[int] = Counter()
    for time, embedding in zip(times, embeddings if embeddings is not None else (), strict=True):
        rows = np.flatnonzero(seen.times == time)
        box = seen.boxes[rows[np.abs(seen.embeddings[rows] - embedding).sum(axis=1).argmin()]]
        x, y = (box[0] + box[2]) / 2 * WIDTH, (box[1] + box[3]) / 2 * HEIGHT
        drawn = planted.shot(time).faces
        if drawn:
            votes[min(drawn, key=lambda face: (face[1] - x) ** 2 + (face[2] - y) ** 2)[0]] += 1
    return votes.most_common(1)[0][0] if votes else None


def planted(data: Path, half: str, count: int, folder: Path) -> None:
    """Print the counts of each film and the shares of all."""
    cache, total = Cache(folder / "cache"), Counter[str]()
    for seed in range(count):
        path, one = folder / f"{half}-{seed}.mp4", script(data, half, seed)
        if not path.exists():
            render(data, half, one, path)
        counts = film(path, one, cache)
        total += counts
        print(f"{half} {seed}: {len(one.names)} people, " + _line(counts), flush=True)
    print(f"\n{half}, {count} films: " + _line(total))
    for name, part, whole in (
        ("right speaker, sound alone", "sound", "utterances"),
        ("right speaker, with the picture", "both", "utterances"),
        ("number of speakers right, sound alone", "sound speakers", "films"),
        ("number of speakers right, with the picture", "both speakers", "films"),
        ("error rate, sound alone", "sound seconds", "seconds"),
        ("error rate, with the picture", "both seconds", "seconds"),
        ("faces right where given", "right", "faces"),
        ("faces given where the speaker is seen", "given", "seen"),
    ):
        print(f"  {name:<45}{total[part] / max(1, total[whole]):.3f}")


def _line(counts: Counter[str]) -> str:
    return (
        f"{counts['sound']} and {counts['both']} of {counts['utterances']} utterances by sound and both, "
        f"{counts['given']} of {counts['seen']} seen given, {counts['right']} of {counts['faces']} faces right"
    )


def main() -> None:
    """Parse arguments and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="tuning")
    parser.add_argument("--each", type=int, default=12, help="films")
    parser.add_argument("--keep", type=Path, help="folder for films and intermediate results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        planted(data_root(), arguments.half, arguments.each, folder)


if __name__ == "__main__":
    main()
