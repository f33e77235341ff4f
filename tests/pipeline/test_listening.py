"""Speakers, voices and language of the utterances; the models themselves are tested in their rooms."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from merc import AnalyzeOptions, Conversation, Segment, Utterance
from merc.cache import Cache
from merc.errors import MediaError
from merc.media.container import AudioInfo, Probe, probe
from merc.media.samples import RATE
from merc.people.activity import Activity
from merc.people.diarise import Turn
from merc.pipeline import listening
from merc.pipeline.listening import AudioResult, listen, with_voices
from merc.pipeline.options import Job
from merc.pipeline.parties import Channel
from merc.pipeline.sound import Party, Sound
from merc.pipeline.transcription import Transcription
from merc.speech.asr import Language
from tests.media.making import tone


def said(*rows: tuple[float, float, str | None]) -> list[Utterance]:
    """Utterances by start, end and speaker."""
    return [
        Utterance(f"u{n}", speaker=speaker, text="yes", segment=Segment(start, end))
        for n, (start, end, speaker) in enumerate(rows)
    ]


def job(folder: Path, *, sound: bool, **options: object) -> Job:
    stream = AudioInfo("pcm_s16le", 16000, 1, "mono") if sound else None
    probe = Probe("wav", 4.0, stream, None)
    return Job(folder / "a.wav", probe, "f" * 64, AnalyzeOptions(**options), Cache(folder / "cache"))  # type: ignore[arg-type]


TURNS = [Turn(0, Segment(0, 2)), Turn(1, Segment(2, 4)), Turn(0, Segment(4, 6))]


def test_without_names_speakers_are_numbered_as_they_first_speak() -> None:
    found, voices, turns = listening._with_voices(said((2.1, 3.9, None), (0.1, 1.9, None), (4.1, 5, None)), TURNS)
    assert voices == [1, 0, 0]
    assert [utterance.speaker for utterance in found] == ["Speaker 1", "Speaker 2", "Speaker 2"]
    assert turns == TURNS


def test_an_utterance_far_from_every_turn_has_no_voice() -> None:
    found, voices, _ = listening._with_voices(said((9, 10, None)), TURNS)
    assert (found[0].speaker, voices) == (None, [None])


def test_names_of_a_transcript_are_the_voices_and_fill_the_gaps_of_their_voice() -> None:
    rows = said((0.1, 1.9, "Ann"), (2.1, 3.9, "Bob"), (4.1, 5, None), (9, 10, None))
    found, voices, turns = listening._with_voices(rows, TURNS)
    assert [utterance.speaker for utterance in found] == ["Ann", "Bob", "Ann", None]
    assert voices == [0, 1, 0, None]
    assert [(turn.speaker, turn.segment.start) for turn in turns] == [(0, 0.1), (1, 2.1), (0, 4.1)]


def test_a_voice_has_the_name_that_it_has_for_the_most_seconds() -> None:
    rows = said((0, 1, "Ann"), (1, 3, "Bob"), (3, 3.5, "Ann"))
    assert listening._voice_names(rows, [0, 0, 0]) == {0: "Bob"}


def test_fewer_voices_than_requested_are_noted(tmp_path: Path) -> None:
    notes = listening._fewer(job(tmp_path, sound=True, speakers=3), TURNS)
    assert notes == ["3 speakers were requested, 2 found: there is too little speech for more"]
    assert listening._fewer(job(tmp_path, sound=True, min_speakers=2), TURNS) == []
    assert listening._fewer(job(tmp_path, sound=True), TURNS) == []


def test_speech_is_also_what_the_segmentation_network_alone_hears(tmp_path: Path, monkeypatch) -> None:
    heard = Activity(np.zeros((470, 3), dtype=bool), np.full(470, 0.95, np.float32))
    heard.tracks[300:400, 0] = True
    monkeypatch.setattr(listening, "detect_speech", lambda samples, progress: [Segment(1, 2)])
    monkeypatch.setattr(listening, "voice_activity", lambda samples, device: heard)
    samples = np.zeros(8 * 16000, np.int16)
    for _ in range(2):  # computed, then from the cache
        found = listening._speech(job(tmp_path, sound=True), samples)
        assert [(round(one.start, 1), round(one.end, 1)) for one in found] == [(1, 2), (5.1, 6.8)]


def test_other_voices_number_the_speakers_again() -> None:
    utterances = tuple(said((0, 1, "Speaker 1"), (1, 2, "Speaker 2")))
    audio = AudioResult(None, utterances, (4, 7), tuple(TURNS), (), Transcription(), ())
    found = with_voices(audio, [7, None])
    assert [utterance.speaker for utterance in found.utterances] == ["Speaker 1", None]
    assert (found.voices, found.turns) == ((7, None), (Turn(7, Segment(0, 1)),))


def test_without_sound_the_transcript_is_taken_as_it_is(tmp_path: Path) -> None:
    transcript = Conversation("t", tuple(said((0, 1, "Ann"), (1, 2, "Bob"))))
    found = listen(job(tmp_path, sound=False, language="en"), transcript)
    assert found.samples is None
    assert [utterance.speaker for utterance in found.utterances] == ["Ann", "Bob"]
    assert found.notes[0] == "a.wav has no sound: times and speakers are those of the transcript"
    assert found.language == Language("en", 1.0, 1.0)


def test_without_sound_and_transcript_there_is_nothing_to_analyse(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.wav: it has video but no sound, .* --transcript"):
        listen(job(tmp_path, sound=False), None)


def tracks(path: Path, *loud: bool) -> Path:
    """A recording with an audio track for each value, silent or not; the first is flagged as default."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("flac", rate=RATE, layout="mono") for _ in loud]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition(int(number == 0))
        for stream, one in zip(streams, loud, strict=True):
            samples = (tone(300, 1, rate=RATE)[None] * 32767 * one).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
            for part in (frame, None):
                out.mux(stream.encode(part))
    return path


@pytest.mark.parametrize(
    ("loud", "option", "track"),
    [((True, True), None, 1), ((False, True), None, 2), ((False, False, True), None, 3), ((False, True), 1, 1)],
)
def test_where_nobody_speaks_on_the_usual_track_another_is_heard_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loud: tuple[bool, ...], option: int | None, track: int
) -> None:
    path = tracks(tmp_path / "a.mkv", *loud)

    def channels(job: Job, sound: Sound, *_: object) -> list[Channel]:
        speech = (Segment(0, 1),) if sound.samples.any() else ()
        return [Channel(sound.samples, speech, Transcription(), (), ())]

    monkeypatch.setattr(listening, "_channels", channels)
    options = AnalyzeOptions(audio_track=option)
    work = Job(path, probe(path, options.tracks), "f" * 64, options, Cache(tmp_path / "cache"))
    if option is not None:
        with pytest.raises(MediaError, match="no speech was found"):
            listen(work, None)
        return
    found = listen(work, None)
    assert found.track == track
    said = [note for note in found.notes if note.startswith("nobody speaks on audio track 1")]
    assert len(said) == (track != 1) and all(f"track {track} (flac, mono) is heard" in note for note in said)


def test_without_speech_on_any_track_the_recording_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tracks(tmp_path / "a.mkv", False, False)
    silent = Channel(np.zeros(9, np.int16), (), Transcription(), (), ())
    monkeypatch.setattr(listening, "_channels", lambda *_, **__: [silent])
    with pytest.raises(MediaError, match=r"a\.mkv: no speech was found in 1\.0 s of sound"):
        listen(Job(path, probe(path), "f" * 64, AnalyzeOptions(), Cache(tmp_path / "cache")), None)


def test_speech_in_no_utterance_is_said_of_its_channel() -> None:
    silence, speech = np.zeros(9, np.int16), ((Segment(0, 1),), (Segment(4, 6),))
    channels = [Channel(silence, parts, Transcription(), (), ()) for parts in speech]
    spoken = said((0, 1, None), (4, 6, None))
    sound = Sound(silence, "separate: left, right", 1, 6.0, (), (Party("left", silence), Party("right", silence)))
    assert listening._unplaced(spoken, [0, 1], channels, sound) == []
    (note,) = listening._unplaced(spoken, [0, 0], channels, sound)
    assert note.startswith("right: 2.0 s of detected speech are in no utterance")
