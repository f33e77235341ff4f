"""The curriculum: how alike emotions are, how hard a dialogue is, which dialogues an epoch sees."""

from itertools import combinations, pairwise

import pytest

from merc.errors import InputError, UnknownName
from merc.labels import EKMAN7, IEMOCAP6, LABEL_SETS
from merc.training.curriculum import (
    MEASURES,
    CurriculumOptions,
    Turns,
    buckets,
    difficulties,
    order,
    similarity,
    weighted_shift,
    weighted_shift_across,
)

SHIFTING = Turns(("happy", "sad", "excited", "sad"), ("A", "B", "A", "B"))
IEMOCAP_PAIRS = {("excited", "happy"): 0.8090, ("frustrated", "sad"): 0.3090}
MELD_PAIRS = {
    ("disgust", "fear"): 0.9511,
    ("joy", "surprise"): 0.5878,
    ("anger", "disgust"): 0.5878,
    ("anger", "fear"): 0.3090,
}


@pytest.mark.parametrize(("labels", "pairs"), [(IEMOCAP6, IEMOCAP_PAIRS), (EKMAN7, MELD_PAIRS)])
def test_similarity_fixture(labels, pairs):
    for one, other in combinations(sorted(labels), 2):
        expected = 1 / len(labels) if "neutral" in (one, other) else pairs.get((one, other), 0.0)
        assert similarity(one, other, len(labels)) == pytest.approx(expected, abs=5e-5)
        assert similarity(one, other, len(labels)) == similarity(other, one, len(labels))
    assert similarity("sad", "sad", 6) == 1


def test_difficulty_fixture():
    assert weighted_shift_across(SHIFTING, 6, factor=1, base=0.4) == pytest.approx(0.7348, abs=5e-5)
    assert weighted_shift(SHIFTING, 6, factor=1, base=0.4) == pytest.approx(0.5348, abs=5e-5)


@pytest.mark.parametrize("measure", sorted(MEASURES))
@pytest.mark.parametrize("turns", [1, 4, 9])
def test_one_speaker_of_constant_emotion(measure, turns):
    alone = Turns(("sad",) * turns, ("A",) * turns)
    assert MEASURES[measure](alone, 6, factor=1, base=0.4) == pytest.approx(1 / (turns + 1))


def test_plain_shift_counts_shifts_of_any_labels():
    turns = Turns(("negative", "positive", "positive", "negative"), ("A", "A", "B", "A"))
    assert difficulties([turns], CurriculumOptions(measure="shift")) == [(2 + 2) / (4 + 2)]


def test_sentiment_has_a_place_too():
    assert similarity("positive", "negative", 2) == 0
    assert similarity("negative", "neutral", 3) == pytest.approx(1 / 3)
    assert similarity("positive", "happy", 6) == pytest.approx(0.8910, abs=5e-5)


@pytest.mark.parametrize("labels", sorted(LABEL_SETS))
def test_every_label_of_every_set_has_a_place(labels):
    names = LABEL_SETS[labels]
    assert all(0 <= similarity(one, other, len(names)) <= 1 for one, other in combinations(names, 2))


def test_turns_without_a_label_are_passed_over():
    gap = Turns(("happy", None, None, "sad", None, "excited"), ("A", "A", "B", "B", "A", "A"))
    assert weighted_shift(gap, 6) == pytest.approx((0.8090 + 0.4 + 2) / (3 + 2), abs=5e-5)


def test_negative_factor_makes_unlike_emotions_the_harder_ones():
    like, unlike = (Turns(("happy", other), ("A", "A")) for other in ("excited", "sad"))
    assert weighted_shift(like, 6) > weighted_shift(unlike, 6)
    assert weighted_shift(like, 6, factor=-0.3) < weighted_shift(unlike, 6, factor=-0.3)


def made(count):
    """Dialogues that get harder: the k-th has k shifts in 12 turns."""
    labels = [tuple("happy" if turn > k or turn % 2 else "sad" for turn in range(12)) for k in range(count)]
    return [Turns(each, ("A",) * 12) for each in labels][::-1]


def test_buckets_are_cumulative_sorted_and_end_with_everything():
    dialogues, options = made(11), CurriculumOptions(buckets=4)
    hard = difficulties(dialogues, options)
    seen = [set(order(dialogues, options, epoch)) for epoch in range(1, 8)]
    assert [len(each) for each in seen] == [3, 6, 9, 11, 11, 11, 11]
    for smaller, larger in pairwise(seen):
        assert smaller <= larger
        assert all(hard[kept] <= hard[left] for kept in smaller for left in set(range(11)) - smaller)
    assert seen[-1] == set(range(11))


def test_order_is_shuffled_by_epoch_and_the_same_again():
    dialogues, options = made(11), CurriculumOptions(buckets=1)
    first = order(dialogues, options, 1)
    assert first == order(dialogues, options, 1)
    assert first != order(dialogues, options, 2) and first != sorted(first)
    assert first != order(dialogues, CurriculumOptions(buckets=1, seed=1), 1)


def test_few_dialogues_and_ties():
    assert buckets([0.5, 0.1, 0.5], 12) == [[1], [0], [2]]
    assert buckets([0.2] * 5, 2) == [[0, 1, 2], [3, 4]]
    same = [Turns(("sad",), ("A",))] * 3
    assert sorted(order(same, CurriculumOptions(buckets=12), 1)) == [0]


def test_dialogues_without_labels_are_left_out():
    nothing = Turns((None, None), ("A", "B"))
    assert order([nothing, SHIFTING], CurriculumOptions(), 1) == [1]
    with pytest.raises(InputError, match="no dialogue has a label"):
        order([nothing], CurriculumOptions(), 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: CurriculumOptions(measure="length"),
            "no difficulty measure 'length'; there are shift, weighted",
        ),
        (lambda: CurriculumOptions(buckets=0), r"curriculum: buckets is 0: expected at least 1 \(1: all dialogues"),
        (lambda: CurriculumOptions(seed=-1), "curriculum: seed is -1: expected at least 0"),
        (lambda: order([SHIFTING], CurriculumOptions(), 0), "epoch 0; a curriculum counts epochs from 1"),
        (lambda: Turns(("sad",), ("A", "B")), "a dialogue has 1 labels but 2 speakers"),
        (lambda: weighted_shift(Turns((), ()), 6), "a dialogue without turns has no difficulty"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(InputError, match=message):
        wrong()


def test_unknown_emotion_names_the_measure_that_takes_any():
    with pytest.raises(UnknownName, match="label 'bored' has no place among the emotions; use measure 'shift'"):
        weighted_shift(Turns(("bored", "sad"), ("A", "A")), 6)
