"""A corpus becomes a feature store: each utterance is encoded in every modality, or missing with the reason.

Texts are encoded first, then clips, several processes side by side. Every feature grows by whole shards in the order
of the corpus, so that a run that was killed and started again ends with the same files as one that was not.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.conversation import Conversation
from merc.errors import InputError
from merc.execution import Executor, Processes
from merc.features.store import SHARD, Feature, Store, Writer
from merc.prepare.clip import LIKENESS, SIGHT, SOUND, Clip, ClipEncoder, Encoded, Part, reason_of
from merc.prepare.verdicts import Verdicts
from merc.progress import Progress
from merc.quality import utterances as subjects
from merc.quality.options import CheckOptions
from merc.quality.utterances import Subject

if TYPE_CHECKING:
    from merc.features.text import TextEncoder


ENCODERS: Mapping[str, tuple[str, ...]] = {
    "text": ("mpnet",),
    "voice": ("campplus",),
    "face": ("mtcnn", "facenet"),
    "prosody": (),
    "whisper": ("whisper-base",),
}
"""What can be prepared, and the weights that it needs."""

TEXT = ("mpnet", "mpnet-tokens")
TEXTS = 512
"""Texts that are encoded together: batches of one length waste nothing, and a killed run loses seconds."""
_AHEAD = 128  # clips whose results may wait for an earlier one that takes long


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """Choices for preparing a corpus; raises InputError for a value that cannot work."""

    encoders: tuple[str, ...] = ("text", "voice", "face")
    """Some of text, voice, face, prosody and whisper; the last two are slow or need an extra."""
    corpus: str = ""
    """The corpus's name, kept beside the features."""
    licence: str = ""
    """The corpus's terms, kept beside the features: they hold for what is made from it."""
    tokens: bool = True
    """Whether the state of each token is kept beside the sentence vector: the fusion over tokens needs them."""
    expression: bool = True
    """Whether what is below the face embedding is kept too: 5,376 numbers a frame, which show the expression."""
    whisper_frames: bool = False
    """Whether each frame of 20 ms is kept, not only the layers' means: 360 kB a second."""
    only: tuple[str, ...] = ()
    """Patterns of the utterances to prepare, such as ``dev/dia29_*``; none: all."""
    workers: int = 0
    """Processes that encode clips; 0: one a core. Each takes about 1 GB."""
    timeout: float = 600.0
    """Seconds after which a clip counts as unreadable."""
    retry: bool = False
    """Whether shards in which something is missing are prepared again, after clips were added or repaired."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.encoders if name not in ENCODERS]:
            raise InputError(f"encoder {', '.join(unknown)}: expected some of {', '.join(ENCODERS)}")
        if not self.encoders:
            raise InputError(f"no encoders: expected some of {', '.join(ENCODERS)}")
        if self.workers < 0 or not self.timeout > 0:
            raise InputError(
                f"workers {self.workers}, timeout {self.timeout}: expected 0 (one a core) or more, and above 0 s"
            )

    @property
    def processes(self) -> int:
        """How many processes encode."""
        return self.workers or os.cpu_count() or 1


def prepare(
    conversations: Sequence[Conversation],
    out: Path,
    *,
    options: PrepareOptions | None = None,
    verdicts: Verdicts | None = None,
    progress: Progress | None = None,
) -> Store:
    """Encode a corpus into the store at ``out``, going on where an earlier run stopped, and open it.

    The clip of an utterance is ``meta["media"]``, a path, cut by the utterance's segment where it has one; where there
    is none, ``meta["media_missing"]`` is the reason. Where pictures lie apart, in ``meta["video"]``, the segment is
    that of the video and the clip is the utterance's own. ``verdicts`` leave out what a check has removed.

    Raises InputError for utterances of one id and for a store that was made otherwise, WeightError and MissingExtra
    before any work, and OutputError when nothing can be written.
    """
    options = options or PrepareOptions()
    weights.require([name for encoder in options.encoders for name in ENCODERS[encoder]])
    utterances = subjects.subjects_of(conversations, CheckOptions(only=options.only))
    _check_ids(utterances)
    with ExitStack() as stack:
        writers = {}
        for feature in features(options, verdicts):
            size = TEXTS if feature.name in TEXT else SHARD
            writers[feature.name] = stack.enter_context(Writer(out, feature, size=size, retry=options.retry))
        executor = stack.enter_context(Processes(options.processes, timeout=options.timeout))
        run = _Run(options, verdicts, progress, writers, executor)
        run.texts(utterances)
        run.clips(utterances, SOUND)
        run.clips(utterances, SIGHT)
    return Store.open(out)


def features(options: PrepareOptions, verdicts: Verdicts | None = None) -> list[Feature]:
    """The features that a run makes, with all that they depend on; raises MissingExtra for one that needs an extra."""
    made = []
    for name, shape, description in _described(options, verdicts):
        sequence = name in ("mpnet-tokens", "whisper-base-frames", *SIGHT)
        half = name in ("mpnet-tokens", "whisper-base-frames", "facenet-expression")
        made.append(
            Feature(
                name,
                shape,
                description,
                sequence=sequence,
                half=half,
                corpus=options.corpus,
                licence=_terms(options.licence, str(description["encoder"])),
                checked=verdicts.sha256 if verdicts else "",
            )
        )
    return made


def _terms(licence: str, encoder: str) -> str:
    """The terms of the corpus and of the encoder: both hold for what is made from it."""
    from merc.features import prosody

    terms = weights.WEIGHTS[encoder].licence if encoder in weights.WEIGHTS else prosody.LICENCE
    return f"corpus: {licence}; encoder: {terms}" if licence else f"encoder: {terms}"


def _described(
    options: PrepareOptions, verdicts: Verdicts | None
) -> Iterator[tuple[str, tuple[int, ...], Mapping[str, Any]]]:
    """Name, shape of a row and description of each feature, in the order of the options."""
    from merc.features import prosody, text, whisper

    for encoder in dict.fromkeys(options.encoders):
        if encoder == "text":
            yield "mpnet", (768,), text.describe() | {"output": "mean of tokens, unit length"}
            if options.tokens:
                yield "mpnet-tokens", (768,), text.describe() | {"output": "tokens"}
        elif encoder == "voice":
            yield "campplus", (192,), _plain("campplus", 192, input="16 kHz, the whole utterance")
        elif encoder == "face":
            choice = f"the speaker's, cosine >= {LIKENESS}" if verdicts and verdicts.faces else "most prominent"
            looks = {"detector": weights.WEIGHTS["mtcnn"].sha256, "choice": choice, "per_second": 1.0}
            yield "facenet", (512,), _plain("facenet", 512, output="embedding", **looks)
            if options.expression:
                yield "facenet-expression", (5376,), _plain("facenet", 5376, output="expression features", **looks)
        elif encoder == "prosody":
            yield "egemaps", (88,), prosody.describe()
        else:
            description = whisper.describe(whisper.WhisperOptions())
            yield "whisper-base", (7, 512), description | {"output": "mean over frames"}
            if options.whisper_frames:
                yield "whisper-base-frames", (7, 512), description | {"output": "frames"}


def _plain(weight: str, width: int, **options: Any) -> dict[str, Any]:
    return {"encoder": weight, "sha256": weights.WEIGHTS[weight].sha256, "width": width, **options}


def _check_ids(utterances: Sequence[Subject]) -> None:
    twice = [name for name, count in Counter(utterance.id for utterance in utterances).items() if count > 1]
    if twice:
        raise InputError(
            f"{len(twice)} ids stand for several utterances, first '{twice[0]}': expected one id an utterance"
        )
    if not utterances:
        raise InputError("no utterance to prepare: the corpus is empty, or none of its ids matches 'only'")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: what was asked for, the writers of its features by name, and the processes that encode clips."""

    options: PrepareOptions
    verdicts: Verdicts | None
    progress: Progress | None
    writers: Mapping[str, Writer]
    executor: Executor

    def texts(self, utterances: Sequence[Subject]) -> None:
        """Encode what is said, a block at a time."""
        names = [name for name in self.writers if name in TEXT]
        left = self._left(utterances, names)
        encoder = _text_encoder() if left else None
        for start in range(0, len(left), TEXTS):
            block = left[start : start + TEXTS]
            reasons = [self._silent(utterance) for utterance in block]
            said = [one.text or "" for one, reason in zip(block, reasons, strict=True) if not reason]
            vectors, tokens = encoder.encode_tokens(said) if encoder and said else (np.zeros((0, 768)), [])
            for name, rows in zip(TEXT, (list(vectors), tokens), strict=True):
                present = iter(rows)
                for utterance, reason in zip(block, reasons, strict=True):
                    values = None if reason else next(present)
                    if name in names:
                        self._add(name, utterance, values, reason)
            self._tell("texts", start + len(block), len(left))

    def clips(self, utterances: Sequence[Subject], modality: Sequence[str]) -> None:
        """Encode what is heard or seen, one decoding a file, files side by side."""
        names = [name for name in self.writers if name in modality]
        groups = _by_file(self._left(utterances, names), sight=modality is SIGHT)
        clips = [self._clip(path, group, names) for path, group in groups]
        results = self._encoded([clip for clip in clips if clip])
        stage = "faces" if modality is SIGHT else "sound"
        for number, ((_, group), clip) in enumerate(zip(groups, clips, strict=True), start=1):
            self._write(group, names, next(results) if clip else None)
            self._tell(stage, number, len(groups))

    def _left(self, utterances: Sequence[Subject], names: Sequence[str]) -> list[Subject]:
        """The utterances that some of the features do not have yet."""
        return [one for one in utterances if any(one.id not in self.writers[name].done for name in names)]

    def _silent(self, utterance: Subject) -> str | None:
        if self.verdicts and (reason := self.verdicts.reason(utterance.id, TEXT[0])):
            return reason
        return None if (utterance.text or "").strip() else "no words are given"

    def _clip(self, path: str, group: Sequence[Subject], names: Sequence[str]) -> Clip | None:
        """The task of the utterances in one file, or None where there is nothing to encode."""
        if not any(self._refused(one, name) is None for one in group for name in names):
            return None
        parts = []
        for utterance in group:
            clip = utterance.picture if names[0] in SIGHT else utterance.sound
            span = clip.segment if clip else None
            face = self.verdicts.face(utterance.id) if self.verdicts and names[0] in SIGHT else None
            parts.append(Part(span.start, span.end, face) if span else Part(face=face))
        return Clip(path, tuple(parts), tuple(names))

    def _refused(self, utterance: Subject, name: str) -> str | None:
        """Why a feature of an utterance is not to be made, before anything is decoded."""
        if self.verdicts and (reason := self.verdicts.reason(utterance.id, name)):
            return reason
        return None if (utterance.picture if name in SIGHT else utterance.sound) else utterance.missing

    def _encoded(self, clips: Sequence[Clip]) -> Iterator[Encoded]:
        """The results of clips in their order, some of them made ahead."""
        for start in range(0, len(clips), _AHEAD):
            block = clips[start : start + _AHEAD]
            rows = self.executor.map(ClipEncoder, block)
            done: dict[Clip, Encoded] = {}
            for clip in block:
                while clip not in done:
                    row = next(rows)
                    done[row.item] = row.result if row.result is not None else {"failed": np.array(row.reason)}
                yield done.pop(clip)

    def _write(self, group: Sequence[Subject], names: Sequence[str], encoded: Encoded | None) -> None:
        for number, utterance in enumerate(group):
            for name in names:
                reason = self._refused(utterance, name)
                if reason is None and encoded is not None:
                    reason = reason_of(encoded, name, number)
                values = None if reason or encoded is None else encoded[f"{name}/{number}"]
                self._add(name, utterance, values, reason)

    def _add(self, name: str, utterance: Subject, values: np.ndarray | None, reason: str | None) -> None:
        if utterance.id not in self.writers[name].done:
            self.writers[name].add(utterance.id, values, reason=reason)

    def _tell(self, stage: str, done: float, total: float) -> None:
        if self.progress:
            self.progress(stage, done, total)


def checked(
    conversations: Sequence[Conversation],
    folder: Path,
    *,
    options: PrepareOptions,
    progress: Progress | None = None,
) -> Verdicts | None:
    """Check the recordings into ``folder``, with tables and report, and read the verdicts.

    None where there is nothing to check: text alone is asked for, or no utterance has a recording. Raises what
    `merc.quality.run.check` raises.
    """
    from merc.quality import report
    from merc.quality.run import check

    how = CheckOptions(only=options.only, workers=options.workers, retry=options.retry)
    chosen = subjects.subjects_of(conversations, how)
    if set(options.encoders) <= {"text"} or not any(one.sound for one in chosen):
        return None
    found = check(conversations, folder, options=how, progress=progress)
    report.write(found.findings, found.verified, folder, title=options.corpus or "corpus")
    return Verdicts.read(folder / "verified.parquet", conversations)


def _text_encoder() -> TextEncoder:
    from merc.features.text import TextEncoder

    return TextEncoder(threads=1)


def _by_file(utterances: Sequence[Subject], *, sight: bool) -> list[tuple[str, list[Subject]]]:
    """Utterances by the file that they are in, in the order of its first; those without a file stand alone."""
    groups: dict[str, list[Subject]] = {}
    for utterance in utterances:
        clip = utterance.picture if sight else utterance.sound
        groups.setdefault(str(clip.path) if clip else f"\0{utterance.id}", []).append(utterance)
    return list(groups.items())
