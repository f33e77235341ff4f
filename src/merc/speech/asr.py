"""Speech recognition: Whisper through CTranslate2, one window of speech at a time.

Whisper reads 30 s of sound whatever it contains, so speech is first packed into windows of up to 28 s that are cut at
pauses. A window depends on nothing but its own samples: windows can be transcribed in any order, and each can be
cached. Decoding is at temperature 0 only and never conditioned on earlier text, hence the same for the same samples.

Whisper invents text over music, noise and silence. Four guards: windows hold detected speech; a passage is dropped
when its words are improbable and one of no-speech probability, mean log-probability and compression ratio says so
too, or when nobody could speak so fast; loops are cured; and words that lie outside the regions of speech are dropped.

People repeat themselves too: one sentence in ten moods looks like a loop. So a loop is kept where its words are
probable; else the window is decoded again region by region, and what loops in a single region without repeated
phrases, then cut. A region in which a window has no word is decoded once more on its own: short answers drown in what
is said around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from merc.conversation import Segment, Word
from merc.errors import InputError
from merc.options import above, at_least, one_of, share
from merc.registry import Registry
from merc.speech.batched import Batched, ShortWindows
from merc.speech.models import COMPUTE_TYPES, find, number_format
from merc.speech.vad import RATE, check_samples
from merc.speech.windows import LONGEST, windows
from merc.speech.words import lengthened, onto_speech, ordered, unlooped
from merc.weights import WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # written without spaces: a character is a word


@dataclass(frozen=True, slots=True)
class AsrOptions:
    """How speech is transcribed.

    Raises:
        InputError: an option is out of range.
    """

    model: str = "base"
    """Size of Whisper, or the folder of a model for CTranslate2; see `merc.speech.models.find`."""
    compute_type: str = "auto"
    """Number format; "auto": int8 on the CPU, and for what `merc.nn.whisper.WhisperNetwork.in_silence` encodes that of
    `merc.nn.whisper.shared`; float16 on a graphics card."""
    device: str = "cpu"
    """Device: "cpu", "cuda" or "cuda:1"."""
    translate: bool = False
    """Whether Whisper translates into English what it hears."""
    beam: int = 1
    """Hypotheses followed at once: five cost more and gained nothing on short conversational windows."""
    cpu_threads: int = 1
    """Windows that are encoded or decoded at the same time on the CPU, each by one thread: no byte depends on it."""
    window_threads: int = 1
    """CPU threads for one window: a stream has but one at a time."""
    language_windows: int = 3
    """Windows in which the language is detected: a name or a song misleads a single one."""
    no_speech: float = 0.6
    """No-speech probability above which an improbable passage is dropped: the value of Whisper's authors."""
    log_probability: float = -1.2
    """Mean log-probability of tokens below which an improbable passage is dropped: true one-word answers reach -1."""
    compression: float = 2.4
    """Ratio of text to compressed text above which a passage is a loop: the value of Whisper's authors."""
    word_probability: float = 0.3
    """Mean probability of words below which a passage counts as improbable."""
    english: float = 2.0
    """How many times more probable English must be than the best other language: in 90 short English clips it was 2.2
    times at the least (``bench/language.py``), while sentences in related languages come close to 1."""
    other: float = 10.0
    """How many times more probable another language must be in a window than the recording's to be that window's."""
    slack: float = 0.3
    """Seconds by which a word may miss the regions of speech: word times waver by that much."""
    sure: float = 0.8
    """Mean probability of words from which a loop counts as said, not invented."""
    unheard: float = 0.4
    """Seconds of a region without words from which it is decoded on its own; shorter ones are rarely words."""
    margin: float = 0.3
    """Seconds of the pauses at both ends that are added to a window: bare words of half a second are misrecognised."""
    padding: float | None = None
    """Seconds of silence that Whisper reads behind a window; None: up to the thirty seconds with which it was trained.
    Little is several times faster, for a stream, and further from what it was trained with."""

    def __post_init__(self) -> None:
        one_of(COMPUTE_TYPES, compute_type=self.compute_type)
        at_least(1, beam=self.beam, cpu_threads=self.cpu_threads, window_threads=self.window_threads)
        at_least(1, language_windows=self.language_windows)
        share(no_speech=self.no_speech, word_probability=self.word_probability, sure=self.sure, margin=self.margin)
        above(1, compression=self.compression, other=self.other)
        at_least(1, english=self.english)
        at_least(0, slack=self.slack, unheard=self.unheard, padding=self.padding or 0, hint=" seconds")


DOUBTFUL = 0.45
"""Mean probability below which words are doubtful: most English words that are made of another language lie below."""


SURE_LANGUAGE = 0.5
"""Probability from which a language is certain: half a second of speech may look like any."""


def mean_probability(words: Sequence[Word]) -> float:
    """Mean probability of recognised words; 0.0 without any, 1.0 for the words of a transcript."""
    if not words:
        return 0.0
    return sum(1.0 if word.probability is None else word.probability for word in words) / len(words)


@dataclass(frozen=True, slots=True)
class Language:
    """The spoken language: ISO 639-1 code, its probability, and the probability of English."""

    code: str
    probability: float
    english: float

    @property
    def is_english(self) -> bool:
        """Whether English is the most probable language."""
        return self.code == "en"


def decided(distribution: Mapping[str, float], *, english: float) -> Language:
    """The most probable language; English only where it is ``english`` times as probable as the best other one.

    >>> decided({"en": 0.25, "nl": 0.2}, english=2.0).code
    'nl'
    """
    others = {code: p for code, p in distribution.items() if code != "en"}
    best = min(others, key=lambda code: (-others[code], code), default="en")
    sure = min(1.0, distribution.get("en", 0.0))
    if sure > 0 and sure >= english * others.get(best, 0.0):
        best = "en"
    return Language(best, min(1.0, distribution.get(best, 0.0)), sure)


class Recognizer:
    """Whisper, loaded once.

    Raises:
        WeightError: the model is absent or altered.
        InputError: it does not exist, or CTranslate2 lacks the device or the number format.
    """

    def __init__(self, options: AsrOptions | None = None) -> None:
        from faster_whisper import WhisperModel

        from merc.nn.threads import restored_threads

        self.options = options or AsrOptions()
        files = find(self.options.model)
        kind, _, number = self.options.device.partition(":")
        with restored_threads():
            self._model = WhisperModel(
                str(files.checked()),
                device=kind,
                device_index=int(number or 0),
                compute_type=number_format(self.options.compute_type, kind),
                cpu_threads=self.options.window_threads,
                num_workers=self.options.cpu_threads if kind == "cpu" else 1,
                local_files_only=True,
            )
        usual = (kind, self.options.compute_type, self.options.padding) == ("cpu", "auto", None)
        base = files.sha256 == WEIGHTS["whisper-base"].sha256
        self._model.model = self._batched = Batched(
            self._model.model,
            padding=self.options.padding,
            short=ShortWindows(self.options.window_threads) if usual and base else None,
        )
        self._languages: Registry[bool] = Registry("language", dict.fromkeys(self._model.supported_languages, True))

    def language(self, samples: NDArray[np.int16], speech: Sequence[Segment]) -> Language:
        """The language of a recording by the windows with most speech; arguments and errors as in `languages`."""
        return decided(self.languages(samples, speech), english=self.options.english)

    def languages(self, samples: NDArray[np.int16], speech: Sequence[Segment]) -> dict[str, float]:
        """Probability of each language: the mean over the windows with most speech, weighted by seconds.

        Args:
            samples: 16 kHz mono int16.
            speech: Its regions of speech.

        Raises:
            InputError: there is no speech.
        """
        check_samples(samples)
        if not speech:
            raise InputError("language of a recording without speech: expected at least one region of speech")
        self._batched.forget()
        seconds = {w: sum(w.overlap(region) for region in speech) for w in windows(speech, samples=samples)}
        chosen = sorted(seconds, key=lambda w: (-seconds[w], w))[: self.options.language_windows]
        mean: dict[str, float] = {}
        total = sum(seconds[window] for window in chosen)
        with ThreadPoolExecutor(self.options.cpu_threads) as pool:
            found = pool.map(lambda window: self._languages_of(samples, window, speech), sorted(chosen))
        for window, distribution in zip(sorted(chosen), found, strict=True):
            for code, probability in distribution.items():
                mean[code] = mean.get(code, 0.0) + probability * seconds[window] / total
        return mean

    def language_of_window(
        self, samples: NDArray[np.int16], window: Segment, recording: Language, *, speech: Sequence[Segment]
    ) -> Language:
        """The language of one window: the recording's, unless another is clearly more probable there.

        Args:
            samples: 16 kHz mono int16.
            window: At most 30 s of it.
            recording: The language of the whole recording.
            speech: Its regions of speech.
        """
        found = self._languages_of(samples, window, speech)
        best = decided(found, english=self.options.english)
        other = best.probability >= self.options.other * found.get(recording.code, 0.0)
        return best if other and best.probability >= SURE_LANGUAGE else recording

    def together(self, function: Callable[[Segment], Result], windows: Sequence[Segment]) -> list[Result]:
        """Call a function that transcribes on each of some windows, which are decoded as one batch on the CPU."""
        return self._batched.map(function, windows)

    def transcribe(
        self,
        samples: NDArray[np.int16],
        window: Segment,
        language: str,
        *,
        speech: Sequence[Segment] | None = None,
    ) -> list[Word]:
        """Transcribe one window: words with punctuation, absolute times and probabilities.

        Args:
            samples: The recording, 16 kHz mono int16.
            window: At most 30 s of it.
            language: ISO 639-1 code.
            speech: Regions of speech of the recording; words outside are dropped, the others cut to them.

        Returns:
            Words whose times are ordered, do not overlap and lie in the window.

        Raises:
            UnknownName: Whisper does not know the language.
            InputError: the window is too long or lies past the end.
        """
        check_samples(samples)
        self._languages[language]  # raises UnknownName
        extent = _with_margins(samples, window, speech, self.options.margin)
        inside = [window] if speech is None else _inside(speech, window)
        if not inside:
            return []
        sound = _cut_out(samples, extent)
        passages = self._passages(sound, language)
        if not self._loops(passages) or self._sure(passages):
            words = self._kept(passages, extent, language)
        elif len(inside) > 1:
            return [w for region in inside for w in self.transcribe(samples, region, language, speech=speech)]
        else:
            words = unlooped(self._kept(self._passages(sound, language, unrepeated=4), extent, language))
        if speech is None:
            return _in_order(words, window)
        words = _in_order(onto_speech(_in_order(words, window), inside, slack=self.options.slack), window)
        words = lengthened(words, inside)
        return self._with_unheard(samples, inside, language, words, speech)

    def _with_unheard(
        self,
        samples: NDArray[np.int16],
        inside: Sequence[Segment],
        language: str,
        words: list[Word],
        speech: Sequence[Segment],
    ) -> list[Word]:
        """The words of a window, and those that its regions without any have when they are decoded alone."""
        found = list(words)
        for region in inside:
            heard = any(word.segment.overlap(region) > 0 for word in words)
            if len(inside) > 1 and not heard and region.duration >= self.options.unheard:
                alone = self.transcribe(samples, region, language, speech=speech)
                found += alone if mean_probability(alone) >= DOUBTFUL else []
        return sorted(found, key=lambda word: word.segment)

    def _loops(self, passages: Sequence[Any]) -> bool:
        return any(passage.compression_ratio > self.options.compression for passage in passages)

    def _sure(self, passages: Sequence[Any]) -> bool:
        words = [word.probability for passage in passages for word in passage.words or []]
        return bool(words) and sum(words) / len(words) >= self.options.sure

    def _kept(self, passages: Sequence[Any], extent: Segment, language: str) -> list[Word]:
        return [word for p in passages if self._plausible(p) for word in _words(p, extent, language)]

    def _passages(self, sound: NDArray[np.float32], language: str, *, unrepeated: int = 0) -> list[Any]:
        """Decode a window; ``unrepeated`` is the length in tokens of phrases that may not occur twice (0: any may)."""
        passages, _ = self._model.transcribe(
            sound,
            language=language,
            task="translate" if self.options.translate and language != "en" else "transcribe",
            beam_size=self.options.beam,
            temperature=0.0,
            condition_on_previous_text=False,
            no_speech_threshold=self.options.no_speech,
            log_prob_threshold=self.options.log_probability,
            compression_ratio_threshold=self.options.compression,
            no_repeat_ngram_size=unrepeated,
            word_timestamps=True,
        )
        return list(passages)

    def _plausible(self, passage: Any) -> bool:
        """Whether a passage was probably spoken; short true answers may be improbable or odd, but hardly both."""
        options = self.options
        words = passage.words or []
        if not words:
            return False
        if len(words) > 1 and sum(w.end - w.start for w in words) < 0.05 * len(words):
            return False
        doubtful = (
            passage.no_speech_prob > options.no_speech
            or passage.avg_logprob < options.log_probability
            or passage.compression_ratio > options.compression
        )
        return not (doubtful and sum(w.probability for w in words) / len(words) < options.word_probability)

    def _languages_of(self, samples: NDArray[np.int16], window: Segment, speech: Sequence[Segment]) -> dict[str, float]:
        """Probability of each language in a window."""
        from faster_whisper.audio import pad_or_trim

        if not self._model.model.is_multilingual:
            return {"en": 1.0}
        sound = _cut_out(samples, _with_margins(samples, window, speech, self.options.margin))
        features = self._model.feature_extractor(sound)
        # the input of transcription, less the last frame, so that the encoder runs once for both
        encoded = self._model.encode(pad_or_trim(features[..., : features.shape[-1] - 1]))
        found = self._model.model.detect_language(encoded)[0]
        return {token[2:-2]: float(probability) for token, probability in found}


def _with_margins(
    samples: NDArray[np.int16], window: Segment, speech: Sequence[Segment] | None, margin: float
) -> Segment:
    """The window with its margins, which reach at most half-way to other speech; none where speech is unknown."""
    duration = len(samples) / RATE
    if window.duration > LONGEST + 2:
        raise InputError(f"window of {window.duration:.1f} s: expected at most 30 s; cut it with windows()")
    if window.start >= duration:
        raise InputError(f"window {window.start} to {window.end} s: the recording ends at {duration:.3f} s")
    if speech is None:
        return window
    margin = min(margin, (LONGEST + 2 - window.duration) / 2)
    before = [(min(s.end, window.start) + window.start) / 2 for s in speech if s.start < window.start]
    after = [(max(s.start, window.end) + window.end) / 2 for s in speech if s.end > window.end]
    return Segment(max([0.0, window.start - margin, *before]), min([window.end + margin, *after]))


def _inside(speech: Sequence[Segment], window: Segment) -> list[Segment]:
    """The regions of speech in a window, cut to it."""
    return [Segment(max(s.start, window.start), min(s.end, window.end)) for s in speech if s.overlap(window) > 0]


def _cut_out(samples: NDArray[np.int16], extent: Segment) -> NDArray[np.float32]:
    sound = np.asarray(samples[int(extent.start * RATE) : round(extent.end * RATE)])
    return sound.astype(np.float32) / np.float32(32768)


def _words(passage: Any, window: Segment, language: str) -> list[Word]:
    """The words of a passage in absolute time; pieces such as "-bye" are joined to the word before them."""
    words: list[Word] = []
    for piece in passage.words:
        start = window.start + float(piece.start)
        segment = Segment(start, max(window.start + float(piece.end), start + 1e-3))
        text = piece.word.strip()
        if words and language not in _UNSPACED and not piece.word.startswith(" "):
            last = words[-1]
            lower = min(last.probability or 0.0, float(piece.probability))
            words[-1] = Word(last.text + text, Segment(last.segment.start, max(last.segment.end, segment.end)), lower)
        elif text:
            words.append(Word(text, segment, float(piece.probability)))
    return words


def _in_order(words: list[Word], window: Segment) -> list[Word]:
    times = ordered([(word.segment.start, word.segment.end) for word in words], window)
    return [replace(word, segment=segment) for word, segment in zip(words, times, strict=True)]
