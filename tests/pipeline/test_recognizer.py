"""The analysis on a real recording (figures are printed with ``-s``), and what it refuses and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jiwer
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from merc import AnalyzeOptions, Conversation, Timeline, Utterance, analyze
from merc.cache import Cache
from merc.edits import Rewrite, edited
from merc.errors import FormatError, InputError
from merc.media.audio import AudioInfo, Probe, VideoInfo
from merc.pipeline import evidence, recognizer, transcription, watching
from merc.pipeline.options import Models
from tests.edits.made_edits import talk
from tests.pipeline.conftest import ALL_WEIGHTS
from tests.pipeline.joined import Annotated


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    """What several analyses share, so that it is loaded once."""
    made = Models()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def analysed(dialogue: tuple[Path, list[Annotated]], weight, models: Models) -> tuple[Timeline, list[Annotated]]:
    weight(*ALL_WEIGHTS)
    recording, truth = dialogue
    return recognizer.Recognizer(AnalyzeOptions(threads=2), models=models).analyze(recording), truth


def speakers_of(timeline: Timeline, truth: list[Annotated]) -> list[str | None]:
    """The predicted speaker who fills most of each annotated utterance."""
    found = []
    for item in truth:
        share: Counter[str] = Counter()
        for utterance in timeline.utterances:
            if utterance.speaker and utterance.segment:
                share[utterance.speaker] += utterance.segment.overlap(item.segment)
        best = share.most_common(1)
        found.append(best[0][0] if best and best[0][1] > 0 else None)
    return found


def right(predicted: list[str | None], truth: list[Annotated]) -> int:
    """Utterances with the right speaker, for the best of all ways to match speakers and people."""
    names, voices = sorted({item.speaker for item in truth}), sorted({one for one in predicted if one})
    pairs = [(voice, item.speaker) for voice, item in zip(predicted, truth, strict=True)]
    orders = permutations([*voices, *[None] * len(names)], len(names))
    return max(sum(pair in set(zip(order, names, strict=True)) for pair in pairs) for order in orders)


def test_two_speakers_are_found_and_nine_of_eleven_utterances_carry_the_right_one(analysed) -> None:
    timeline, truth = analysed
    found = right(speakers_of(timeline, truth), truth)
    print(f"\nspeakers {len(timeline.speakers)}; right speaker {found} of {len(truth)}")
    assert len(timeline.speakers) == 2
    assert found >= 9


def test_with_bounds_given_every_utterance_carries_the_right_speaker(dialogue, weight, models) -> None:
    weight(*ALL_WEIGHTS)
    recording, truth = dialogue
    spoken = (Utterance(f"u{n}", text=item.text, segment=item.segment) for n, item in enumerate(truth))
    options = AnalyzeOptions(threads=2, channel="3")  # the centre, by number: the container knows no layout
    given = Conversation("d", tuple(spoken))
    timeline = recognizer.Recognizer(options, models=models).analyze(recording, transcript=given)
    assert [speaker.face for speaker in timeline.speakers] == [True, True]
    assert right([one.speaker for one in timeline.utterances], truth) == len(truth)
    faces = [next(e for e in prediction.evidence if e.modality == "face") for _, prediction in timeline]
    assert sum(face.missing is None for face in faces) >= 10


def test_the_words_are_mostly_right(analysed) -> None:
    timeline, truth = analysed
    clean = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()])
    said = clean(" ".join(item.text for item in truth))
    heard = clean(" ".join(utterance.text or "" for utterance in timeline.utterances))
    error = jiwer.wer(said, heard)
    print(f"\nword error rate {error:.3f}")
    assert error <= 0.35


def test_predicted_labels_stand_beside_the_annotated_ones(analysed) -> None:
    timeline, truth = analysed
    print()
    for item in truth:
        here = [
            (utterance, prediction)
            for utterance, prediction in timeline
            if utterance.segment and utterance.segment.overlap(item.segment) > utterance.segment.duration / 2
        ]
        labels = ", ".join(f"{p.label or f'({p.top})'} {p.confidence:.2f}" for _, p in here) or "nothing heard"
        print(f"{item.segment.start:6.2f} {item.speaker:<8} annotated {item.label:<8} predicted {labels}")
    for _, prediction in timeline:
        assert prediction.probabilities is None or sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert {evidence.modality for evidence in prediction.evidence} == {"text", "voice", "face"}
        assert all(evidence.probabilities or evidence.missing for evidence in prediction.evidence)


def test_both_speakers_have_a_face(analysed) -> None:
    timeline, _ = analysed
    shown = sum(p.evidence[2].probabilities is not None for p in timeline.predictions)
    linked = [(speaker.id, speaker.face, speaker.face_reason) for speaker in timeline.speakers]
    print(f"\nfaces linked: {linked}; {shown} of {len(timeline)} utterances")
    assert all(speaker.face for speaker in timeline.speakers)


def test_a_device_that_is_not_there_is_refused_before_any_work(short_sample: Path) -> None:
    stages: list[str] = []
    with pytest.raises(InputError, match=r"device 'cuda:99' is not available: .*choose --device cpu"):
        analyze(
            short_sample,
            options=AnalyzeOptions(device="cuda:99"),
            progress=lambda stage, done, total: stages.append(stage),
        )
    assert stages == []


def test_an_unknown_device_is_refused_with_those_that_are_known(short_sample: Path) -> None:
    with pytest.raises(InputError, match="device 'gpu': expected auto, cpu, cuda, mps"):
        analyze(short_sample, options=AnalyzeOptions(device="gpu"))


def test_a_device_is_recorded_where_its_results_may_differ() -> None:
    assert "device" not in recognizer._recorded(AnalyzeOptions(), "cpu")
    assert recognizer._recorded(AnalyzeOptions(), "cuda")["device"] == "cuda"


def test_only_the_weights_that_a_recording_needs_are_required() -> None:
    sound, video = AudioInfo("aac", 48000, 2, "stereo"), VideoInfo("h264", 640, 360, 25.0, 0)
    both = recognizer._used(Probe("mp4", 1.0, sound, video), AnalyzeOptions())
    assert both == ["mpnet", "whisper-base", "silero-vad", "campplus", "segmentation", "mtcnn", "facenet"]
    assert "mtcnn" not in recognizer._used(Probe("mp4", 1.0, sound, video), AnalyzeOptions(video=False))
    assert recognizer._used(Probe("mp4", 1.0, None, None), AnalyzeOptions()) == ["mpnet"]


def test_a_recogniser_analyses_several_recordings_with_models_that_are_loaded_once(
    short_sample: Path, tmp_path: Path, weight, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight(*ALL_WEIGHTS)
    loaded: Counter[str] = Counter()
    for module, name in ((transcription, "Recognizer"), (watching, "FaceObserver"), (evidence, "DialogueEncoder")):
        made = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, n=name, made=made, **more: loaded.update([n]) or made(*given, **more)
        )
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    options = AnalyzeOptions(threads=2)
    with recognizer.Recognizer(options, cache=Cache(tmp_path / "a")) as one:
        broken, first = one.analyze_many([tmp_path / "broken.mp4", short_sample])
        one._cache = Cache(tmp_path / "b")  # nothing is taken from the first analysis
        assert one.analyze(short_sample) == first.result
    assert broken.reason is not None and "broken.mp4" in broken.reason
    assert loaded == Counter(Recognizer=1, FaceObserver=1, DialogueEncoder=1)


def test_voices_are_encoded_and_the_reader_of_words_is_loaded_while_faces_are_detected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(recognizer, "voice_encoder", lambda head, job: "voice")
    monkeypatch.setattr(recognizer, "dialogue_encoder", lambda job, head: done.append("words"))
    models = SimpleNamespace(encoder=lambda name, device: name)
    job: Any = SimpleNamespace(device="cpu", models=models, options=AnalyzeOptions())
    sounds: Any = SimpleNamespace(
        vectors=lambda encoder: done.append(encoder), windows=lambda encoder: done.append(encoder), fresh=True
    )

    def ahead(*, seen: bool = True, named: bool = False, fresh: bool = True) -> list[str]:
        done.clear()
        sounds.fresh = fresh
        audio: Any = SimpleNamespace(samples=np.zeros(1), named=named, apart=False)
        recognizer._ahead(job, audio, sounds, seen=seen)
        return list(done)

    assert ahead() == ["campplus", "voice", "words"]
    assert ahead(named=True) == ["voice", "words"]  # names tell the speakers
    assert ahead(seen=False) == ["voice"]  # the words are read meanwhile
    assert ahead(fresh=False) == ["campplus", "voice"]  # a run from the cache loads nothing


def test_a_transcript_without_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Ann:\nBen:\n")
    with pytest.raises(
        FormatError, match="the transcript holds neither words nor times; expected utterances with text"
    ):
        recognizer._transcript(tmp_path / "names.txt")


def test_threads_of_torch_are_left_as_they_were(short_sample: Path, weight, own_cache: Path) -> None:
    weight(*ALL_WEIGHTS)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        analyze(short_sample, options=AnalyzeOptions(threads=2, video=False))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_matrix_products_of_an_analysis_run_on_one_thread(
    short_sample: Path, weight, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight(*ALL_WEIGHTS)
    seen: list[int] = []

    def examine(*_: object) -> None:
        seen.extend(one["num_threads"] for one in threadpool_info() if one["internal_api"] == "openblas")
        raise KeyboardInterrupt

    monkeypatch.setattr(recognizer, "examine", examine)
    with threadpool_limits(3, user_api="blas"), pytest.raises(KeyboardInterrupt):
        analyze(short_sample)
    assert seen
    assert set(seen) == {1}


def test_a_timeline_given_as_transcript_is_read_as_people_corrected_it(tmp_path: Path) -> None:
    edited(talk(), Rewrite("u4", "He left."), by="Eve").save(tmp_path, formats=["json"])
    given = recognizer._transcript(next(tmp_path.glob("*.json")))
    assert given is not None and given.utterances[-1].text == "He left."
