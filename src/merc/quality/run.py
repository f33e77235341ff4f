"""The run of a check: measure what is not measured yet, then judge everything, and write the tables and the report.

Measuring is expensive, and its results stay in ``measured/`` below the output folder, one file each: an interrupted
run resumes, and a changed threshold or decision measures nothing again. Judging is cheap and always repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import cache, weights
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS
from merc.errors import InputError, require
from merc.execution import Executor, Row
from merc.nn.device import resolve
from merc.people.link import Bank
from merc.progress import Progress
from merc.quality import review
from merc.quality.audio import judge_audio
from merc.quality.bank import BankFace, Decisions, build_bank, judge_bank, templates
from merc.quality.faces import NO_PICTURES, Likeness, judge_faces, to_search, without_pictures
from merc.quality.findings import STEPS
from merc.quality.identity import name_by_media
from merc.quality.measure import Measured, Measurer, Store, Task, clip_task, failed, failure
from merc.quality.options import CheckOptions
from merc.quality.report import page
from merc.quality.rule import FaceRule
from merc.quality.speakers import Naming, name_speakers
from merc.quality.transcripts import comparable, judge_texts
from merc.quality.utterances import NO_MEDIA, Reading, Subject, subjects_of, tables, unmeasured
from merc.quality.voices import judge_voices

if TYPE_CHECKING:
    import polars as pl


_NEEDED = {
    "audio": ("silero-vad", "whisper-base", "campplus"),
    "text": ("silero-vad", "whisper-base", "campplus", "mpnet"),
    "voice": ("silero-vad", "whisper-base", "campplus"),
    "bank": ("mtcnn", "facenet"),
    "face": ("mtcnn", "facenet"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """The result of a check: its tables, the speakers' faces, and how many clips were measured in this run."""

    findings: pl.DataFrame
    verified: pl.DataFrame
    bank: Sequence[BankFace]
    measured: int

    @property
    def kept(self) -> int:
        """How many utterances no step removed."""
        return int((self.verified["verdict"] == "keep").sum())

    @property
    def unmeasured(self) -> int:
        """How many utterances have no recording, or one that cannot be read."""
        return unmeasured(self.verified)

    def not_taken(self) -> dict[str, str]:
        """The steps that no utterance has a recording for, in their order, each with the reason."""
        reasons: dict[str, set[str]] = {}
        for step, verdict, reason in self.findings.select("step", "verdict", "reason").iter_rows():
            reasons.setdefault(step, set()).add(reason if verdict == "skip" else "")
        one = {step: reasons[step].pop() for step in STEPS if len(reasons.get(step, ())) == 1}
        return {step: reason for step, reason in one.items() if reason in (NO_MEDIA, NO_PICTURES)}

    def removed(self) -> dict[tuple[str, str], int]:
        """How many utterances were removed, by step and reason, in the order of the steps."""
        gone = self.verified.filter(self.verified["verdict"] == "remove")
        counts = Counter(zip(gone["step"], gone["reason"], strict=True))
        return dict(sorted(counts.items(), key=lambda item: (STEPS.index(item[0][0]), item[0][1])))


def check_corpus(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    options: CheckOptions | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Read a corpus by its name, check it, and write the tables, ``summary.json`` and ``report.html`` into ``out``.

    Raises UnknownName for a corpus that is not known, what its reader raises, and as `check` does.
    """
    require("polars", "sklearn", extra="corpora", what="merc check needs {}")
    options = options or CheckOptions()
    checked = check(CONVERSATIONS[name](Path(root)), out, options=options, progress=progress)
    found = checked.verified
    vectors = text_vectors(found, Path(out), device=options.device, progress=progress) if options.suspects else None
    page.write(checked.findings, checked.verified, Path(out), title=name, vectors=vectors)
    return checked


def text_vectors(
    verified: pl.DataFrame, folder: Path, *, device: str = "cpu", progress: Progress | None = None
) -> np.ndarray:
    """The sentence vectors of the transcripts, (n, 768), NaN where there is none; cached in ``folder``."""
    texts = [(text or "").strip() for text in verified["text"]]
    key = cache.key("text vectors", texts, weights.WEIGHTS["mpnet"].sha256)

    def encode() -> dict[str, np.ndarray]:
        from merc.features.text import TextEncoder

        encoder = TextEncoder(device=device)
        vectors = np.full((len(texts), encoder.width), np.nan, np.float32)
        rows = [number for number, text in enumerate(texts) if text]
        vectors[rows] = encoder.encode([texts[number] for number in rows], progress=progress)
        return {"vectors": vectors}

    return cache.Cache(folder / "measured").arrays(key, encode)["vectors"]


def check(
    conversations: Sequence[Conversation],
    out: str | Path,
    *,
    options: CheckOptions | None = None,
    measuring: Callable[[], Callable[[Task], Measured]] | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Check a corpus and write ``findings.parquet``, ``verified.parquet`` and ``bank.csv`` into ``out``.

    Args:
        conversations, out: The corpus, and the folder of the tables; its ``decisions.csv`` takes precedence.
        options, progress: Steps, thresholds, device, processes; called with a stage, the part done and all.
        measuring: Builds, in each process, the function that measures tasks (default: `Measurer`).

    Returns:
        Findings and verdicts; a clip that cannot be read is a row with its reason.

    Raises:
        InputError: nothing is to be checked, or the device is not there.
        MissingExtra, WeightError, OutputError: no extra ``corpora``, a weight not fetched, or no place to write.

    Example:
        >>> check([], "checked")
        Traceback (most recent call last):
        merc.errors.InputError: none of 0 utterances matches the corpus: ...
    """
    require("polars", "sklearn", extra="corpora", what="merc check needs {}")
    options, folder = options or CheckOptions(), Path(out)
    subjects = subjects_of(conversations, options)
    if not subjects:
        raise InputError(
            f"none of {sum(map(len, conversations))} utterances matches {', '.join(options.only) or 'the corpus'}: "
            "give patterns of ids, dialogues or splits"
        )
    if measuring is None:
        resolve(options.device)
        weights.require(sorted({name for step in options.steps for name in _NEEDED.get(step, ())}))
        measuring = partial(Measurer, device=options.device)
    decisions = review.read_decisions(folder / review.DECISIONS)
    with options.engine.open(options.workers, timeout=options.timeout) as executor:
        kept = _Results(Store(folder / "measured"), retry=options.retry)
        bench = _Bench(executor, measuring, kept, options, progress)
        bank = _judge(subjects, name_speakers(conversations, scope=options.scope), decisions, bench=bench)
        if not any(subject.sound for subject in subjects):
            _skip(subjects, [step for step in options.steps if step != "speakers"], NO_MEDIA)
    findings, verified = tables(subjects)
    _write(folder, findings, FaceRule(options.face, options.rivals).beside(verified))
    review.write_bank(bank, folder / review.BANK)
    return Checked(findings, verified, bank, bench.count)


def _judge(
    subjects: Sequence[Subject], named: Mapping[str, Naming], decisions: Decisions, *, bench: _Bench
) -> Sequence[BankFace]:
    """Take the steps in their order; returns the speakers' faces."""
    options = bench.options
    steps = set(options.steps) if any(subject.sound for subject in subjects) else set(options.steps) & {"speakers"}
    sounds = bench.results("sound", subjects) if steps & {"audio", "text", "voice"} else {}
    faces = bench.results("faces", subjects) if steps & {"bank", "face"} else {}
    if options.identity == "media":
        named = name_by_media(subjects, named, sounds=sounds, faces=faces)
    _judge_speakers(subjects, named, remove="speakers" in steps)
    _judge_sounds(subjects, sounds, steps, bench=bench)
    if without_pictures(faces):
        _skip(subjects, [step for step in options.steps if step in ("bank", "face")], NO_PICTURES)
        return ()
    bank = build_bank(subjects, faces, decisions, options=options) if faces else []
    if "bank" in steps:
        judge_bank(subjects, bank, decisions)
    if "face" in steps:
        known = Likeness(Bank(templates(bank), threshold=options.face), subjects, rivals=options.rivals)
        around = bench.results("around", to_search(subjects, faces, known))
        judge_faces(subjects, faces, around, likeness=known)
    return bank


def _judge_sounds(
    subjects: Sequence[Subject], sounds: Mapping[str, Measured], steps: AbstractSet[str], *, bench: _Bench
) -> None:
    """Take the steps that need sound."""
    if "audio" in steps:
        judge_audio(subjects, sounds)
    if "text" in steps:
        judge_texts(subjects, sounds, bench.cosines(subjects, sounds), options=bench.options)
    if "voice" in steps:
        judge_voices(subjects, sounds, options=bench.options)


def _judge_speakers(subjects: Sequence[Subject], named: Mapping[str, Naming], *, remove: bool) -> None:
    """Give every utterance its person; remove those of several people, where the step is taken."""
    for subject in subjects:
        naming = named[subject.id]
        subject.speaker = naming.speaker if remove else subject.name
        if not remove:
            continue
        reading = Reading("speakers", "name")
        if naming.reason:
            subject.remove(reading, naming.reason, detail=subject.name)
        else:
            subject.keep(reading)


def _skip(subjects: Sequence[Subject], steps: Sequence[str], reason: str) -> None:
    """Note that steps were not taken, since no utterance at all has the recording that they need."""
    for step in steps:
        for subject in subjects:
            subject.skip(Reading(step, "media"), reason, detail=subject.missing)


class _Results:
    """The store of results as rows that a run resumes from; with ``retry`` those that failed are measured again."""

    def __init__(self, store: Store, *, retry: bool) -> None:
        self._store, self._retry = store, retry

    def load(self, task: Task) -> Row[Task, Measured] | None:
        if not self._store.has(task):
            return None
        measured = self._store.load(task)
        if reason := failure(measured):
            return None if self._retry else Row(task, reason=reason)
        return Row(task, measured)

    def save(self, row: Row[Task, Measured]) -> None:
        self._store.save(row.item, _measured(row))


def _measured(row: Row[Task, Measured]) -> Measured:
    return row.result if row.result is not None else failed(row.reason or "")


class _Bench:
    """Measures what is not measured yet, and hands out results by utterance."""

    def __init__(
        self,
        executor: Executor,
        measuring: Callable[[], Callable[[Task], Measured]],
        kept: _Results,
        options: CheckOptions,
        progress: Progress | None,
    ) -> None:
        self.options = options
        self.count = 0
        self._executor, self._measuring, self._kept, self._progress = executor, measuring, kept, progress

    def results(self, part: str, subjects: Sequence[Subject]) -> dict[str, Measured]:
        """The measured part of each utterance that has a recording, by id."""
        clips = {s.id: s.sound if part == "sound" else s.picture for s in subjects}
        language = self.options.language
        tasks = {name: clip_task(part, clip, language=language) for name, clip in clips.items() if clip}
        return self._run(part, tasks)

    def cosines(self, subjects: Iterable[Subject], sounds: Mapping[str, Measured]) -> dict[str, Measured]:
        """The cosine of transcription and transcript, by id, for utterances that have both."""
        pairs = {s.id: pair for s in subjects if (pair := comparable(s.text, sounds.get(s.id)))}
        return self._run("words", {name: Task("words", texts=pair) for name, pair in pairs.items()})

    def _run(self, part: str, tasks: Mapping[str, Task]) -> dict[str, Measured]:
        wanted = list(dict.fromkeys(tasks.values()))
        done: dict[Task, Measured] = {}
        self._tell(part, 0, len(wanted))
        for row in self._executor.map(self._measuring, wanted, kept=self._kept):
            done[row.item] = _measured(row)
            self.count += not row.kept
            self._tell(part, len(done), len(wanted))
        return {name: done[task] for name, task in tasks.items()}

    def _tell(self, part: str, done: float, total: float) -> None:
        if self._progress and total:
            names = {"sound": "sound and words", "words": "text against text", "around": "faces before and after"}
            self._progress(names.get(part, part), done, total)


def _write(folder: Path, findings: pl.DataFrame, verified: pl.DataFrame) -> None:
    for name, table in (("findings", findings), ("verified", verified)):
        with cache.replacing(folder / f"{name}.parquet") as temporary:
            table.write_parquet(temporary, compression="zstd", statistics=True)
