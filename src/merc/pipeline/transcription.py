"""The words of a recording and their languages: windows of speech are transcribed in small groups, each cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.conversation import Segment, Utterance, Word
from merc.media.samples import release
from merc.pipeline.options import Job
from merc.speech.asr import SURE_LANGUAGE, AsrOptions, Language, Recognizer
from merc.speech.batched import GROUP
from merc.speech.models import find
from merc.speech.windows import windows

if TYPE_CHECKING:
    import numpy as np

Loader = Callable[[], Recognizer]

_WEIGHTS = ("silero-vad",)


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said, and in which languages.

    Attributes:
        language: That of the recording; None without speech.
        words: In order of time.
        windows: Windows of speech in order, each with its language.
        translated: Whether the words of other languages are Whisper's translation into English.
    """

    language: Language | None = None
    words: tuple[Word, ...] = ()
    windows: tuple[tuple[Segment, str], ...] = ()
    translated: bool = False

    def language_of(self, utterance: Utterance) -> str | None:
        """The language of the windows that hold most of an utterance, else that of the recording."""
        seconds: dict[str, float] = {}
        for window, code in self.windows if utterance.segment else ():
            if (shared := window.overlap(utterance.segment)) > 0:  # type: ignore[arg-type]
                seconds[code] = seconds.get(code, 0.0) + shared
        if seconds:
            return max(seconds, key=lambda code: seconds[code])
        return self.language.code if self.language else None

    def notes(self, *, transcript: bool) -> list[str]:
        """What is to be said of the languages; ``transcript``: the words are a transcript's."""
        language = self.language
        if language is None:
            return []
        found = [_uncertain(language, transcript=transcript)] if language.probability < SURE_LANGUAGE else []
        for code in dict.fromkeys(code for _, code in self.windows if code != language.code):
            spans = ", ".join(f"{w.start:.1f} to {w.end:.1f} s" for w, other in self.windows if other == code)
            found.append(f"the language is '{code}' from {spans}, '{language.code}' elsewhere")
        if self.translated and not transcript:
            found.append("words in other languages than English are Whisper's translation, and no text evidence")
        return found


def _uncertain(language: Language, *, transcript: bool) -> str:
    if transcript:
        return f"the language is uncertain (English {language.english:.2f}); the transcript counts as English"
    return (
        f"the language is uncertain: most likely '{language.code}' ({language.probability:.2f}; English "
        f"{language.english:.2f}); name it with --language where that is wrong"
    )


def transcribe(job: Job, samples: np.ndarray, speech: Sequence[Segment], *, transcript: bool) -> Transcription:
    """Transcribe the regions of speech.

    Args:
        job: The recording under analysis.
        samples: 16 kHz mono int16.
        speech: Its regions of speech.
        transcript: Whether a transcript is given: where the language is uncertain, its words count as English.
    """
    options = asr_options(job)

    def recognizer() -> Recognizer:  # a run from the cache loads none
        return job.models.once(options, lambda: Recognizer(options))

    model = find(job.options.asr).key
    language = _language(job, recognizer, samples, speech, model)
    if language is None:
        return Transcription()
    if transcript and language.probability < SURE_LANGUAGE:
        language = Language("en", language.english, language.english)
    chosen = (model, job.options.beam, job.options.compute_type, job.options.translate)
    parts = windows(speech, samples=samples)
    groups = [parts[first : first + GROUP] for first in range(0, len(parts), GROUP)]

    def run(group: Sequence[Segment]) -> list[Any]:
        def window(part: Segment) -> list[Any]:
            return _window(job, recognizer(), samples, part, language=language, speech=speech)

        spans = [[part.start, part.end] for part in group]
        found: list[Any] = job.cache.json(
            job.key("words", spans, asdict(language), *chosen, weights=_WEIGHTS),
            lambda: recognizer().together(window, group),
        )
        return found

    words: list[Word] = []
    heard: list[tuple[Segment, str]] = []
    with ThreadPoolExecutor(job.options.cpu_threads) as pool:
        for group, rows in zip(groups, pool.map(run, groups), strict=True):
            for part, (code, said) in zip(group, rows, strict=True):
                words += [Word(text, Segment(start, end), probability) for text, start, end, probability in said]
                heard.append((part, code))
            release(samples)
            job.report("transcribe", len(heard), len(parts))
    translated = job.options.translate and any(code != "en" for _, code in heard)
    return Transcription(language, tuple(words), tuple(heard), translated)


def given_language(code: str) -> Language:
    """The language that the user named."""
    return Language(code, 1.0, float(code == "en"))


def asr_options(job: Job) -> AsrOptions:
    """The options of Whisper that an analysis has."""
    options = job.options
    return AsrOptions(
        model=options.asr,
        compute_type=options.compute_type,
        device=_device(job),
        translate=options.translate,
        beam=options.beam,
        cpu_threads=options.cpu_threads,
    )


def _device(job: Job) -> str:
    """Where Whisper runs: on the graphics card where it is named, or chosen automatically and CTranslate2 sees one."""
    import ctranslate2

    card = job.device.startswith("cuda")
    return job.device if card and (job.options.device != "auto" or ctranslate2.get_cuda_device_count()) else "cpu"


def _language(
    job: Job, recognizer: Loader, samples: np.ndarray, speech: Sequence[Segment], model: str
) -> Language | None:
    if job.options.language:
        return given_language(job.options.language)
    if not speech:
        return None
    fields = job.cache.json(
        job.key("language", model, job.options.compute_type, weights=_WEIGHTS),
        lambda: asdict(recognizer().language(samples, speech)),
    )
    return Language(**fields)


def _window(
    job: Job,
    recognizer: Recognizer,
    samples: np.ndarray,
    part: Segment,
    *,
    language: Language,
    speech: Sequence[Segment],
) -> list[Any]:
    """The language of a window and the rows of its words; a language that the user named is that of all windows."""
    if not job.options.language:
        language = recognizer.language_of_window(samples, part, language, speech=speech)
    words = recognizer.transcribe(samples, part, language.code, speech=speech)
    return [language.code, [[w.text, w.segment.start, w.segment.end, w.probability] for w in words]]
