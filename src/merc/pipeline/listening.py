"""The audio half of an analysis: sound → speech → words and voices → utterances; every step is cached."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from merc.conversation import Conversation, Segment, Utterance
from merc.errors import MediaError
from merc.media.samples import release
from merc.people.activity import Activity, agreed, voice_activity
from merc.people.diarise import DiariseOptions, Turn, diarise
from merc.pipeline.given_turns import given_turns, holds_turns_alone
from merc.pipeline.options import Job
from merc.pipeline.parties import Channel, in_order, jobs, numbers, parties_of, renumbered, together
from merc.pipeline.sound import Sound, decoded, on_track
from merc.pipeline.transcription import Transcription, given_language, transcribe
from merc.pipeline.turns import nearest_voice, unplaced, utterances
from merc.speech.align import align
from merc.speech.asr import Language
from merc.speech.vad import detect_speech

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
        channels: The channels that have speakers of their own, or the one sound; none without sound.
        parties: Of which of these each utterance is.
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
    channels: tuple[Channel, ...] = ()
    parties: tuple[int, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether channels have speakers of their own, so that nothing else need tell who speaks."""
        return len(self.channels) > 1

    def sound_of(self, place: int) -> np.ndarray:
        """The samples in which an utterance is heard: of its own channel, where channels have speakers of their own."""
        one = self.channels[self.parties[place]].samples if self.apart else self.samples
        return np.zeros(0, np.int16) if one is None else one

    def said_in(self, place: int) -> Transcription:
        """The words and languages of the sound of an utterance."""
        return self.channels[self.parties[place]].said if self.apart else self.heard

    def speech_of(self, place: int) -> tuple[Segment, ...]:
        """Where somebody speaks in the sound of an utterance."""
        return self.channels[self.parties[place]].speech if self.apart else self.speech

    def overlaps_of(self, place: int) -> tuple[Segment, ...]:
        """Where several voices speak at once in the sound of an utterance."""
        return self.channels[self.parties[place]].overlaps if self.apart else self.overlaps

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
    sound, channels = _sound(job, transcript)
    every = together(channels)
    if not every.speech and transcript is None:
        raise MediaError(
            f"{job.path.name}: no speech was found in {len(sound.samples) / 16000:.1f} s of sound (silence, noise or "
            "music only); give a recording in which somebody speaks, or a transcript with --transcript"
        )
    given = given_turns(transcript, duration=len(sound.samples) / 16000)
    worded, turns, overlaps = None if given else transcript, list(every.turns), list(every.overlaps)
    notes = [*sound.notes, *([] if given else _fewer(job, turns)), *every.said.notes(transcript=worded is not None)]
    if given:
        turns, overlaps, voices, spoken = given.spoken(every.said.words, every.speech)
        notes += [*given.notes, *unplaced(spoken, every.speech)]
        parties = parties_of(spoken, channels)
    elif worded is None:
        spoken, voices, parties = _cut(channels)
        notes += _unplaced(spoken, parties, channels, sound)
    else:
        aligned = align(worded, every.said.words, duration=len(sound.samples) / 16000, speech=every.speech)
        notes += list(worded.meta.get("notes", ())) + list(aligned.notes)
        spoken, voices, turns = _with_voices(list(aligned.utterances), turns)
        parties = parties_of(spoken, channels)
    return AudioResult(
        samples=sound.samples,
        utterances=tuple(spoken),
        voices=tuple(voices),
        turns=tuple(turns),
        overlaps=tuple(overlaps),
        heard=every.said,
        notes=tuple(notes),
        named=transcript is not None and any(utterance.speaker for utterance in transcript),
        speech=every.speech,
        end=sound.end,
        track=sound.track,
        channel=sound.channel,
        channels=tuple(channels),
        parties=tuple(parties),
    )


def _sound(job: Job, transcript: Conversation | None) -> tuple[Sound, list[Channel]]:
    """The sound of the chosen track; where nobody speaks on it, of the first other track on which somebody does.

    A track that is requested by its number is taken as it is.
    """
    sound = decoded(job)
    channels = _channels(job, sound, transcript)
    if any(one.speech for one in channels) or job.options.audio_track is not None:
        return sound, channels
    for track in job.probe.audio_tracks:
        if track.chosen:
            continue
        with suppress(MediaError):
            instead = on_track(job, track.number)
            other = decoded(instead)
            found = _channels(instead, other, transcript)
            if any(one.speech for one in found):
                silent = f"nobody speaks on audio track {sound.track}, which is the usual one: track {track} is heard"
                return replace(other, notes=(silent, *other.notes)), found
    return sound, channels


def _channels(job: Job, sound: Sound, transcript: Conversation | None) -> list[Channel]:
    """What is heard of the recording, or of each channel that has speakers of its own."""
    work = jobs(job, sound)
    heard = [_channel(one, samples, transcript) for one, samples in work]
    if len(work) == 1 or _given(transcript):
        return heard
    for place, number in enumerate(numbers(heard, job.options)):
        one, samples = work[place]
        if number != len({turn.speaker for turn in heard[place].turns}):
            counted = replace(one, options=replace(one.options, speakers=number))
            turns, overlaps = _diarised(counted, samples, heard[place].speech)
            heard[place] = replace(heard[place], turns=tuple(turns), overlaps=tuple(overlaps))
    return heard


def _given(transcript: Conversation | None) -> bool:
    """Whether a transcript says who speaks when, and no words."""
    return transcript is not None and holds_turns_alone(transcript)


def _channel(job: Job, samples: np.ndarray, transcript: Conversation | None) -> Channel:
    speech, given = _speech(job, samples), _given(transcript)
    with ThreadPoolExecutor(1) as second:  # neither needs the other, and the diarisation's models are small
        diarisation = None if given else second.submit(_diarised, job, samples, speech)
        said = transcribe(job, samples, speech, transcript=transcript is not None and not given)
        turns, overlaps = diarisation.result() if diarisation else ([], [])
    release(samples)
    return Channel(samples, tuple(speech), said, tuple(turns), tuple(overlaps))


def _unplaced(
    spoken: Sequence[Utterance], parties: Sequence[int], channels: Sequence[Channel], sound: Sound
) -> list[str]:
    """Notes on the speech of each channel that is in no utterance of it, with its name where there are several."""
    names = [f"{party.name}: " for party in sound.parties] or [""]
    return [
        name + note
        for number, (one, name) in enumerate(zip(channels, names, strict=True))
        for note in unplaced([u for u, party in zip(spoken, parties, strict=True) if party == number], one.speech)
    ]


def _cut(channels: Sequence[Channel]) -> tuple[list[Utterance], list[int | None], list[int]]:
    """The utterances, their voices and their channels, from words and turns."""
    numbered = renumbered(channels)
    cut = [utterances(one.said.words, one.turns, speech=one.speech) for one in numbered]
    found, voices, parties = in_order(numbered, cut) if len(cut) > 1 else (*cut[0], [0] * len(cut[0][0]))
    return _numbered(found, voices), voices, parties


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
    with ThreadPoolExecutor(1) as second:  # each of the two takes one core
        activity = second.submit(_activity, job, samples)
        rows = job.cache.json(
            job.key("speech", weights=("silero-vad",)),
            lambda: [[part.start, part.end] for part in detect_speech(samples, progress=job.progress)],
        )
        detected = [Segment(start, end) for start, end in rows]
        speech = agreed(activity.result(), detected, end=len(samples) / 16000)
    release(samples)
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
