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
from merc.pipeline.live.options import StreamOptions
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
    text: Evidence
    silent: str | None  # why its voice is no evidence
    vector: np.ndarray
    steps: np.ndarray


class History:
    """The latest utterances of a stream and its speakers; memory is bounded.

    Args:
        job: Options and models.
        options: Of the stream.
    """

    def __init__(self, job: Job, options: StreamOptions) -> None:
        given = job.options
        fewest = given.speakers or given.min_speakers or 1
        most = given.speakers or given.max_speakers or max(fewest, OnlineOptions().most)
        self.languages = Languages(given.language)
        self.count = 0  # utterances so far
        self._job, self._options = job, options
        self._said: deque[_Said] = deque(maxlen=options.history)
        self._texts: deque[tuple[str, str | None]] = deque(maxlen=_CONTEXT)
        self._voices = OnlineVoices(OnlineOptions(most=most, fewest=fewest, window=options.history))
        self._fusion = LateFusion(fusion_card(), threshold=given.threshold)
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
            said = moved(replace(one, id=f"u{self.count:04d}", speaker=_name(voice)), draft.stretch.begin)
            silent = no_text(one, draft.audio, place)
            text = Evidence("text", None, silent) if silent else self._read(said)
            voices = draft.voices.result()  # after the words, which are read meanwhile
            rows = rows or iter(zip(voices.vectors, voices.steps, strict=True))
            reason = voices.reasons[place]
            vector, steps = _NO_VOICE if reason else next(rows)
            self._said.append(_Said(said, f"{self._stretches}.{local}", voice, text, reason, vector, _half(steps)))
            yield said, self._judged(len(self._said) - 1)

    def revised(self, *, now: bool = False) -> Iterator[Judged]:
        """The utterances that have another speaker once the voices are clustered again, which is done at times.

        Args:
            now: Whether it is done in any case.
        """
        if not now and self._stretches % self._options.divide:
            return
        changes = {one.name: one.speaker for one in self._voices.divide()}
        for said in self._said:
            if said.voice is not None and changes.get(said.piece, said.voice) != said.voice:
                said.voice = changes[said.piece]
                said.utterance = replace(said.utterance, speaker=_name(said.voice))
        for place, said in enumerate(self._said):
            if said.piece in changes and said.voice is not None:
                yield said.utterance, self._judged(place)

    def _read(self, said: Utterance) -> Evidence:
        text = said.text or ""
        found, _ = latest_text(self._job, self._texts, text, said.speaker)
        self._texts.append((text, said.speaker))
        return found

    def _judged(self, place: int) -> Prediction:
        """The prediction of an utterance by those up to it."""
        known = [self._said[number] for number in range(place + 1)]
        heard = [one for one in known if one.silent is None]
        voices = Voices(
            [one.silent for one in known],
            [one.utterance.segment or Segment(0.0, 1.0) for one in heard],
            np.array([one.vector for one in heard]).reshape(len(heard), -1),
            [one.steps if one is known[-1] else one.steps[:0] for one in heard],
        )
        evidence = voice_evidence(voices, [one.voice for one in known])
        observed = [
            Observation((one.text, voice, _NO_FACE), {}, one.utterance.speaker)
            for one, (voice, _) in zip(known, evidence, strict=True)
        ]
        return self._fusion.predict(observed)[-1]


_NO_VOICE = (np.zeros(0, np.float32), np.zeros((0, 0), np.float32))


def _half(steps: np.ndarray) -> np.ndarray:
    return np.asarray(steps, np.float16)  # they are the largest part of what is remembered


def _name(voice: int | None) -> str | None:
    return None if voice is None else f"Speaker {voice + 1}"


def speaking(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Seconds of each speaker, in order of appearance."""
    seconds: dict[str, float] = {}
    for one in utterances:
        if one.speaker is not None and one.segment is not None:
            seconds[one.speaker] = seconds.get(one.speaker, 0.0) + one.segment.duration
    return seconds
