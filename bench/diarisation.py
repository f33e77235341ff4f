"""Who speaks, by sound alone: error rates and numbers of speakers, on planted dialogues, reference clips and a series.

    python bench/diarisation.py                                planted dialogues of the tuning half, clips and series
    python bench/diarisation.py --half test --sets planted     the half that nothing was tuned on
    python bench/diarisation.py --sets noise room --each 10    two kinds, ten dialogues each
    python bench/diarisation.py --keep FOLDER                  keep what is heard: the next run takes seconds

Error rate = (missed + false alarm + confusion) / speech with an unknown number of speakers, all seconds of a set
pooled; 0.25 s on each side of a reference boundary are not scored (NIST's collar of .25, which is 0.5 in
pyannote.metrics). "one voice" leaves overlapping speech out. "right" is the share of recordings whose number of
speakers is found. Planted dialogues have 2 to 6 people in turn ("many" 7 and 8, "alone" one: not in the sum); the
halves share no person. "series" is a dialogue with the bounds of its utterances given: how many have the right voice.
"""

from __future__ import annotations

import argparse
import csv
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from pyannote.core import Annotation
from pyannote.core import Segment as Stretch
from pyannote.core import Timeline as Stretches
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.planting.dialogues import Scene, plant
from bench.planting.voices import HALVES, Person, people
from merc.conversation import Segment
from merc.media.audio import decode_mono
from merc.paths import data_root
from merc.people.diarise import Diarisation, Listened, diarise, listen, told_apart
from merc.pipeline.turns import nearest_voice
from merc.speech.vad import detect_speech

RATE = 16000
CLIPS = (("sample", "sample.rttm"), *((f"trn0{i}", "debug.train.rttm") for i in (1, 2, 3)))
SCENES = {
    "plain": Scene(),
    "mixed": Scene(),
    "alike": Scene(),
    "short": Scene(short=0.7, pause=0.3),
    "overlap": Scene(short=0.3, overlap=0.35),
    "noise": Scene(short=0.3, snr=(5, 20)),
    "room": Scene(short=0.3, room=(0.2, 0.7)),
    "levels": Scene(short=0.3, levels=20),
    "meeting": Scene(short=0.5, overlap=0.2, levels=10, snr=(5, 20), room=(0.2, 0.6), pause=0.4),
    "many": Scene(seconds=75, short=0.3),
    "alone": Scene(short=0.3),
}
"""Kinds of planted dialogues. "mixed": of several corpora, "alike": of one sex and corpus; others are of one corpus."""
_CLIPS_EACH = 14  # clips of a person in a dialogue
_COLUMNS = ("error", "one voice", "missed", "false alarm", "confusion", "right", "off by", "cpu s/min")


@dataclass(frozen=True)
class Recording:
    """A recording with its reference turns."""

    samples: np.ndarray
    truth: Annotation


@dataclass(frozen=True)
class Kept:
    """What is heard of a recording before voices are told apart, its reference turns, and the seconds that it took."""

    heard: Listened
    truth: Annotation
    cpu: float


Named = tuple[str, Callable[[], Recording]]
"""A recording's name, and what makes it."""


@dataclass(frozen=True)
class Score:
    """Seconds of one recording, and its numbers of speakers."""

    scored: float
    missed: float
    false_alarm: float
    confusion: float
    scored_alone: float
    wrong_alone: float
    found: int
    true: int
    cpu: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of all corpora (default: $MERC_DATA)")
    parser.add_argument("--half", choices=HALVES, default="tuning")
    parser.add_argument("--sets", nargs="+", default=["planted", "clips", "series"])
    parser.add_argument("--each", type=int, default=5, help="planted dialogues of each kind")
    parser.add_argument("--keep", type=Path, help="folder for what is heard of each recording, read by the next run")
    parser.add_argument("--each-recording", action="store_true", help="print one line a recording, too")
    arguments = parser.parse_args()
    data = data_root(arguments.data)
    kinds = [kind for name in arguments.sets for kind in (SCENES if name == "planted" else [name])]
    kept(None, next(clips(data)))  # the first run imports torch
    print(f"half: {arguments.half}; {arguments.each} dialogues of each kind")
    print(f"| {'set':<9} | n | " + " | ".join(_COLUMNS) + " |\n" + "|---" * (len(_COLUMNS) + 2) + "|")
    planted: list[Score] = []
    for kind in kinds:
        if kind == "series":
            series(data)
            continue
        source = clips(data) if kind == "clips" else dialogues(data, arguments.half, kind, arguments.each)
        scores = []
        for recording in source:
            scores.append(measure(kept(arguments.keep, recording)))
            if arguments.each_recording:
                print(f"  {row(f'{scores[-1].found}/{scores[-1].true}', scores[-1:])}")
        print(row(kind, scores), flush=True)
        planted += scores if kind not in ("many", "alone", "clips") else []
    if planted:
        print(row("planted", planted))


def dialogues(data: Path, half: str, kind: str, each: int) -> Iterator[Named]:
    """Planted dialogues of one kind."""
    everybody = people(data, half)
    for number in range(each):
        yield f"{half}-{kind}-{number}", partial(dialogue, everybody, half, kind, number)


def dialogue(everybody: Sequence[Person], half: str, kind: str, number: int) -> Recording:
    """One planted dialogue."""
    random = np.random.default_rng([HALVES.index(half), list(SCENES).index(kind), number])
    count = {"many": 7 + number % 2, "alone": 1}.get(kind, 2 + number % 5)
    chosen = cast(everybody, kind, count, random)
    made = plant({p.name: p.clips(_CLIPS_EACH, random) for p in chosen}, SCENES[kind], int(random.integers(1 << 31)))
    truth = Annotation()
    for track, turn in enumerate(made.turns):
        truth[Stretch(turn.segment.start, turn.segment.end), track] = turn.speaker
    return Recording(made.samples, truth)


def cast(everybody: Sequence[Person], kind: str, count: int, random: np.random.Generator) -> list[Person]:
    """Who speaks in a dialogue: people of one corpus, of one sex and corpus ("alike"), or of all ("mixed")."""
    groups: dict[tuple[str, ...], list[Person]] = {}
    for person in everybody:
        key = {"mixed": (), "many": (), "alike": (person.corpus, person.sex)}.get(kind, (person.corpus,))
        groups.setdefault(key, []).append(person)
    large = [group for group in groups.values() if len(group) >= count]
    group = large[random.integers(len(large))]
    return [group[i] for i in random.permutation(len(group))[:count]]


def clips(data: Path) -> Iterator[Named]:
    """The reference clips: meetings of 30 and 60 s."""
    for name, rttm in CLIPS:
        yield name, partial(clip, data / "clips", name, rttm)


def clip(folder: Path, name: str, rttm: str) -> Recording:
    """One reference clip."""
    sound, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")  # some are of floats
    if rate != RATE:
        raise SystemExit(f"{name}.wav: {rate} Hz, expected {RATE}")
    truth = Annotation()
    for number, line in enumerate((folder / rttm).read_text(encoding="utf-8").splitlines()):
        fields = line.split()
        if fields[1] == name:
            start = float(fields[3])
            truth[Stretch(start, start + float(fields[4])), number] = fields[7]
    return Recording(np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16), truth)


def kept(folder: Path | None, recording: Named) -> Kept:
    """What is heard of a recording, from a folder where it is there."""
    name, make = recording
    path = folder / f"{name}.pickle" if folder else None
    if path and path.exists():
        found: Kept = pickle.loads(path.read_bytes())  # noqa: S301 - of this bench's own making
        return found
    made = make()
    speech = detect_speech(made.samples)
    begun = time.process_time()
    found = Kept(listen(made.samples, speech), made.truth, time.process_time() - begun)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(found))
    return found


def measure(recording: Kept) -> Score:
    """Tell the voices of a recording apart and compare."""
    truth, end = recording.truth, recording.heard.end
    begun = time.process_time()
    found = told_apart(recording.heard)
    spent = recording.cpu + time.process_time() - begun
    turns = annotation(found)
    whole = Stretches([Stretch(0, end)])
    parts = DiarizationErrorRate(collar=0.5, skip_overlap=False)(truth, turns, uem=whole, detailed=True)
    alone = DiarizationErrorRate(collar=0.5, skip_overlap=True)(truth, turns, uem=whole, detailed=True)
    return Score(
        scored=parts["total"],
        missed=parts["missed detection"],
        false_alarm=parts["false alarm"],
        confusion=parts["confusion"],
        scored_alone=alone["total"],
        wrong_alone=alone["missed detection"] + alone["false alarm"] + alone["confusion"],
        found=found.count,
        true=len(truth.labels()),
        cpu=spent,
        seconds=end,
    )


def annotation(found: Diarisation) -> Annotation:
    turns = Annotation()
    for number, turn in enumerate(found.turns):
        turns[Stretch(turn.segment.start, turn.segment.end), number] = str(turn.speaker)
    return turns


def row(name: str, scores: Sequence[Score]) -> str:
    """A line of the table: seconds are pooled, numbers of speakers are of recordings."""
    total = {field: sum(getattr(score, field) for score in scores) for field in Score.__dataclass_fields__}
    shares = [total[field] / total["scored"] for field in ("missed", "false_alarm", "confusion")]
    right = np.mean([score.found == score.true for score in scores])
    off = np.mean([abs(score.found - score.true) for score in scores])
    alone = total["wrong_alone"] / max(1e-9, total["scored_alone"])
    values = [sum(shares), alone, *shares, right, off, 60 * total["cpu"] / total["seconds"]]
    return f"| {name:<9} | {len(scores)} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


def series(data: Path) -> None:
    """The dialogue of a series whose clips are there: speakers found, and utterances with the right one."""
    folder = data / "meld" / "MELD.Raw" / "dev_splits_complete"
    with (data / "meld" / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    sounds, segments, time_ = [], [], 0.0
    for row in rows:
        sounds.append(np.array(decode_mono(folder / f"dia29_utt{row['Utterance_ID']}.mp4").samples))
        segments.append(Segment(time_, time_ + len(sounds[-1]) / RATE))
        time_ = segments[-1].end
    samples = np.concatenate(sounds)
    found = diarise(samples, detect_speech(samples))
    voices = [nearest_voice(segment, found.turns, reach=1.0) for segment in segments]
    pairs = Counter((row["Speaker"], voice) for row, voice in zip(rows, voices, strict=True))
    names, numbers = sorted({name for name, _ in pairs}), sorted({voice for _, voice in pairs if voice is not None})
    table = np.array([[pairs[name, number] for number in numbers] for name in names])
    right = table[linear_sum_assignment(-table)].sum()
    print(f"series: {found.count} speakers of {len(names)}, {right} of {len(rows)} utterances with the right one")


if __name__ == "__main__":
    main()
