"""The audible half of an analysis: sound → speech → words and voices → utterances, every step kept as an artefact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import MediaError
from merc.media.audio import decode_audio, read_audio, release
from merc.people.diarise import DiariseOptions, Turn, diarise
from merc.pipeline.options import Job
from merc.pipeline.turns import nearest_voice, utterances
from merc.speech.align import align
from merc.speech.asr import AsrOptions, Language, Recognizer, windows
from merc.speech.vad import detect_speech

if TYPE_CHECKING:
    import numpy as np

Loader = Callable[[], Recognizer]

_WORDS_BY = ("whisper-base", "silero-vad")
_VOICES_BY = ("campplus", "segmentation", "silero-vad")

SURE = 0.5
"""Probability below which another language than English is not believed: half a second of speech may look like any."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said, when and by whom.

        ``samples`` are int16 at 16 kHz on disk, or None without sound; ``voices`` numbers the voice of each utterance
    (None: unknown); ``turns`` and ``overlaps`` say who speaks when; ``told`` whether a transcript names the speakers.
    """

    samples: np.ndarray | None
    utterances: tuple[Utterance, ...]
    voices: tuple[int | None, ...]
    turns: tuple[Turn, ...]
    overlaps: tuple[Segment, ...]
    language: Language | None
    notes: tuple[str, ...]
    told: bool = False


def listen(job: Job, transcript: Conversation | None) -> Heard:
    """Find the utterances of a recording, from its sound, or from a transcript that is aligned to its sound.

    Raises MediaError when there is neither speech nor a transcript.
    """
    if job.probe.audio is None:
        return _read_only(job, transcript)
    samples, notes = _decode(job)
    speech = _speech(job, samples)
    if not speech and transcript is None:
        raise MediaError(
            f"{job.path.name}: no speech was found in {len(samples) / 16000:.1f} s of sound (silence, noise or music "
            "only); give a recording in which somebody speaks, or a transcript with --transcript"
        )
    with ThreadPoolExecutor(1) as beside:  # neither needs the other, and the diarisation's models are small
        diarised = beside.submit(_voices, job, samples, speech)
        language, words = _transcribed(job, samples, speech)
        turns, overlaps = diarised.result()
    release(samples)
    if language is not None and language.probability < SURE:
        notes.append(f"the language is uncertain (English {language.english:.2f}); it was taken for English")
    if transcript is None:
        said, voices = utterances(words, turns)
        named = _name(said, voices)
    else:
        aligned = align(transcript, words, duration=len(samples) / 16000, speech=speech)
        notes += list(transcript.meta.get("notes", ())) + list(aligned.notes)
        named, voices, turns = _with_voices(list(aligned.utterances), turns)
    told = transcript is not None and any(utterance.speaker for utterance in transcript)
    return Heard(samples, tuple(named), tuple(voices), tuple(turns), tuple(overlaps), language, tuple(notes), told)


def _read_only(job: Job, transcript: Conversation | None) -> Heard:
    """Without sound, the utterances are those of the transcript."""
    if transcript is None:
        raise MediaError(
            f"{job.path.name}: it has video but no sound, so nobody can be heard; give a transcript with --transcript"
        )
    aligned = align(transcript, [], duration=job.probe.duration, speech=[])
    named, voices, turns = _with_voices(list(aligned.utterances), [])
    notes = (
        f"{job.path.name} has no sound: times and speakers are those of the transcript",
        *transcript.meta.get("notes", ()),
        *aligned.notes,
    )
    language = _told(job.options.language) if job.options.language else None
    return Heard(None, tuple(named), tuple(voices), tuple(turns), (), language, notes)


def _decode(job: Job) -> tuple[np.ndarray, list[str]]:
    """The sound as samples on disk, and what was lost; the account is stored after the samples."""
    duration = job.probe.duration
    target = job.cache.path(job.key("sound"), ".npy")

    def run() -> dict[str, Any]:
        target.parent.mkdir(parents=True, exist_ok=True)
        decoded = decode_audio(job.path, target, on_seconds=lambda done: job.tell("decode", done, duration))
        return {"seconds": decoded.seconds, "channel": decoded.channel, "lost": decoded.lost}

    name = job.key("decoded")
    if not target.exists():
        job.cache.path(name, ".json").unlink(missing_ok=True)
    account = job.cache.json(name, run)
    job.tell("decode", duration, duration)
    return read_audio(target), [account["lost"]] if account["lost"] else []


def forget_sound(job: Job) -> None:
    """Remove the decoded sound, which is large, private and quickly made again."""
    job.cache.path(job.key("sound"), ".npy").unlink(missing_ok=True)


def _speech(job: Job, samples: np.ndarray) -> list[Segment]:
    rows = job.cache.json(
        job.key("speech", weights=("silero-vad",)),
        lambda: [[part.start, part.end] for part in detect_speech(samples, progress=job.progress)],
    )
    release(samples)
    job.tell("speech", 1, 1)
    return [Segment(start, end) for start, end in rows]


def _language(job: Job, recognizer: Loader, heard: tuple[np.ndarray, Sequence[Segment]]) -> Language | None:
    samples, speech = heard
    if job.options.language:
        return _told(job.options.language)
    if not speech:
        return None
    fields = job.cache.json(
        job.key("language", weights=_WORDS_BY),
        lambda: asdict(recognizer().language(samples, speech)),
    )
    found = Language(**fields)
    return found if found.is_english or found.probability >= SURE else Language("en", found.english, found.english)


def _told(code: str) -> Language:
    """The language that the user named."""
    return Language(code, 1.0, float(code == "en"))


def _words(
    job: Job, recognizer: Loader, heard: tuple[np.ndarray, Sequence[Segment]], *, language: Language | None
) -> list[Word]:
    """Transcribe window by window; each window is an artefact, so that a killed run goes on where it was."""
    samples, speech = heard
    if language is None:
        return []
    words: list[Word] = []
    parts = windows(speech, samples=samples)
    total = sum(part.duration for part in parts)
    done = 0.0
    for part in parts:
        rows = job.cache.json(
            job.key("words", part.start, part.end, language.code, job.options.beam, weights=_WORDS_BY),
            lambda part=part: [  # type: ignore[misc]
                _word_row(word) for word in recognizer().transcribe(samples, part, language.code, speech=speech)
            ],
        )
        words += [Word(text, Segment(start, end), probability) for text, start, end, probability in rows]
        release(samples)
        done += part.duration
        job.tell("transcribe", done, total)
    return words


def _word_row(word: Word) -> list[Any]:
    return [word.text, word.segment.start, word.segment.end, word.probability]


def _recognizer(job: Job) -> Loader:
    """A callable that loads the recogniser when it is first needed: a run from artefacts needs none."""
    return cache(lambda: Recognizer(AsrOptions(beam=job.options.beam, cpu_threads=job.options.workers)))


def _transcribed(job: Job, samples: np.ndarray, speech: Sequence[Segment]) -> tuple[Language | None, list[Word]]:
    recognizer = _recognizer(job)
    language = _language(job, recognizer, (samples, speech))
    return language, _words(job, recognizer, (samples, speech), language=language)


def _voices(job: Job, samples: np.ndarray, speech: Sequence[Segment]) -> tuple[list[Turn], list[Segment]]:
    options = DiariseOptions(speakers=job.options.speakers)

    def run() -> dict[str, Any]:
        found = diarise(samples, list(speech), options=options, progress=job.progress)
        return {
            "turns": [[turn.speaker, turn.segment.start, turn.segment.end] for turn in found.turns],
            "overlaps": [[part.start, part.end] for part in found.overlaps],
        }

    rows = job.cache.json(job.key("voices", job.options.speakers, weights=_VOICES_BY), run)
    turns = [Turn(speaker, Segment(start, end)) for speaker, start, end in rows["turns"]]
    return turns, [Segment(start, end) for start, end in rows["overlaps"]]


def with_voices(heard: Heard, voices: Sequence[int | None]) -> Heard:
    """The same with other voices: speakers are named anew, and the turns are the utterances'."""
    named = tuple(_name(heard.utterances, voices))
    return replace(heard, utterances=named, voices=tuple(voices), turns=tuple(_turns(named, voices)))


def _turns(said: Sequence[Utterance], voices: Sequence[int | None]) -> list[Turn]:
    """The utterances as turns, where both the time and the voice are known."""
    return [
        Turn(voice, utterance.segment)
        for utterance, voice in zip(said, voices, strict=True)
        if voice is not None and utterance.segment is not None
    ]


def _name(said: Sequence[Utterance], voices: Sequence[int | None]) -> list[Utterance]:
    """Speakers are numbered in the order in which they first speak."""
    order: dict[int, str] = {}
    for voice in voices:
        if voice is not None:
            order.setdefault(voice, f"Speaker {len(order) + 1}")
    return [
        replace(utterance, speaker=None if voice is None else order[voice])
        for utterance, voice in zip(said, voices, strict=True)
    ]


def _with_voices(said: list[Utterance], turns: Sequence[Turn]) -> tuple[list[Utterance], list[int | None], list[Turn]]:
    """Join a transcript's utterances with the voices that were heard.

    Where the transcript names its speakers, its names are the voices and its segments the turns; utterances without
    a name take the name that their voice has elsewhere in the transcript.
    """
    heard = [None if u.segment is None else nearest_voice(u.segment, turns, reach=1.0) for u in said]
    if not any(utterance.speaker for utterance in said):
        return _name(said, heard), heard, list(turns)
    names = list(dict.fromkeys(u.speaker for u in said if u.speaker))
    known = _voice_names(said, heard)
    named = [u if u.speaker else replace(u, speaker=known.get(voice)) for u, voice in zip(said, heard, strict=True)]
    voices = [names.index(u.speaker) if u.speaker else None for u in named]
    return named, voices, _turns(named, voices)


def _voice_names(said: Sequence[Utterance], heard: Sequence[int | None]) -> dict[int | None, str]:
    """For each voice that was heard, the speaker whom the transcript names most often while it speaks (in seconds)."""
    seconds: dict[int, dict[str, float]] = {}
    for utterance, voice in zip(said, heard, strict=True):
        if voice is not None and utterance.speaker and utterance.segment:
            share = seconds.setdefault(voice, {})
            share[utterance.speaker] = share.get(utterance.speaker, 0.0) + utterance.segment.duration
    return {voice: max(sorted(share), key=share.__getitem__) for voice, share in seconds.items()}
