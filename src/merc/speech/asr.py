"""Speech recognition: Whisper through CTranslate2, one window of speech at a time.

Whisper reads 30 s of sound whatever it contains, so speech is first packed into windows of up to 28 s that are cut at
pauses. A window depends on nothing but its own samples: windows can be transcribed in any order, and each can be
cached. Decoding is at temperature 0 only and never conditioned on earlier text, hence the same for the same samples.

Whisper invents text over music, noise and silence. Four guards: windows hold detected speech; a passage is dropped
when its words are improbable and one of no-speech probability, mean log-probability and compression ratio says so
too, or when nobody could speak so fast; loops are decoded again without repeated phrases, then cut; and words
that lie outside the regions of speech are dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.conversation import Segment, Word
from merc.errors import InputError
from merc.options import above, at_least, share
from merc.registry import Registry
from merc.speech.vad import RATE, check_samples
from merc.speech.words import onto_speech, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 28.0
"""Seconds of the longest window: Whisper's 30 s less room for a last word."""

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # written without spaces: a character is a word
_STEP = 0.05  # seconds over which loudness is measured to find the quietest place


@dataclass(frozen=True, slots=True)
class AsrOptions:
    """How speech is transcribed.

    Raises:
        InputError: an option is out of range.
    """

    beam: int = 1
    """Hypotheses followed at once: five cost more and gained nothing on short conversational windows."""
    cpu_threads: int = 1
    """CPU threads of the recogniser: as many as there are free cores."""
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
    slack: float = 0.3
    """Seconds by which a word may miss the regions of speech: word times waver by that much."""
    margin: float = 0.3
    """Seconds of the pauses at both ends that are added to a window: bare words of half a second are misrecognised."""

    def __post_init__(self) -> None:
        at_least(1, beam=self.beam, cpu_threads=self.cpu_threads, language_windows=self.language_windows)
        share(no_speech=self.no_speech, word_probability=self.word_probability, margin=self.margin)
        above(1, compression=self.compression)
        at_least(0, slack=self.slack, hint=" seconds")


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


def windows(
    speech: Sequence[Segment], *, samples: NDArray[np.int16] | None = None, longest: float = LONGEST
) -> list[Segment]:
    """Pack regions of speech, in order, into windows that begin and end at pauses.

    Of the pauses in the last quarter of what fits, a window ends at the longest.

    Args:
        speech: Regions in order that do not overlap.
        samples: int16 at 16 kHz; a region that does not fit into a window is split at its quietest place where they
            are given, else at ``longest``.
        longest: Most seconds of a window, 4 to 30.

    Raises:
        InputError: regions overlap or are out of order, or Whisper cannot read that length.
    """
    if not 4 <= longest <= 30:
        raise InputError(f"longest {longest}: expected 4 to 30 s")
    for before, after in pairwise(speech):
        if after.start < before.end:
            raise InputError(
                f"speech at {after.start} s begins before the one in front ends ({before.end} s): "
                "expected regions in order that do not overlap"
            )
    pieces = [piece for region in speech for piece in _split(region, samples, longest)]
    packed = []
    first = 0
    while first < len(pieces):
        last = _last_of_window(pieces, first, longest)
        packed.append(Segment(pieces[first].start, pieces[last].end))
        first = last + 1
    return packed


def _last_of_window(pieces: Sequence[Segment], first: int, longest: float) -> int:
    """Which piece ends the window that begins with ``first``: the one before the longest of the late pauses."""
    start = pieces[first].start
    last = first
    while last + 1 < len(pieces) and pieces[last + 1].end - start <= longest:
        last += 1
    if last + 1 == len(pieces):
        return last
    late = [n for n in range(first, last + 1) if pieces[n].end - start >= 0.75 * longest] or [last]
    return max(late, key=lambda n: (pieces[n + 1].start - pieces[n].end, n))


def _split(region: Segment, samples: NDArray[np.int16] | None, longest: float) -> list[Segment]:
    """Cut a region that is too long, each time at the quietest place of the second half that fits."""
    pieces = []
    start = region.start
    while region.end - start > longest:
        cut = min(start + longest, region.end - 1.0)  # no slivers
        if samples is not None:
            cut = _quietest(samples, Segment(start + longest / 2, cut))
        pieces.append(Segment(start, cut))
        start = cut
    return [*pieces, Segment(start, region.end)]


def _quietest(samples: NDArray[np.int16], within: Segment) -> float:
    size = int(_STEP * RATE)
    first = int(within.start * RATE)
    sound = np.asarray(samples[first : int(within.end * RATE)], np.float64)
    steps = len(sound) // size
    if steps < 3:
        return within.end
    energy = np.square(sound[: steps * size]).reshape(steps, size).mean(axis=1)
    around = np.convolve(energy, np.ones(3) / 3, mode="valid")  # 150 ms, so that a closed stop is no pause
    return (first + (int(np.argmin(around)) + 1.5) * size) / RATE


class Recognizer:
    """Whisper base, loaded once, on the CPU.

    Raises:
        WeightError: the weight ``whisper-base`` is absent or altered.
    """

    def __init__(self, options: AsrOptions | None = None) -> None:
        from faster_whisper import WhisperModel

        from merc.nn.threads import restored_threads

        self.options = options or AsrOptions()
        folder = str(weights.path("whisper-base"))
        with restored_threads():
            self._model = WhisperModel(
                folder,
                device="cpu",
                compute_type="int8",
                cpu_threads=self.options.cpu_threads,
                local_files_only=True,
            )
        self._encode = self._model.encode
        self._model.encode = self._encode_once
        self._encoded: dict[bytes, Any] = {}
        self._languages: Registry[bool] = Registry("language", dict.fromkeys(self._model.supported_languages, True))

    def language(self, samples: NDArray[np.int16], speech: Sequence[Segment]) -> Language:
        """Detect the language in the windows with most speech: the mean of their distributions, weighted by seconds.

        Args:
            samples: 16 kHz mono int16.
            speech: Its regions of speech.

        Raises:
            InputError: there is no speech.
        """
        check_samples(samples)
        if not speech:
            raise InputError("language of a recording without speech: expected at least one region of speech")
        seconds = {w: sum(w.overlap(region) for region in speech) for w in windows(speech, samples=samples)}
        chosen = sorted(seconds, key=lambda w: (-seconds[w], w))[: self.options.language_windows]
        mean: dict[str, float] = {}
        total = sum(seconds[window] for window in chosen)
        for window in sorted(chosen):
            sound = _cut_out(samples, _with_margins(samples, window, speech, self.options.margin))
            for code, probability in self._languages_of(sound):
                mean[code] = mean.get(code, 0.0) + probability * seconds[window] / total
        code = min(mean, key=lambda name: (-mean[name], name))
        return Language(code, min(1.0, mean[code]), min(1.0, mean.get("en", 0.0)))

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
        extent = _with_margins(samples, window, speech, self.options.margin)
        self._languages[language]  # raises UnknownName
        if speech is not None and not any(region.overlap(window) for region in speech):
            return []
        sound = _cut_out(samples, extent)
        passages = self._unlooped_passages(sound, language)
        words = _unlooped([w for p in passages if self._plausible(p) for w in _words(p, extent, language)])
        if speech is not None:
            inside = [Segment(max(s.start, window.start), min(s.end, window.end)) for s in speech if s.overlap(window)]
            words = onto_speech(_in_order(words, window), inside, slack=self.options.slack)
        return _in_order(words, window)

    def _unlooped_passages(self, sound: NDArray[np.float32], language: str) -> list[Any]:
        """Decode a window; where a passage is a loop, again without repeated phrases."""
        passages = self._passages(sound, language)
        if any(passage.compression_ratio > self.options.compression for passage in passages):
            return self._passages(sound, language, unrepeated=4)
        return passages

    def _passages(self, sound: NDArray[np.float32], language: str, *, unrepeated: int = 0) -> list[Any]:
        """Decode a window; ``unrepeated`` is the length in tokens of phrases that may not occur twice (0: any may)."""
        passages, _ = self._model.transcribe(
            sound,
            language=language,
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

    def _languages_of(self, sound: NDArray[np.float32]) -> list[tuple[str, float]]:
        from faster_whisper.audio import pad_or_trim

        features = self._model.feature_extractor(sound)
        # the input of transcription, less the last frame, so that the encoder runs once for both
        encoded = self._model.encode(pad_or_trim(features[..., : features.shape[-1] - 1]))
        found = self._model.model.detect_language(encoded)[0]
        return [(token[2:-2], float(probability)) for token, probability in found]

    def _encode_once(self, features: NDArray[np.float32]) -> Any:
        """Encode a spectrogram and keep the last few: language and words are read from the same windows."""
        name = hashlib.sha256(np.ascontiguousarray(features).tobytes()).digest()
        if name in self._encoded:
            return self._encoded[name]
        while len(self._encoded) >= self.options.language_windows:
            del self._encoded[next(iter(self._encoded))]
        self._encoded[name] = self._encode(features)
        return self._encoded[name]


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


def _unlooped(words: list[Word], *, most: int = 4, phrase: int = 6) -> list[Word]:
    """Cut a phrase of up to ``phrase`` words that repeats more than ``most`` times in a row down to ``most``."""
    kept: list[Word] = []
    for word in words:
        kept.append(word)
        for length in range(1, phrase + 1):
            tail = [w.text.casefold().strip(".,!?…") for w in kept[-length * (most + 1) :]]
            if len(tail) == length * (most + 1) and tail == tail[:length] * (most + 1):
                del kept[-length:]
                break
    return kept


def _in_order(words: list[Word], window: Segment) -> list[Word]:
    times = ordered([(word.segment.start, word.segment.end) for word in words], window)
    return [replace(word, segment=segment) for word, segment in zip(words, times, strict=True)]
