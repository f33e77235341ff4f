"""What is known of a stretch of speech by its sound alone: words, voices, and both cut into utterances.

Nothing here depends on what was said before, apart from the language, so that a stretch can be worked on before it is
certain that it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import numpy as np

from merc.conversation import Segment, Utterance, Word
from merc.heads.voice import VoiceHead
from merc.people.diarise import Diarisation, DiariseOptions, diarise
from merc.pipeline.evidence import SPEAKER_ENCODER, Sounds, Voices, latest_text, voice_encoder
from merc.pipeline.listening import AudioResult
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.own_system import OwnSystem
from merc.pipeline.options import Job
from merc.pipeline.transcription import Transcription, asr_options, given_language
from merc.pipeline.turns import TurnOptions, utterances
from merc.speech.asr import Language, Recognizer, decided
from merc.speech.vad import RATE

SETTLED = 20.0
"""Seconds of speech by which the language of a stream is decided."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Speech between two pauses.

    Attributes:
        segment: When, in seconds of the stream.
        begin: Where ``samples`` begin, in seconds of the stream.
        samples: int16 at 16 kHz, a little more than the speech.
    """

    segment: Segment
    begin: float
    samples: np.ndarray

    @property
    def local(self) -> Segment:
        """When somebody speaks, in seconds of ``samples``."""
        return Segment(max(0.0, self.segment.start - self.begin), self.segment.end - self.begin)


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Times are seconds of the stretch's samples.

    Attributes:
        stretch: What was heard.
        audio: Its utterances, without names of speakers.
        voices: Their sound as vectors, which may still be worked on.
        people: Its voices, numbered for themselves.
        seconds: How long each of these speaks.
        own: How the speaker of each utterance sounds, where stored voices are compared.
        languages: Probability of each language; empty where it was not detected.
    """

    stretch: Stretch
    audio: AudioResult
    voices: Future[Voices]
    people: Diarisation
    seconds: Sequence[float]
    languages: dict[str, float]
    own: Future[list[np.ndarray | None]] | None = None


class Languages:
    """The language of a stream: given, or decided by its first seconds of speech."""

    def __init__(self, given: str | None) -> None:
        self.fixed = given_language(given) if given else None
        self._mean: dict[str, float] = {}
        self._seconds = 0.0

    def with_this(self, distribution: dict[str, float], seconds: float) -> Language:
        """The language by all stretches before and one more."""
        if self.fixed:
            return self.fixed
        mean = {code: p * seconds + self._mean.get(code, 0.0) for code, p in distribution.items()}
        total = self._seconds + seconds
        return decided({code: p / total for code, p in mean.items()}, english=2.0)

    def add(self, distribution: dict[str, float], seconds: float) -> None:
        """A stretch with its distribution belongs to the stream."""
        if self.fixed or not distribution:
            return
        language = self.with_this(distribution, seconds)
        for code, p in distribution.items():
            self._mean[code] = self._mean.get(code, 0.0) + p * seconds
        self._seconds += seconds
        if self._seconds >= SETTLED:
            self.fixed = language


class Drafter:
    """Makes drafts; the models are those of the job, and may serve other streams at the same time.

    Args:
        job: Options and models.
        options: Of the stream.
        second: Runs the voices while the words are recognised.
        own: The trained run that judges; None: the shipped models.
    """

    def __init__(self, job: Job, options: StreamOptions, second: Executor, own: OwnSystem | None = None) -> None:
        self.job, self._second, self._own = job, second, own
        self._asr = replace(asr_options(job), padding=options.padding, window_threads=job.options.cpu_threads)
        longest = options.endpoint.longest
        self._turns = TurnOptions(shortest=longest, longest=longest, pause=longest)
        given = job.options
        self._diarise = DiariseOptions(max_speakers=given.speakers or given.max_speakers, device=job.device)
        self._encoder = None if own else voice_encoder(VoiceHead.load(), job)
        self._speakers = job.models.encoder(SPEAKER_ENCODER, device=job.device) if given.voices else None

    @property
    def recognizer(self) -> Recognizer:
        """Whisper."""
        return self.job.models.once(self._asr, lambda: Recognizer(self._asr))

    def load(self) -> None:
        """Use all models once, so that the first utterance does not wait for them."""
        noise = np.random.default_rng(0).integers(-300, 300, RATE).astype(np.int16)
        draft = self.draft(Stretch(Segment(0.0, 1.0), 0.0, noise), Languages("en"))
        draft.voices.result()
        if self._own:
            self._own.load()
        else:
            latest_text(self.job, (), "Hello.", None)

    def words(self, stretch: Stretch, languages: Languages) -> tuple[list[Word], Language, dict[str, float]]:
        """The words of a stretch in seconds of its samples, the language, and the distribution of languages."""
        speech, found = stretch.local, {}
        if languages.fixed is None:
            found = self.recognizer.languages(stretch.samples, [speech])
        language = languages.with_this(found, speech.duration)
        return self.recognizer.transcribe(stretch.samples, speech, language.code, speech=[speech]), language, found

    def draft(self, stretch: Stretch, languages: Languages) -> Draft:
        """All that the sound of a stretch tells."""
        speech = stretch.local
        voices = self._second.submit(diarise, stretch.samples, [speech], options=self._diarise)
        words, language, found = self.words(stretch, languages)
        people = voices.result()
        spoken, numbers = utterances(words, people.turns, speech=[speech], options=self._turns)
        translated = self.job.options.translate and language.code != "en"
        said = Transcription(language, tuple(words), ((speech, language.code),), translated)
        audio = AudioResult(
            stretch.samples, tuple(spoken), tuple(numbers), people.turns, people.overlaps, said, (), speech=(speech,)
        )
        sounds = Sounds(self.job, audio)
        heard = self._second.submit(self._heard, audio, sounds)
        own = self._second.submit(sounds.by_utterance, self._speakers) if self._speakers else None
        seconds = [0.0] * people.count
        for turn in people.turns:
            seconds[turn.speaker] += turn.segment.duration
        return Draft(stretch, audio, heard, people, seconds, found, own)

    def _heard(self, audio: AudioResult, sounds: Sounds) -> Voices:
        if self._own:
            return self._own.hear(audio, sounds)
        assert self._encoder is not None
        return sounds.voices(self._encoder)


def moved(utterance: Utterance, by: float) -> Utterance:
    """An utterance with all its times moved by some seconds."""

    def later(segment: Segment) -> Segment:
        return Segment(segment.start + by, segment.end + by)

    words = tuple(replace(word, segment=later(word.segment)) for word in utterance.words)
    return replace(utterance, words=words, segment=later(utterance.segment) if utterance.segment else None)
