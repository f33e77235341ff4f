"""The two halves meet: what is trained on a corpus analyses recordings of other people, by the commands of a user.

    MERC_DATA=corpora python bench/halves.py --keep DIR          the whole; what is there in DIR is not made again
    MERC_DATA=corpora python bench/halves.py --pairs 2,1,1 --systems concat        a small one

Dialogues of two people are joined from clips of RAVDESS, each a recording of its own, with pauses; a label is what is
said and how (two sentences, three ways). A manifest describes them: training, validation and test have different
people. Then, each by its command: ``merc check``, ``merc prepare``, ``merc train``, ``merc evaluate`` on the test part,
and ``merc analyze --system`` of the test part's recordings, of which each system knows nothing: with the annotated
utterances (words, times, speakers), with the turns alone (the words are recognised), and with the sound alone.

"found" are annotated utterances that an utterance of the analysis covers by half or more; "as evaluate" are those of
all annotated ones whose label is the one that ``merc evaluate`` predicted, and "accuracy" those with the annotated one.
Below are the reasons of other labels, of which one may have several: what the analysis states of missing evidence, what
the check has removed, of which the evaluation has no features, and words or bounds that are not those of the truth.
Each analysis is made twice, the second time without what is in the cache; exit code 1 where bytes differ, or where an
analysis with the annotated utterances has other labels than the evaluation without a reason that it states.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.planting.voices import RATE, trimmed
from merc.paths import data_root
from merc.systems import SYSTEMS

SENTENCES = {"01": ("kids", "Kids are talking by the door."), "02": ("dogs", "Dogs are sitting by the door.")}
MANNERS = {"02": "calm", "04": "sad", "05": "angry"}
PARTS = ("train", "dev", "test")
TURNS = 12
COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "start", "end", "media", "split")
KINDS = {"annotated utterances": ".csv", "turns": ".rttm", "nothing": ""}
"""What an analysis is given beside the recording, and the extension of its file."""
ENCODERS = {"text": "mpnet", "voice": "short-term"}
"""What is encoded, and what the systems read; the descriptors of the sound need no weights and little time."""
Row = dict[str, str]
_REMOVED = ("utterance", "step", "reason")


@dataclass(frozen=True)
class Agreement:
    """An analysis against the truth and the evaluation: counts of annotated utterances."""

    all: int
    found: int
    same: int
    right: int
    reasons: Counter[str]
    unexplained: int


def corpus(data: Path, folder: Path, pairs: Sequence[int]) -> Path:
    """Join the dialogues and write the manifest; ``pairs`` are the pairs of people of each part."""
    table = folder / "halves.csv"
    if table.exists():
        return table
    (folder / "media").mkdir(parents=True, exist_ok=True)
    rng, rows, actor = np.random.default_rng(0), [], 1
    for part, count in zip(PARTS, pairs, strict=True):
        for pair in range(count):
            clips = _clips(data, (actor, actor + 1), rng)
            actor += 2
            for first in range(0, len(clips) - TURNS + 1, TURNS):
                rows += _dialogue(folder, f"{part}{pair}-{first // TURNS}", part, clips[first : first + TURNS], rng)
    with table.with_suffix(".part").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    stated = 'title = "Joined dialogues"\nlicence = "CC BY-NC-SA 4.0"\n[protocol]\nspeakers_apart = true\n'
    table.with_suffix(".toml").write_text(stated, encoding="utf-8")
    return table.with_suffix(".part").replace(table)


def _clips(data: Path, actors: tuple[int, int], rng: np.random.Generator) -> list[Path]:
    """The clips of two people in turn, each in an order of its own."""
    own = []
    for actor in actors:
        paths = [
            path
            for path in sorted((data / "audio" / "ravdess").glob(f"*-{actor:02}.opus"))
            if path.stem.split("-")[2] in MANNERS
        ]
        if not paths:
            raise SystemExit(f"{data}: no clips of RAVDESS' actor {actor}; set MERC_DATA")
        own.append([paths[i] for i in rng.permutation(len(paths))])
    return [path for two in zip(*own, strict=True) for path in two]


def _dialogue(folder: Path, name: str, part: str, clips: Sequence[Path], rng: np.random.Generator) -> list[Row]:
    """Write a dialogue, and return its rows of the manifest."""
    pieces, rows, clock = [np.zeros(RATE // 2, np.float32)], [], 0.5
    for number, path in enumerate(clips):
        sound = trimmed(soundfile.read(path, dtype="float32")[0])
        what, text = SENTENCES[path.stem.split("-")[4]]
        pause = np.zeros(round(rng.uniform(0.4, 1.2) * RATE), np.float32)
        end = clock + len(sound) / RATE
        label, speaker = f"{what} {MANNERS[path.stem.split('-')[2]]}", f"actor {path.stem.split('-')[6]}"
        values = (name, f"{name}_{number:02}", speaker, text, label, f"{clock:.3f}", f"{end:.3f}", f"media/{name}.wav")
        rows.append(dict(zip(COLUMNS, (*values, part), strict=True)))
        pieces += [sound, pause]
        clock = end + len(pause) / RATE
    soundfile.write(folder / "media" / f"{name}.wav", np.concatenate(pieces), RATE, subtype="PCM_16")
    return rows


def merc(*arguments: str | Path, cache: Path | None = None) -> str:
    """Run the command as a user does, and return what it prints; a failure ends the bench with its message."""
    call = [sys.executable, "-m", "merc", *map(str, arguments)]
    began = time.perf_counter()
    more = {"MERC_CACHE": str(cache)} if cache else {}
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, **more}, check=False)
    shown = " ".join(call[2:])
    print(f"{time.perf_counter() - began:7.1f} s  {shown[:140]}", flush=True)
    if done.returncode:
        raise SystemExit(f"{shown}\nexit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def rows_of(table: Path) -> list[Row]:
    """The rows of a CSV table."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prepared(table: Path, folder: Path) -> Path:
    """The store of the corpus, checked first."""
    store = folder / "store"
    if not (folder / "prepared").exists():
        name = f"manifest:{table}"
        merc("check", name, "--out", folder / "check", "--workers", "1", "-q")
        given = ["--verified", folder / "check" / "verified.parquet", "--encoders", ",".join(ENCODERS.values())]
        merc("prepare", name, "--out", store, *given, "--workers", "1", "-q")
        (folder / "prepared").touch()
    return store


def trained(system: str, table: Path, store: Path, folder: Path) -> tuple[Path, dict[str, Row]]:
    """The run of a system, and its answers on the test part by utterance."""
    run = folder / "runs" / system
    answers = run / "answers.csv"
    if not answers.exists():
        features = ",".join(f"{kind}={store}:{name}" for kind, name in ENCODERS.items())
        settings = ["--set", "epochs=60", "--set", "learning_rate=0.001"]
        merc("train", system, "--corpus", f"manifest:{table}", "--features", features, *settings, "--out", run, "-q")
        merc("evaluate", run, "--split", "test", "--predictions", answers)
    return run, {row["utterance"]: row for row in rows_of(answers)}


def given(kind: str, rows: Sequence[Row], folder: Path) -> Path | None:
    """A folder with what an analysis of each recording is given; None: nothing."""
    suffix = KINDS[kind]
    if not suffix:
        return None
    place = folder / f"given{suffix}"
    place.mkdir(exist_ok=True)
    by_recording: dict[str, list[Row]] = {}
    for row in rows:
        by_recording.setdefault(row["conversation"], []).append(row)
    for name, own in by_recording.items():
        if suffix == ".csv":
            lines = ["start,end,speaker,text", *(f"{r['start']},{r['end']},{r['speaker']},{r['text']}" for r in own)]
        else:
            spans = [
                (float(r["start"]), float(r["end"]) - float(r["start"]), r["speaker"].replace(" ", "-")) for r in own
            ]
            lines = [f"SPEAKER {name} 1 {s:.3f} {d:.3f} <NA> <NA> {who} <NA> <NA>" for s, d, who in spans]
        (place / f"{name}{suffix}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def analysed(run: Path, kind: str, rows: Sequence[Row], folder: Path) -> tuple[Path, bool]:
    """The results of the test recordings, and whether a second analysis without a cache wrote the same bytes."""
    recordings = sorted({folder / row["media"] for row in rows})
    transcript = given(kind, rows, folder)
    more = ["--transcript", transcript] if transcript else []
    outs = [folder / "analyses" / run.name / f"{kind.replace(' ', '-')}-{number}" for number in range(2)]
    for number, out in enumerate(outs):
        if not (out / "done").exists():
            with tempfile.TemporaryDirectory(prefix="merc-cache-") as empty:
                cache = Path(empty) if number else folder / "cache"
                options = ["--system", run, "--formats", "json", "--workers", "1", "--quiet", "--out", out]
                merc("analyze", *recordings, *options, *more, cache=cache)
            (out / "done").touch()
    written = [{path.relative_to(out): path.read_bytes() for path in out.rglob("timeline.json")} for out in outs]
    return outs[0], written[0] == written[1] and len(written[0]) == len(recordings)


def removals(folder: Path) -> dict[str, str]:
    """The step at which the check removed words or sound of an utterance, which the store then lacks."""
    table = pl.read_parquet(folder / "check" / "verified.parquet").filter(
        (pl.col("verdict") == "remove") & ~pl.col("step").is_in(["face", "bank"])
    )
    return {name: f"step {step}: {reason}" for name, step, reason in table.select(*_REMOVED).iter_rows()}


def agreement(
    out: Path, rows: Sequence[Row], evaluated: dict[str, Row], removed: dict[str, str], *, dialogues: bool
) -> Agreement:
    """Compare the timelines of a folder with the evaluation, by utterance; ``dialogues``: each is read as a whole."""
    lacking = {row["conversation"] for row in rows if row["utterance"] in removed} if dialogues else set()
    timelines: dict[str, list[dict]] = {}
    found = same = right = unexplained = 0
    reasons: Counter[str] = Counter()
    for row in rows:
        name = row["conversation"]
        if name not in timelines:
            read = json.loads((out / f"{name}.merc" / "timeline.json").read_text("utf-8"))
            timelines[name] = [one for one in read["utterances"] if one["start"] is not None]
        one = _covering(row, timelines[name])
        if one is None:
            continue
        found += 1
        equal = one["label"] == evaluated[row["utterance"]]["predicted"]
        same += equal
        right += one["label"] == row["label"]
        if not equal:
            why = [f"{e['modality']}: {_shape(e['missing'])}" for e in one["evidence"] if _counts(e)]
            if row["utterance"] in removed:
                why = [f"the evaluation has no features: the check removed it at {removed[row['utterance']]}"]
            why = why or _elsewhere(row, one)
            if not why and name in lacking:
                why = ["the system reads the dialogue, of which the evaluation has no features elsewhere"]
            reasons.update(why)
            unexplained += not why
    return Agreement(len(rows), found, same, right, reasons, unexplained)


def _elsewhere(row: Row, one: dict) -> list[str]:
    """What of an utterance is not as it was annotated: its words, or its bounds by more than a tenth of a second."""
    said, annotated = (
        ["".join(filter(str.isalnum, word)).lower() for word in text.split()]
        for text in (one["text"] or "", row["text"])
    )
    apart = max(abs(one["start"] - float(row["start"])), abs(one["end"] - float(row["end"])))
    return ["other words than annotated"] * (said != annotated) + ["other bounds than annotated"] * (apart > 0.1)


def _counts(evidence: dict) -> bool:
    return bool(evidence["missing"]) and evidence["modality"] in ENCODERS


def _covering(row: Row, utterances: Sequence[dict]) -> dict | None:
    """The utterance that covers most of an annotated one, if it covers half of it."""
    start, end = float(row["start"]), float(row["end"])
    covered = [min(end, one["end"]) - max(start, one["start"]) for one in utterances]
    best = int(np.argmax(covered)) if covered else -1
    return utterances[best] if best >= 0 and covered[best] >= (end - start) / 2 else None


def _shape(reason: str) -> str:
    """A reason without its numbers, so that equal ones are counted together."""
    return " ".join("N" if any(sign.isdigit() for sign in word) else word for word in reason.split())


def main() -> int:
    """Run everything that is missing, and print the table; 1 where a level was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder of all that is made")
    parser.add_argument("--pairs", default="6,2,2", help="pairs of people for training, validation and test")
    parser.add_argument("--systems", default="concat,cogmen", help="separated by commas")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="merc-halves-") as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        table = corpus(data_root(), folder, [int(one) for one in arguments.pairs.split(",")])
        store = prepared(table, folder)
        test = [row for row in rows_of(table) if row["split"] == "test"]
        lines, good = [], True
        for system in arguments.systems.split(","):
            run, evaluated = trained(system, table, store, folder)
            right = sum(row["annotated"] == row["predicted"] for row in evaluated.values())
            lines.append(f"{system:12}{'evaluate':24}{len(evaluated):6}{'':18}{right / len(evaluated):10.3f}")
            for kind in KINDS:
                out, stable = analysed(run, kind, test, folder)
                whole = SYSTEMS[system].description.level == "dialogue"
                one = agreement(out, test, evaluated, removals(folder), dialogues=whole)
                shares = f"{one.found / one.all:8.3f}{one.same / one.all:10.3f}{one.right / one.all:10.3f}"
                bytes_ = "same" if stable else "DIFFER"
                lines.append(f"{'':12}{'given ' + kind:24}{one.all:6}{shares}  {bytes_}")
                lines += [f"{'':36}other label, {why}: {count}" for why, count in one.reasons.most_common()]
                lines += [f"{'':36}other label, nothing missing: {one.unexplained}"] * bool(one.unexplained)
                good &= stable and not (kind == "annotated utterances" and one.unexplained)
    print(f"\n{'':36}{'all':>6}{'found':>8}{'as eval':>10}{'accuracy':>10}  bytes")
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
