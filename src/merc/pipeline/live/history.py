"""What a stream remembers: its latest utterances, by which the next one is judged and which may change their speaker.

An utterance is judged by what was known when it ended: its words after those before them, its voice against what its
speaker had said until then, and the trust in that voice by the same. Nothing that comes later changes its label, unless
its speaker does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merc.conversation import Evidence, Prediction, Segment, Utterance
from merc.heads.head import fusion_card
from merc.heads.late_fusion import LateFusion, Observation
from merc.people.online import OnlineOptions, OnlineVoices
from merc.pipeline.evidence import Voices, latest_text, no_text, voice_evidence
from merc.pipeline.live.draft import Draft, Languages, moved
from merc.pipeline.live.names import Names, numbered
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.own_system import OwnSystem
from merc.pipeline.options import Job

_CONTEXT = 40  # utterances that can be context of the next one's words: those that are read hold 192 tokens
_NO_FACE = Evidence("face", missing="a live analysis has sound alone")

Judged = tuple[Utterance, Prediction]


@dataclass(slots=True, eq=False)
class _Said:
    """An utterance that has ended, with what later ones and a change of its speaker need of it."""

    utterance: Utterance
    piece: str  # names its voice in the stretch
    voice: int | None
    text: Evidence | None  # None: a trained run judges by the rows
    words: np.ndarray | None  # their rows for the system that judges, where it is a trained run
    silent: str | None  # why its voice is no evidence
    vector: np.ndarray
    steps: np.ndarray
    own: np.ndarray | None  # how its speaker sounds in it


class History:
    """The latest utterances of a stream and its speakers; memory is bounded.

    Args:
        job: Options and models.
        options: Of the stream.
        own: The trained run that judges; None: the shipped models.
    """

    def __init__(self, job: Job, options: StreamOptions, own: OwnSystem | None = None) -> None:
        given = job.options
        fewest = given.speakers or given.min_speakers or 1
        most = given.speakers or given.max_speakers or max(fewest, OnlineOptions().most)
        self.languages = Languages(given.language)
        self.count = 0  # utterances so far
        self._job, self._options, self._own = job, options, own
        self._said: deque[_Said] = deque(maxlen=options.history)
        self._texts: deque[tuple[str, str | None]] = deque(maxlen=_CONTEXT)
        self._voices = OnlineVoices(OnlineOptions(most=most, fewest=fewest, window=options.history))
        self.names = Names(job)
        self._fusion = None if own else LateFusion(fusion_card(), threshold=given.threshold)
        self._stretches = 0

    def add(self, draft: Draft) -> Iterator[Judged]:
        """The utterances of a stretch that has ended, each judged by what was before it."""
        self.languages.add(draft.languages, draft.stretch.local.duration)
        self._stretches += 1
        people = [
            self._voices.add(f"{self._stretches}.{place}", vector, seconds)
            for place, (vector, seconds) in enumerate(zip(draft.people.centroids, draft.seconds, strict=True))
        ]
        rows: Iterator[tuple[np.ndarray, np.ndarray]] | None = None
        for place, one in enumerate(draft.audio.utterances):
            local = draft.audio.voices[place]
            voice = None if local is None else people[local]
            self.count += 1
            own = self._heard(draft, place, voice)
            said = moved(replace(one, id=f"u{self.count:04d}", speaker=self._name(voice)), draft.stretch.begin)
            text, words = self._read(one, draft, place, voice)
            voices = draft.voices.result()  # after the words, which are read meanwhile
            rows = rows or iter(zip(voices.vectors, voices.steps, strict=True))
            reason = voices.reasons[place]
            vector, steps = _NO_VOICE if reason else next(rows)
            kept = steps if self._own else _half(steps)
            piece = f"{self._stretches}.{local}"
            self._said.append(_Said(said, piece, voice, text, words, reason, vector, kept, own))
            yield said, self._judged(len(self._said) - 1)

    def revised(self, *, now: bool = False) -> Iterator[Judged]:
        """The utterances that have another speaker once the voices are clustered again, which is done at times.

        Those of a speaker who has the name of a stored voice by now are among them.

        Args:
            now: Whether it is done in any case.
        """
        if now or not self._stretches % self._options.divide:
            self._divide()
        changed = [one.utterance.speaker != self._name(one.voice) for one in self._said]
        for said in self._said:
            said.utterance = replace(said.utterance, speaker=self._name(said.voice))
        for place in np.flatnonzero(changed).tolist():
            yield self._said[place].utterance, self._judged(place)

    def _divide(self) -> None:
        """Cluster the voices again."""
        changes = {one.name: one.speaker for one in self._voices.divide()}
        for said in self._said:
            if said.voice is not None and (voice := changes.get(said.piece, said.voice)) != said.voice:
                self._count(said, said.voice, -1)
                self._count(said, voice, 1)
                said.voice = voice
        self.names.update()

    def _heard(self, draft: Draft, place: int, voice: int | None) -> np.ndarray | None:
        """How the speaker of an utterance sounds in it, which counts for the name; None without stored voices."""
        segment = draft.audio.utterances[place].segment
        own = draft.own.result()[place] if draft.own and voice is not None else None
        if own is not None and voice is not None and segment is not None:
            self.names.add(voice, own, segment.duration)
            self.names.update()
        return own

    def _count(self, said: _Said, voice: int, sign: int) -> None:
        """Count an utterance for the name of a speaker, or take it back."""
        if said.own is not None and said.utterance.segment is not None:
            self.names.add(voice, said.own, sign * said.utterance.segment.duration)

    def _name(self, voice: int | None) -> str | None:
        return None if voice is None else self.names.name(voice)

    def _read(
        self, one: Utterance, draft: Draft, place: int, voice: int | None
    ) -> tuple[Evidence | None, np.ndarray | None]:
        """What the words say, or for a trained run their rows."""
        speaker = None if voice is None else numbered(voice)  # no name, which may come later
        text, words = one.text or "", None
        silent = None if self._own else no_text(one, draft.audio, place)
        if self._own:
            words, silent = self._own.read(tuple(self._texts), text, speaker)
        if silent:
            return Evidence("text", None, silent), None
        found = None if self._own else latest_text(self._job, self._texts, text, speaker)[0]
        self._texts.append((text, speaker))
        return found, words

    def _judged(self, place: int) -> Prediction:
        """The prediction of an utterance by those up to it."""
        known = [self._said[number] for number in range(place + 1)]
        if self._own:
            return self._own.predict([self._observed(self._own, one) for one in known])
        return self._fused(known)

    def _fused(self, known: Sequence[_Said]) -> Prediction:
        """The prediction of the last utterance by the shipped models."""
        assert self._fusion is not None
        voices = _voices(known)
        evidence = voice_evidence(voices, [one.voice for one in known])
        observed = [
            Observation(tuple(filter(None, (one.text, voice, _NO_FACE))), {}, self._name(one.voice))
            for one, (voice, _) in zip(known, evidence, strict=True)
        ]
        return self._fusion.predict(observed)[-1]

    def _observed(self, own: OwnSystem, one: _Said) -> Observation:
        """An utterance for a trained run."""
        vectors = {"text": one.words} if one.words is not None else {}
        missing = {
            "text": (one.text and one.text.missing) or "",
            "voice": one.silent or "",
            "face": _NO_FACE.missing or "",
        }
        if one.silent is None:
            vectors["voice"] = one.steps
        return own.observation(vectors, missing, self._name(one.voice))


def _voices(known: Sequence[_Said]) -> Voices:
    """The voices of utterances, of which only the last one's steps are judged."""
    heard = [one for one in known if one.silent is None]
    return Voices(
        [one.silent for one in known],
        [one.utterance.segment or Segment(0.0, 1.0) for one in heard],
        np.array([one.vector for one in heard]).reshape(len(heard), -1),
        [one.steps if one is known[-1] else one.steps[:0] for one in heard],
    )


_NO_VOICE = (np.zeros(0, np.float32), np.zeros((0, 0), np.float32))


def _half(steps: np.ndarray) -> np.ndarray:
    return np.asarray(steps, np.float16)  # they are the largest part of what is remembered


def speaking(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Seconds of each speaker, in order of appearance."""
    seconds: dict[str, float] = {}
    for one in utterances:
        if one.speaker is not None and one.segment is not None:
            seconds[one.speaker] = seconds.get(one.speaker, 0.0) + one.segment.duration
    return seconds
