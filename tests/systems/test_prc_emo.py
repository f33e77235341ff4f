"""PRC-Emo: what a prompt holds and what it must not, and the fixtures of its emotion geometry."""

from __future__ import annotations

import pytest

from merc.conversation import Utterance
from merc.labels import EKMAN7, IEMOCAP6
from merc.systems.prc_emo import Parts, ask_for_cues, ask_for_speaker, line, opening, prompt, said
from merc.training.curriculum import CurriculumOptions, Turns, buckets, difficulties, similarity, weighted_shift_across

TURNS = [Utterance(f"u{turn}", "AB"[turn % 2], f"words of turn {turn}") for turn in range(9)]
LABELS = ("joy", "anger")


def test_a_prompt_holds_the_turns_of_its_window_and_no_later_one() -> None:
    text = prompt(TURNS, 6, LABELS, window=5, parts=Parts())
    assert [turn for turn in range(9) if f"turn {turn}" in text] == [1, 2, 3, 4, 5, 6]
    assert text.endswith("A: words of turn 6") and "joy, anger" in text
    assert "turn 0" not in prompt(TURNS, 1, LABELS, window=0, parts=Parts())


def test_each_part_is_in_the_prompt_or_not() -> None:
    parts = Parts((("No way!", "joy"), ("Stop it.", "anger")), "a quiet man", "shows joy, hides fear")
    text = prompt(TURNS, 2, LABELS, window=2, parts=parts)
    assert text.index('"No way!" is joy.') < text.index('"Stop it." is anger.') < text.index("About A: a quiet man")
    assert text.endswith("Last turn: shows joy, hides fear")
    bare = prompt(TURNS, 2, LABELS, window=2, parts=Parts())
    assert not any(word in bare for word in ("other conversations", "About", "Last turn:"))


def test_what_is_written_for_a_prompt_is_asked_from_history_alone() -> None:
    assert [n for n in range(9) if f"turn {n}" in ask_for_cues(TURNS, 4, window=2)] == [2, 3, 4]
    assert [n for n in range(9) if f"turn {n}" in ask_for_speaker(TURNS, 4, history_only=True)] == [0, 1, 2, 3]
    assert [n for n in range(9) if f"turn {n}" in ask_for_speaker(TURNS, 4, history_only=False)] == list(range(9))
    assert ask_for_speaker(TURNS, 0, history_only=True) == ""


def test_a_turn_without_words_or_speaker_is_a_line_too() -> None:
    assert said(Utterance("u", None, " ")) == "Somebody: (no words)"
    assert line(Utterance("u", "Ann", "so  it\nis")) == "\nAnn: so it is =>"
    assert opening(LABELS).endswith("(joy, anger):")


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (IEMOCAP6, {("happy", "excited"): 0.8090, ("sad", "frustrated"): 0.3090}),
        (
            EKMAN7,
            {
                ("disgust", "fear"): 0.9511,
                ("joy", "surprise"): 0.5878,
                ("anger", "disgust"): 0.5878,
                ("anger", "fear"): 0.3090,
            },
        ),
    ],
)
def test_similarity_of_emotions(labels: tuple[str, ...], pairs: dict[tuple[str, str], float]) -> None:
    for one in labels:
        for other in labels:
            if one == other:
                continue
            expected = 1 / len(labels) if "neutral" in (one, other) else pairs.get((one, other), 0.0)
            expected = pairs.get((other, one), expected)
            assert similarity(one, other, len(labels)) == pytest.approx(expected, abs=5e-5), (one, other)


def test_difficulty_counts_shifts_within_and_across_speakers() -> None:
    turns = Turns(("happy", "sad", "excited", "sad"), ("A", "B", "A", "B"))
    assert weighted_shift_across(turns, 6) == pytest.approx(0.7348, abs=5e-5)
    alone = Turns(("joy",) * 5, ("A",) * 5)
    assert weighted_shift_across(alone, 7) == pytest.approx(1 / 6)


def test_buckets_go_from_easy_to_hard() -> None:
    turns = [Turns(("happy", "sad", "excited", "sad")[:n], ("A", "B", "A", "B")[:n]) for n in (4, 1, 3, 2)]
    hard = difficulties(turns, CurriculumOptions(measure="weighted_shift_across", buckets=2))
    first, second = buckets(hard, 2)
    assert sorted(first + second) == [0, 1, 2, 3]
    assert max(hard[place] for place in first) <= min(hard[place] for place in second)
