"""The audio half of an analysis: sound → speech → words and voices → utterances; every step is cached."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation, Segment, Utterance
from merc.errors import MediaError
from merc.media.samples import release
from merc.people.activity import Activity, agreed, voice_activity
from merc.people.diarise import DiariseOptions, Turn, diarise
from merc.pipeline.given_turns import given_turns, holds_turns_alone
from merc.pipeline.options import Job
from merc.pipeline.sound import decoded
from merc.pipeline.transcription import Transcription, given_language, transcribe
from merc.pipeline.turns import nearest_voice, unplaced, utterances
from merc.speech.align import align
from merc.speech.asr import Language
from merc.speech.vad import detect_speech

if TYPE_CHECKING:
    import numpy as np

_DIARISATION_WEIGHTS = ("campplus", "segmentation", "silero-vad")


@dataclass(frozen=True, slots=True)
class AudioResult:
    """What was said, when and by whom.

    Attributes:
        samples: int16 at 16 kHz on disk, or None without sound.
        utterances: In order of time.
        voices: Number of the voice of each utterance; None: unknown.
        turns: Who speaks when.
        overlaps: Where several voices speak at once.
        heard: The recognised words and their languages.
        notes: What was lost or repaired.
        named: Whether a transcript names the speakers.
        end: Where the recording ends, in seconds.
        track: Number of the audio track; None without sound.
        channel: What of the track was heard, such as "mono" or "left"; None without sound.
        speech: Where somebody speaks.
    """

    samples: np.ndarray | None
    utterances: tuple[Utterance, ...]
    voices: tuple[int | None, ...]
    turns: tuple[Turn, ...]
    overlaps: tuple[Segment, ...]
    heard: Transcription
    notes: tuple[str, ...]
    named: bool = False
    end: float = 0.0
    track: int | None = None
    channel: str | None = None
    speech: tuple[Segment, ...] = ()

    @property
    def language(self) -> Language | None:
        """The language of the recording; None without speech."""
        return self.heard.language


def listen(job: Job, transcript: Conversation | None) -> AudioResult:
    """Find the utterances of a recording, from its sound, or from a transcript that is aligned to its sound.

    Raises:
        MediaError: there is neither speech nor a transcript.
    """
    if job.probe.audio is None:
        return _without_sound(job, transcript)
    sound = decoded(job)
    samples, notes = sound.samples, list(sound.notes)
    given = given_turns(transcript, duration=len(samples) / 16000)
    worded = None if given else transcript
    speech = _speech(job, samples)
    if not speech and transcript is None:
        raise MediaError(
            f"{job.path.name}: no speech was found in {len(samples) / 16000:.1f} s of sound (silence, noise or music "
            "only); give a recording in which somebody speaks, or a transcript with --transcript"
        )
    with ThreadPoolExecutor(1) as second:  # neither needs the other, and the diarisation's models are small
        diarisation = None if given else second.submit(_diarised, job, samples, speech)
        heard = transcribe(job, samples, speech, transcript=worded is not None)
        turns, overlaps = diarisation.result() if diarisation else ([], [])
    release(samples)
    notes += [*(_fewer(job, turns) if diarisation else []), *heard.notes(transcript=worded is not None)]
    if given:
        turns, overlaps, voices, spoken = given.spoken(heard.words, speech)
        notes += [*given.notes, *unplaced(spoken, speech)]
    elif worded is None:
        found, voices = utterances(heard.words, turns, speech=speech)
        spoken = _numbered(found, voices)
        notes += unplaced(found, speech)
    else:
        aligned = align(worded, heard.words, duration=len(samples) / 16000, speech=speech)
        notes += list(worded.meta.get("notes", ())) + list(aligned.notes)
        spoken, voices, turns = _with_voices(list(aligned.utterances), turns)
    named = transcript is not None and any(utterance.speaker for utterance in transcript)
    return AudioResult(
        samples=samples,
        utterances=tuple(spoken),
        voices=tuple(voices),
        turns=tuple(turns),
        overlaps=tuple(overlaps),
        heard=heard,
        notes=tuple(notes),
        named=named,
        speech=tuple(speech),
        end=sound.end,
        track=sound.track,
        channel=sound.channel,
    )


def _without_sound(job: Job, transcript: Conversation | None) -> AudioResult:
    """Without sound, the utterances are those of the transcript."""
    if transcript is None:
        raise MediaError(
            f"{job.path.name}: it has video but no sound, so nobody can be heard; give a transcript with --transcript"
        )
    if holds_turns_alone(transcript):
        raise MediaError(
            f"{job.path.name}: it has no sound and {transcript.id} has no words, so nothing is known of what is said; "
            "give a transcript with words"
        )
    aligned = align(transcript, [], duration=job.probe.duration, speech=[])
    spoken, voices, turns = _with_voices(list(aligned.utterances), [])
    notes = (
        f"{job.path.name} has no sound: times and speakers are those of the transcript",
        *transcript.meta.get("notes", ()),
        *aligned.notes,
    )
    heard = Transcription(given_language(job.options.language) if job.options.language else None)
    return AudioResult(None, tuple(spoken), tuple(voices), tuple(turns), (), heard, notes, end=job.probe.duration)


def _speech(job: Job, samples: np.ndarray) -> list[Segment]:
    """Regions of speech: what the voice activity detector found, and what the segmentation network is sure of."""
    rows = job.cache.json(
        job.key("speech", weights=("silero-vad",)),
        lambda: [[part.start, part.end] for part in detect_speech(samples, progress=job.progress)],
    )
    release(samples)
    detected = [Segment(start, end) for start, end in rows]
    speech = agreed(_activity(job, samples), detected, end=len(samples) / 16000)
    job.report("speech", 1, 1)
    return speech


def _activity(job: Job, samples: np.ndarray) -> Activity:
    """Who speaks in each frame, by the segmentation network."""

    def run() -> dict[str, np.ndarray]:
        found = voice_activity(samples, device=job.device)
        release(samples)
        return {"tracks": found.tracks, "speech": found.speech}

    return Activity(**job.cache.arrays(job.key("activity", weights=("segmentation",)), run))


def _diarised(job: Job, samples: np.ndarray, speech: Sequence[Segment]) -> tuple[list[Turn], list[Segment]]:
    given = job.options
    options = DiariseOptions(
        speakers=given.speakers,
        min_speakers=given.min_speakers,
        max_speakers=given.max_speakers,
        device=job.device,
    )

    def run() -> dict[str, Any]:
        heard = _activity(job, samples)
        found = diarise(samples, speech, options=options, heard=heard, progress=job.progress)
        return {
            "turns": [[turn.speaker, turn.segment.start, turn.segment.end] for turn in found.turns],
            "overlaps": [[part.start, part.end] for part in found.overlaps],
        }

    count = (given.speakers, given.min_speakers, given.max_speakers)
    rows = job.cache.json(job.key("voices", *count, weights=_DIARISATION_WEIGHTS), run)
    turns = [Turn(speaker, Segment(start, end)) for speaker, start, end in rows["turns"]]
    return turns, [Segment(start, end) for start, end in rows["overlaps"]]


def _fewer(job: Job, turns: Sequence[Turn]) -> list[str]:
    """A note where fewer voices were found than requested."""
    requested, found = job.options.speakers or job.options.min_speakers or 0, len({turn.speaker for turn in turns})
    if found >= requested:
        return []
    return [f"{requested} speakers were requested, {found} found: there is too little speech for more"]


def with_voices(audio: AudioResult, voices: Sequence[int | None]) -> AudioResult:
    """The result with other voices: speakers are renumbered, and the turns are the utterances'."""
    spoken = tuple(_numbered(audio.utterances, voices))
    return replace(audio, utterances=spoken, voices=tuple(voices), turns=tuple(_turns(spoken, voices)))


def _turns(spoken: Sequence[Utterance], voices: Sequence[int | None]) -> list[Turn]:
    """The utterances as turns, where both the time and the voice are known."""
    return [
        Turn(voice, utterance.segment)
        for utterance, voice in zip(spoken, voices, strict=True)
        if voice is not None and utterance.segment is not None
    ]


def _numbered(spoken: Sequence[Utterance], voices: Sequence[int | None]) -> list[Utterance]:
    """Name speakers by number, in the order in which they first speak."""
    names: dict[int, str] = {}
    for voice in voices:
        if voice is not None:
            names.setdefault(voice, f"Speaker {len(names) + 1}")
    return [
        replace(utterance, speaker=None if voice is None else names[voice])
        for utterance, voice in zip(spoken, voices, strict=True)
    ]


def _with_voices(
    spoken: list[Utterance], turns: Sequence[Turn]
) -> tuple[list[Utterance], list[int | None], list[Turn]]:
    """Join a transcript's utterances with the voices of the diarisation.

    Where the transcript names its speakers, its names are the voices and its segments the turns; utterances without
    a name take the name that their voice has elsewhere in the transcript.
    """
    diarised = [None if u.segment is None else nearest_voice(u.segment, turns, reach=1.0) for u in spoken]
    names = list(dict.fromkeys(u.speaker for u in spoken if u.speaker))
    if not names:
        return _numbered(spoken, diarised), diarised, list(turns)
    known = _voice_names(spoken, diarised)
    named = [
        u if u.speaker else replace(u, speaker=known.get(voice)) for u, voice in zip(spoken, diarised, strict=True)
    ]
    voices = [names.index(u.speaker) if u.speaker else None for u in named]
    return named, voices, _turns(named, voices)


def _voice_names(spoken: Sequence[Utterance], voices: Sequence[int | None]) -> dict[int | None, str]:
    """For each voice, the speaker whom the transcript names most often while it speaks (in seconds)."""
    seconds: dict[int, dict[str, float]] = {}
    for utterance, voice in zip(spoken, voices, strict=True):
        if voice is not None and utterance.speaker and utterance.segment:
            share = seconds.setdefault(voice, {})
            share[utterance.speaker] = share.get(utterance.speaker, 0.0) + utterance.segment.duration
    return {voice: max(sorted(share), key=share.__getitem__) for voice, share in seconds.items()}
