"""Evidence of each modality: words in their context, sounds encoded once, faces frame by frame, or the reason."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from merc.backbones.mpnet_dialogue import numbered
from merc.cache import Cache
from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import WeightError
from merc.heads.voice import Speakers
from merc.labels import EKMAN7
from merc.media.audio import Probe
from merc.people.link import FaceEvidence
from merc.pipeline import evidence
from merc.pipeline.evidence import Sounds, text_evidence, voice_encoder
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.transcription import Transcription
from merc.speech.asr import Language

READ: list[Conversation] = []


class Encoder:
    """Instead of the encoder: the number of words up to here."""

    def __init__(self, path: Path, *, threads: int, longest: int, device: str) -> None:
        assert (path, threads, longest, device) == (Path("mine.safetensors"), 3, 192, "cpu")

    def encode(self, conversations: Sequence[Conversation]) -> dict[str, np.ndarray]:
        READ.extend(conversations)
        words = [len((turn.text or "").split()) for turn in conversations[0]]
        return {turn.id: np.array([sum(words[: n + 1])], np.float32) for n, turn in enumerate(conversations[0])}


class Judge:
    """Instead of the head: joy from the fourth word on."""

    name, path, sha256 = "text", Path("mine.safetensors"), "0" * 64

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        label = np.where(vectors[:, 0] > 3, EKMAN7.index("joy"), EKMAN7.index("anger"))
        return np.eye(len(EKMAN7))[label]


def spoken(*said: tuple[str, str | None]) -> AudioResult:
    turns = tuple(Utterance(f"u{n}", text=text, speaker=speaker) for n, (text, speaker) in enumerate(said))
    return AudioResult(None, turns, (None,) * len(turns), (), (), Transcription(), ())


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(evidence, "DialogueEncoder", Encoder)
    monkeypatch.setattr(evidence, "spoken_head", Judge)
    READ.clear()
    return Job(Path("x.wav"), Probe("wav", 1.0, None, None), "f" * 64, AnalyzeOptions(threads=3), Cache(tmp_path), None)


def test_words_are_read_in_the_context_of_those_before(job: Job) -> None:
    said = (("one two three", "Ann"), ("", "Bob"), ("four", "Bob"), ("five", None))
    found = text_evidence(job, spoken(*said))
    labels = [max(e.probabilities, key=e.probabilities.get) if e.probabilities else e.missing for e, _ in found]  # type: ignore[arg-type]
    assert labels == ["anger", "no words were recognised", "joy", "joy"]
    assert [vector if vector is None else vector.tolist() for _, vector in found] == [[3], None, [4], [5]]
    assert [(turn.text, turn.speaker) for turn in READ[0]] == [
        ("one two three", "Speaker 1"),
        ("four", "Speaker 2"),
        ("five", None),
    ]


def test_the_same_words_of_another_speaker_are_encoded_again_and_the_same_ones_are_not(job: Job) -> None:
    first: Any = text_evidence(job, spoken(("a b", "Ann"), ("c", "Ann")))
    again: Any = text_evidence(job, spoken(("a b", "Ann"), ("c", "Ann")))
    assert len(READ) == 1 and first[1][0] == again[1][0]
    text_evidence(job, spoken(("a b", "Ann"), ("c", "Bob")))
    assert len(READ) == 2


@pytest.mark.parametrize(("sure", "reason"), [(0.3, "its words are doubtful (mean probability 0.30"), (0.7, None)])
def test_doubtful_words_are_no_evidence(job: Job, sure: float, reason: str | None) -> None:
    words = (Word("I", Segment(0, 1), sure - 0.1), Word("see", Segment(1, 2), sure + 0.1))
    one = Utterance("u0", text="I see", segment=Segment(0, 2), words=words)
    ((found, _),) = text_evidence(job, AudioResult(None, (one,), (0,), (), (), Transcription(), ()))
    assert (found.missing or "").startswith(reason or "") and bool(found.missing) is bool(reason)


def test_a_translation_is_no_evidence(job: Job) -> None:
    heard = Transcription(Language("pl", 0.9, 0.0), (), (), translated=True)
    one = Utterance("u0", text="I see you", segment=Segment(0, 2))
    ((found, _),) = text_evidence(job, AudioResult(None, (one,), (0,), (), (), heard, ()))
    assert found.missing is not None and "its words are Whisper's translation" in found.missing


def test_words_are_read_only_where_the_window_is_english(job: Job) -> None:
    spans = ((0, 2), (10, 12))
    turns = tuple(Utterance(f"u{n}", text="a b", segment=Segment(*span)) for n, span in enumerate(spans))
    windows = ((Segment(0, 9), "en"), (Segment(9, 20), "de"))
    heard = Transcription(Language("en", 0.6, 0.6), (), windows)
    found = text_evidence(job, AudioResult(None, turns, (0, 0), (), (), heard, ()))
    assert [one.missing for one, _ in found] == [None, "the language is 'de'; the text model is English-only"]


def test_without_words_nothing_is_read(job: Job) -> None:
    assert [evidence.missing for evidence, _ in text_evidence(job, spoken(("", "Ann")))] == ["no words were recognised"]
    assert not READ


def test_notes_have_neither_words_nor_a_voice(job: Job, sound_job: Job) -> None:
    said = (("[music]", "Ann"), ("♪♪", "Ann"), ("42", "Ann"), ("No.", "Ann"))
    missing = [one.missing for one, _ in text_evidence(job, spoken(*said))]
    assert missing == ["'[music]' has no words", "'♪♪' has no words", "'42' has no words", None]
    heard = sounding(sound_job)
    heard = replace(heard, utterances=(replace(heard.utterances[0], text="[music]"), *heard.utterances[1:]))
    assert Sounds(sound_job, heard).reasons[0] == "'[music]' has no words: nobody need be speaking"


def test_speaker_ids_are_anonymised() -> None:
    turns = [Utterance(str(n), speaker=name) for n, name in enumerate(("Ross", None, "Rachel", "Ross"))]
    found = numbered(Conversation("d", tuple(turns)))
    assert [turn.speaker for turn in found] == ["Speaker 1", None, "Speaker 2", "Speaker 1"]


def loudness(sounds: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([np.abs(sound.astype(float)).mean() for sound in sounds], np.float32).reshape(-1, 1)


class Loudness:
    """A voice encoder that gives the mean amplitude, and counts its runs."""

    modality, width, shape, device = "voice", 1, (1,), "cpu"

    def __init__(self, name: str = "loudness", sha256: str = "ab" * 32, *, pause: float = 0.0) -> None:
        self.name, self._sha256, self.runs, self._pause = name, sha256, 0, pause
        self.steps: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {"encoder": self.name, "sha256": self._sha256, "width": 1}

    def encode_windows(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        self.runs += 1
        self.steps += [len(own) for own in windows]
        time.sleep(self._pause)
        parts = [loudness([sound[a:b] for a, b in own]) for sound, own in zip(batch, windows, strict=True)]
        return loudness(batch), parts


def sounding(job: Job) -> AudioResult:
    """Four utterances of two voices: the second is too short, the third is drowned by another voice."""
    samples = np.lib.format.open_memmap(job.path.with_suffix(".npy"), "w+", np.int16, (16000 * 8,))
    samples[:] = 1000
    samples[16000 * 6 :] = 3000
    spans = ((0, 2), (2, 2.3), (3, 5), (6, 8))
    turns = tuple(Utterance(f"u{n}", text="x", segment=Segment(*span)) for n, span in enumerate(spans))
    heard, overlaps = Transcription(), (Segment(3.5, 5),)
    return AudioResult(samples, turns, (0, 1, 0, 1), (), overlaps, heard, (), speech=(Segment(0, 8),))


@pytest.fixture
def sound_job(tmp_path: Path) -> Job:
    probe = Probe("wav", 8.0, None, None)
    return Job(tmp_path / "x.wav", probe, "f" * 64, AnalyzeOptions(), Cache(tmp_path / "cache"), None)


def test_sounds_are_encoded_once_and_missing_ones_have_their_reason(sound_job: Job) -> None:
    sounds, encoder = Sounds(sound_job, sounding(sound_job)), Loudness()
    assert sounds.reasons == [
        None,
        "0.30 s of sound is too short for a voice (at least 0.4 s)",
        "several voices speak at once for 75% of it",
        None,
    ]
    assert sounds.vectors(encoder).tolist() == [[1000], [3000]]  # type: ignore[arg-type]
    assert sounds.vectors(encoder) is sounds.vectors(encoder)  # type: ignore[arg-type]
    assert encoder.runs == 1
    rows = sounds.by_utterance(encoder)  # type: ignore[arg-type]
    assert [None if row is None else row.tolist() for row in rows] == [[1000], None, None, [3000]]


def test_the_voice_is_judged_by_half_seconds_too(sound_job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(rows: np.ndarray, speakers: Speakers) -> np.ndarray:
        assert len(rows) == len(speakers.gates)
        return np.eye(len(EKMAN7))[np.where(rows[:, 0] > 1500, EKMAN7.index("anger"), EKMAN7.index("neutral"))]

    def speakers(rows: np.ndarray, people: list[int | None]) -> Speakers:
        assert people == [audio.voices[0], audio.voices[3]]
        return Speakers(np.zeros_like(rows), np.zeros(len(rows)))

    head = SimpleNamespace(name="voice", judge=judge, speakers=speakers)
    monkeypatch.setattr(evidence, "VoiceHead", SimpleNamespace(load=lambda: head))
    monkeypatch.setattr(evidence, "voice_encoder", lambda head, job: Loudness())
    audio = sounding(sound_job)
    assert audio.samples is not None
    audio.samples[16000:32000] = 5000  # the second half of the first utterance is loud
    first, short, drowned, last = (
        one for one, _ in evidence.voice_evidence(Sounds(sound_job, audio).voices(Loudness()), audio.voices)
    )
    tops = [max(EKMAN7, key=step.probabilities.__getitem__) for step in first.steps]
    assert [(step.segment.start, step.segment.end) for step in first.steps] == [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]
    assert tops == ["neutral", "anger", "anger", "anger"]  # the second step is judged from .25 to 1.25 s
    assert (short.steps, drowned.steps) == ((), ())
    assert [step.probabilities["anger"] for step in last.steps] == [1.0] * 4


def test_an_utterance_beyond_the_end_of_the_sound_is_judged_from_what_there_is(sound_job: Job) -> None:
    audio = sounding(sound_job)
    late = (*audio.utterances[:3], replace(audio.utterances[3], segment=Segment(6, 20)))
    sounds = Sounds(sound_job, replace(audio, utterances=late))
    assert sounds.spans[-1] == Segment(6, 8)
    assert [len(part) for part in sounds.windows(Loudness())] == [4, 4]  # type: ignore[arg-type]


def test_steps_are_encoded_only_where_they_are_asked_for_and_bring_the_vectors(sound_job: Job) -> None:
    audio, encoder = sounding(sound_job), Loudness()
    sounds = Sounds(sound_job, audio)
    plain = sounds.vectors(encoder)  # type: ignore[arg-type]
    assert encoder.steps == [0, 0] and sounds.fresh
    sounds.windows(encoder)  # type: ignore[arg-type]
    assert encoder.steps == [0, 0, 4, 4]
    assert (sounds.vectors(encoder) == plain).all() and encoder.runs == 2  # type: ignore[arg-type]
    stored = Sounds(sound_job, audio)
    stored.windows(encoder)  # type: ignore[arg-type]
    assert encoder.runs == 2 and not stored.fresh


def test_threads_that_ask_for_one_encoder_at_the_same_time_share_its_run(sound_job: Job) -> None:
    sounds, encoder = Sounds(sound_job, sounding(sound_job)), Loudness(pause=0.05)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: sounds.vectors(encoder), range(4)))  # type: ignore[arg-type]
    assert encoder.runs == 1 and all(one is found[0] for one in found)


def test_what_is_not_detected_as_speech_is_nobodys_voice(sound_job: Job) -> None:
    audio = replace(sounding(sound_job), overlaps=(), speech=(Segment(0.5, 2), Segment(4.5, 5.2)))
    assert Sounds(sound_job, audio).reasons == [
        None,
        "0.30 s of sound is too short for a voice (at least 0.4 s)",
        "speech is heard in 0.50 of its 2.00 s only",
        "speech is heard in 0.00 of its 2.00 s only",
    ]


def test_encoders_of_one_weight_do_not_share_cached_vectors(sound_job: Job) -> None:
    sounds, encoder, again, other = Sounds(sound_job, sounding(sound_job)), Loudness(), Loudness(), Loudness("means")
    sounds.vectors(encoder)  # type: ignore[arg-type]
    Sounds(sound_job, sounding(sound_job)).vectors(again)  # type: ignore[arg-type]
    Sounds(sound_job, sounding(sound_job)).vectors(other)  # type: ignore[arg-type]
    assert (encoder.runs, again.runs, other.runs) == (1, 0, 1)  # from the cache where encoder and sound are the same


def test_without_sound_nothing_is_encoded(sound_job: Job) -> None:
    encoder = Loudness()
    sounds = Sounds(sound_job, spoken(("a", None)))
    assert sounds.reasons == ["the recording has no sound"]
    assert sounds.vectors(encoder).shape == (0, 1)  # type: ignore[arg-type]
    assert encoder.runs == 0


def test_a_voice_head_names_its_encoder_by_weights_and_width(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"means": Loudness("means", "cd" * 32), "loudness": Loudness()}
    monkeypatch.setattr(evidence, "ENCODERS", made)
    job: Any = SimpleNamespace(device="cpu", models=SimpleNamespace(encoder=lambda name, device: made[name]))
    head: Any = SimpleNamespace(width=1, card={"base": {"sha256": "ab" * 32}})
    assert voice_encoder(head, job) is made["loudness"]
    head.width = 2
    with pytest.raises(WeightError, match="no encoder gives 2 numbers from the weights abababababab… .*voice-head"):
        voice_encoder(head, job)


def test_a_face_is_judged_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    class Head:
        @staticmethod
        def load(name: str) -> Any:
            eye = np.eye(len(EKMAN7))
            return SimpleNamespace(
                name=name,
                classify=lambda rows: eye[rows[:, 0].astype(int)],
                offsets=lambda means, people, words: np.zeros_like(means),
            )

    monkeypatch.setattr(evidence, "Head", Head)
    rows = np.array([[3.0], [3.0], [4.0], [4.0]])
    shown = FaceEvidence(expressions=rows, similarity=0.61234, times=(1.1, 1.2, 1.3, 2.7))
    faces = [FaceEvidence(reason="no face in 3 frames"), shown, replace(shown, times=(1.1, 1.2, 1.3, 1.4))]
    words = np.full((3, 7), 1 / 7)
    found = evidence._face_evidence(faces, [None, Segment(1, 3), Segment(1, 3)], (0, 0, None), words)
    assert (found[0][0].missing, found[0][1]) == ("no face in 3 frames", None)
    assert found[1][0].probabilities == pytest.approx({**dict.fromkeys(EKMAN7, 0.0), "joy": 0.5, "neutral": 0.5})
    assert found[1][0].detail == {"frames": 4, "similarity": 0.612, "others": 0}
    assert [(s.segment, s.probabilities["joy"]) for s in found[1][0].steps] == [
        (Segment(1, 1.5), pytest.approx(2 / 3)),
        (Segment(2.5, 3), 0.0),
    ]
    assert found[2][0].steps == ()  # all frames in one step


def test_what_belongs_to_the_person_is_taken_out_of_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def offsets(means: np.ndarray, people: Sequence[int | None], words: np.ndarray) -> np.ndarray:
        given.update(means=means, people=people, words=words)
        return np.array([[1.0], [2.0]])

    eye = np.eye(len(EKMAN7))
    head = SimpleNamespace(classify=lambda rows: eye[rows[:, 0].astype(int)], offsets=offsets)
    monkeypatch.setattr(evidence, "Head", SimpleNamespace(load=lambda name: head))
    first, second = (FaceEvidence(expressions=np.array(rows)) for rows in ([[3.0], [5.0]], [[6.0]]))
    words = np.eye(7)[[0, 1, 2]]
    found = evidence._face_evidence([first, FaceEvidence(reason="none"), second], [None] * 3, (4, 4, 4), words)
    assert given["means"].tolist() == [[4.0], [6.0]] and given["people"] == [4, 4]
    assert given["words"].tolist() == words[[0, 2]].tolist()
    labels = [EKMAN7[2], EKMAN7[4]]
    assert found[0][0].probabilities == pytest.approx({**dict.fromkeys(EKMAN7, 0.0), **dict.fromkeys(labels, 0.5)})
    assert found[1][0].missing == "none"
    assert found[2][0].probabilities is not None and found[2][0].probabilities[EKMAN7[4]] == 1
    assert [one.detail["others"] for one, _ in (found[0], found[2])] == [1, 1]
    unknown = evidence._face_evidence([first, second], [None] * 2, (None, None), words[:2])
    assert [one.detail["others"] for one, _ in unknown] == [0, 0]
