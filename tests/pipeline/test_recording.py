"""The main job on a real recording; prints what a person wants to see with ``-s``."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path

import jiwer
import pytest

from merc import AnalyzeOptions, Timeline, analyze
from tests.pipeline.conftest import ALL_WEIGHTS, Annotated


@pytest.fixture(scope="module")
def analysed(dialogue: tuple[Path, list[Annotated]], weight) -> tuple[Timeline, list[Annotated]]:
    weight(*ALL_WEIGHTS)
    recording, truth = dialogue
    return analyze(recording, options=AnalyzeOptions(threads=2)), truth


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


def test_two_speakers_are_found_and_nine_of_eleven_utterances_carry_the_right_one(analysed) -> None:
    timeline, truth = analysed
    predicted = speakers_of(timeline, truth)
    names = sorted({item.speaker for item in truth})
    voices = [speaker.id for speaker in timeline.speakers]
    right = max(
        sum(
            dict(zip(order, names, strict=False)).get(voice) == item.speaker
            for voice, item in zip(predicted, truth, strict=True)
        )
        for order in permutations(voices)
    )
    print(f"\nspeakers {len(voices)} (annotated {len(names)}); right speaker {right} of {len(truth)}")
    assert len(voices) == 2
    assert right >= 9


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
