"""A corpus becomes a feature store: each utterance is encoded by every encoder, or missing with the reason.

Texts and dialogues are encoded first, then clips, several processes side by side. Every feature grows by whole shards
in the order of the corpus, so that an interrupted run that is resumed ends with the same files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from merc import weights
from merc.conversation import Conversation
from merc.errors import InputError
from merc.execution import Executor
from merc.features.encoder import ENCODERS, Encoder
from merc.features.m2fnet import FRAMES
from merc.features.store import SHARD, Feature, Store, Writer
from merc.media.clip import OFFSETS
from merc.nn.device import resolve
from merc.prepare.clip import IDENTITY, Clip, ClipEncoder, Encoded, Part, reason_of
from merc.prepare.options import PrepareOptions
from merc.prepare.verdicts import Verdicts
from merc.progress import Progress
from merc.quality import utterances as subjects
from merc.quality.options import CheckOptions
from merc.quality.utterances import Subject

TEXTS = 512
"""Texts that are encoded together: batches of one length waste nothing, and an interrupted run loses seconds."""
_PICTURES = ("face", "scene")  # inputs that are read from the video
_AHEAD = 128  # clips whose results may wait for an earlier one that takes long


def prepare(
    conversations: Sequence[Conversation],
    out: Path,
    *,
    options: PrepareOptions | None = None,
    verdicts: Verdicts | None = None,
    progress: Progress | None = None,
) -> Store:
    """Encode a corpus into a store, resuming an earlier run, and open it.

    The clip of an utterance is ``meta["media"]``, a path, cut by the utterance's segment where it has one; where there
    is none, ``meta["media_missing"]`` is the reason. Where the video is a file of its own, ``meta["video"]``, the
    segment is that of the video and the clip is the utterance's own.

    Args:
        conversations: The corpus.
        out: Folder of the store.
        options: Encoders, device, processes.
        verdicts: Leave out what a check has removed.
        progress: Called with a stage, what is done of it and how much there is.

    Raises:
        InputError: utterances share an id, none is left, the store was made otherwise, or the device is not there.
        WeightError, MissingExtra: before any work, where an encoder cannot be used.
        OutputError: nothing can be written.
    """
    options = options or PrepareOptions()
    resolve(options.device)
    encoders = {name: ENCODERS[name](device=options.device) for name in options.names}
    weights.require(sorted({weight for one in encoders.values() for weight in _weights(one)}))
    utterances = subjects.subjects_of(conversations, CheckOptions(only=options.only))
    _check_ids(utterances)
    with ExitStack() as stack:
        writers = {}
        for name, feature in zip(options.names, features(options, verdicts), strict=True):
            size = SHARD if encoders[name].input in ("sound", "face", "scene") else TEXTS
            writers[name] = stack.enter_context(Writer(out, feature, size=size, retry=options.retry))
        executor = stack.enter_context(options.engine.open(options.workers, timeout=options.timeout))
        run = _Run(encoders, verdicts, progress, writers, executor, options.device)
        run.texts(utterances)
        run.dialogues(utterances, conversations)
        run.clips(utterances, "sound")
        run.clips(utterances, "face")
        run.clips(utterances, "scene")
    return Store.open(out)


def features(options: PrepareOptions, verdicts: Verdicts | None = None) -> list[Feature]:
    """The features that a run makes, with all that they depend on; raises MissingExtra for one that needs an extra."""
    made = []
    for name in options.names:
        one = ENCODERS[name](device=options.device)
        made.append(
            Feature(
                one.name,
                one.shape,
                one.describe() | _reading(one, verdicts),
                sequence=one.sequence,
                half=one.half,
                corpus=options.corpus,
                licence=f"corpus: {options.licence}; encoder: {one.licence}"
                if options.licence
                else f"encoder: {one.licence}",
                checked=verdicts.sha256 if verdicts else "",
            )
        )
    return made


def _reading(one: Encoder, verdicts: Verdicts | None) -> dict[str, Any]:
    """How utterances are read for an encoder, for the description of its feature."""
    if one.input == "scene":
        return {"detector": weights.WEIGHTS["mtcnn"].sha256, "choice": "every face by its area", "frames": FRAMES}
    if one.input == "sound":
        return {"input": "16 kHz, the whole utterance"}
    if one.input == "face":
        choice = "most prominent"
        if verdicts and verdicts.faces:
            rivals = ", no other speaker's" if verdicts.rule.rivals else ""
            choice = f"the speaker's, cosine >= {verdicts.rule.cosine}{rivals}"
        detector = weights.WEIGHTS["mtcnn"].sha256
        return {"detector": detector, "choice": choice, "per_second": 1.0, "offsets": list(OFFSETS)}
    return {}


def _weights(one: Encoder) -> tuple[str, ...]:
    """The weights that must be there: for faces also those that find and compare them."""
    found = {"face": ("mtcnn", *ENCODERS[IDENTITY]().weights), "scene": ("mtcnn",)}
    return (*one.weights, *found.get(one.input, ()))


def _check_ids(utterances: Sequence[Subject]) -> None:
    twice = [name for name, count in Counter(utterance.id for utterance in utterances).items() if count > 1]
    if twice:
        raise InputError(
            f"{len(twice)} ids belong to several utterances, first '{twice[0]}': expected one id per utterance"
        )
    if not utterances:
        raise InputError("no utterance to prepare: the corpus is empty, or none of its ids matches 'only'")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: encoders and writers by name, and what encodes clips."""

    encoders: Mapping[str, Encoder]
    verdicts: Verdicts | None
    progress: Progress | None
    writers: Mapping[str, Writer]
    executor: Executor
    device: str

    def texts(self, utterances: Sequence[Subject]) -> None:
        """Encode texts, a block at a time."""
        names = self._reading("text")
        left = self._left(utterances, names)
        for start in range(0, len(left), TEXTS):
            block = left[start : start + TEXTS]
            reasons = [self._silent(utterance, names[0]) for utterance in block]
            words = [one.text or "" for one, reason in zip(block, reasons, strict=True) if not reason]
            for name, rows in self._encode_texts(names, words).items():
                present = iter(rows)
                for utterance, reason in zip(block, reasons, strict=True):
                    self._add(name, utterance, None if reason else next(present), reason)
            self._tell("texts", start + len(block), len(left))

    def _encode_texts(self, names: Sequence[str], words: Sequence[str]) -> dict[str, Sequence[np.ndarray]]:
        """The rows of texts by encoder; a vector that is pooled from a sequence is made from its rows."""
        found: dict[str, Sequence[np.ndarray]] = {}
        for name in sorted(names, key=lambda one: self.encoders[one].pooled_from in names):
            encoder = self.encoders[name]
            if encoder.pooled_from in found:
                found[name] = [encoder.pool(rows) for rows in found[encoder.pooled_from]]
            else:
                found[name] = list(encoder.encode(words)) if words else []
        return found

    def dialogues(self, utterances: Sequence[Subject], conversations: Sequence[Conversation]) -> None:
        """Encode conversations one at a time, so that what an utterance gets does not depend on where a run began."""
        names = [*self._reading("dialogue"), *self._reading("motion")]
        left = {one.id: one for one in self._left(utterances, names)}
        wanted = {one.conversation for one in left.values()}
        chosen = [one for one in conversations if one.id in wanted]
        for number, conversation in enumerate(chosen, start=1):
            for name in names:
                self._dialogue(name, conversation, left)
            self._tell("dialogues", number, len(chosen))

    def _dialogue(self, name: str, conversation: Conversation, left: Mapping[str, Subject]) -> None:
        for turn, values in zip(conversation, self.encoders[name].encode([conversation]), strict=True):
            if (utterance := left.get(turn.id)) is not None:
                reason = self._still(values) if self.encoders[name].input == "motion" else self._silent(utterance, name)
                self._add(name, utterance, None if reason else values, reason)

    def _still(self, values: np.ndarray) -> str | None:
        return None if len(values) else "no motion capture of its time (MOCAP_rotated, MOCAP_hand, MOCAP_head)"

    def clips(self, utterances: Sequence[Subject], kind: str) -> None:
        """Encode sound, faces or scenes, one decoding a file, files side by side."""
        names = self._reading(kind)
        groups = _by_file(self._left(utterances, names), pictures=kind in _PICTURES)
        clips = [self._clip(path, group, names) for path, group in groups]
        results = self._encoded([clip for clip in clips if clip])
        stage = {"face": "faces", "scene": "scenes"}.get(kind, kind)
        for number, ((_, group), clip) in enumerate(zip(groups, clips, strict=True), start=1):
            self._write(group, names, next(results) if clip else None)
            self._tell(stage, number, len(groups))

    def _reading(self, kind: str) -> list[str]:
        """The encoders that read a kind of input."""
        return [name for name in self.writers if self.encoders[name].input == kind]

    def _left(self, utterances: Sequence[Subject], names: Sequence[str]) -> list[Subject]:
        """The utterances that some of the features do not have yet."""
        return [one for one in utterances if any(one.id not in self.writers[name].done for name in names)]

    def _silent(self, utterance: Subject, name: str) -> str | None:
        if self.verdicts and (reason := self.verdicts.reason(utterance.id, self.encoders[name].input)):
            return reason
        return None if (utterance.text or "").strip() else "no words are given"

    def _clip(self, path: str, group: Sequence[Subject], names: Sequence[str]) -> Clip | None:
        """The task of the utterances in one file, or None where there is nothing to encode."""
        if not any(self._refused(one, name) is None for one in group for name in names):
            return None
        kind, parts = self.encoders[names[0]].input, []
        faces = kind == "face"
        for utterance in group:
            clip = utterance.picture if kind in _PICTURES else utterance.sound
            span = clip.segment if clip else None
            face = self.verdicts.face(utterance.id) if self.verdicts and faces else None
            part = Part(face=face)
            if self.verdicts and face:
                others, least = self.verdicts.others(utterance.id), self.verdicts.rule.cosine
                part = replace(part, others=others, likeness=least)
            parts.append(replace(part, start=span.start, end=span.end) if span else part)
        return Clip(path, tuple(parts), tuple(names), split_screen=faces and group[0].split_screen)

    def _refused(self, utterance: Subject, name: str) -> str | None:
        """Why a feature of an utterance is not to be made, before anything is decoded."""
        kind = self.encoders[name].input
        if self.verdicts and (reason := self.verdicts.reason(utterance.id, kind)):
            return reason
        return None if (utterance.picture if kind in _PICTURES else utterance.sound) else utterance.missing

    def _encoded(self, clips: Sequence[Clip]) -> Iterator[Encoded]:
        """The results of clips in their order, some of them made ahead."""
        make = partial(ClipEncoder, device=self.device)
        for start in range(0, len(clips), _AHEAD):
            block = clips[start : start + _AHEAD]
            rows = self.executor.map(make, block)
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

    None where there is nothing to check: only texts and motion are encoded, or no utterance has a recording. Raises
    what `merc.quality.run.check` raises.
    """
    from merc.quality.report import page
    from merc.quality.run import check

    choices = CheckOptions(
        only=options.only,
        workers=options.workers,
        retry=options.retry,
        device=options.device,
        engine=options.engine,
    )
    recorded = any(one.sound for one in subjects.subjects_of(conversations, choices))
    if not recorded or all(ENCODERS[name]().modality in ("text", "motion") for name in options.names):
        return None
    found = check(conversations, folder, options=choices, progress=progress)
    page.write(found.findings, found.verified, folder, title=options.corpus or "corpus")
    return Verdicts.read(folder / "verified.parquet", conversations)


def _by_file(utterances: Sequence[Subject], *, pictures: bool) -> list[tuple[str, list[Subject]]]:
    """Utterances by the file that they are in, in the order of its first; those without a file are groups of one."""
    groups: dict[str, list[Subject]] = {}
    for utterance in utterances:
        clip = utterance.picture if pictures else utterance.sound
        groups.setdefault(str(clip.path) if clip else f"\0{utterance.id}", []).append(utterance)
    return list(groups.items())
