"""Universal labels: one form for several corpora, written as text, filled from neighbours of the same polarity."""

from dataclasses import replace

import numpy as np
import pytest

from merc.errors import InputError
from merc.labels import EKMAN7, IEMOCAP4, IEMOCAP6, SENTIMENT2
from merc.systems.universal import VALUES, UniversalLabel, decode, encode, field_of, fill, own_tokens

JOINED = [
    UniversalLabel.of_score(2.0),
    UniversalLabel.of_score(-1.5),
    UniversalLabel.of_class("joy"),
    UniversalLabel.of_class("anger"),
    UniversalLabel.of_class("sad"),
    UniversalLabel.of_class("excited"),
    UniversalLabel.of_class("surprise"),
]


def test_filling_never_crosses_polarity():
    random = np.random.default_rng(0)
    labels = [JOINED[number % 6] for number in range(60)]
    vectors = random.standard_normal((60, 4))
    pleasant, unpleasant = {"joy", "happy", "excited"}, {"anger", "sad", "angry", "sadness"}
    for before, after in zip(labels, fill(labels, vectors), strict=True):
        assert after.polarity == before.polarity
        assert None not in (after.score, after.meld, after.iemocap)
        assert np.sign(after.score) == (1 if after.polarity == "positive" else -1)
        assert {after.meld, after.iemocap} <= (pleasant if after.polarity == "positive" else unpleasant)
    nearest_is_of_the_other_polarity = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
    filled = fill([JOINED[0], JOINED[3], JOINED[2]], nearest_is_of_the_other_polarity)
    assert filled[0].meld == "joy"


def test_a_gold_label_is_kept():
    filled = fill(JOINED, np.random.default_rng(1).standard_normal((len(JOINED), 3)))
    for before, after in zip(JOINED, filled, strict=True):
        for name in ("polarity", "score", "meld", "iemocap"):
            assert getattr(before, name) in (None, getattr(after, name))


def test_the_query_is_excluded_and_the_nearest_other_is_taken():
    alone = [UniversalLabel.of_score(1.0), UniversalLabel.of_class("anger")]
    assert fill(alone, np.eye(2)) == alone  # nobody else of its polarity knows: nothing is taken from itself
    labels = [JOINED[5], JOINED[0], UniversalLabel.of_score(0.5)]
    assert fill(labels, np.array([[1.0, 0.0], [-1.0, 0.1], [9.0, 1.0]]))[0].score == 0.5


def test_surprise_takes_its_polarity_from_its_neighbour():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    assert fill([JOINED[2], JOINED[4], JOINED[6]], vectors)[2].polarity == "negative"
    with pytest.raises(InputError, match="3 labels; expected one row for each label"):
        fill(JOINED[:3], vectors[:2])


def test_decoding_an_encoded_label_is_identity():
    filled = fill(JOINED, np.random.default_rng(2).standard_normal((len(JOINED), 3)))
    for label in (*JOINED, *filled, UniversalLabel(), UniversalLabel(score=-0.4)):
        found = decode(encode(label, tuple(VALUES)), tuple(VALUES))
        assert replace(found, score=label.score) == label
        assert found.score is label.score is None or abs(found.score - label.score) < 0.1001
    assert encode(UniversalLabel(score=-0.1 / 3), ("score", "meld")) == [15, -1]
    assert decode([-1, 30], ("meld", "score")) == UniversalLabel(score=3.0)


def test_universal_labels_refuse_what_does_not_exist():
    with pytest.raises(InputError, match="meld 'happy'; expected one of anger"):
        UniversalLabel(meld="happy")
    with pytest.raises(InputError, match="score 4; expected -3 to 3"):
        UniversalLabel(score=4)


def test_classes_are_values_of_a_field():
    assert field_of(EKMAN7) == field_of(("joy", "anger")) == "meld"
    assert field_of(IEMOCAP6) == field_of(IEMOCAP4) == "iemocap"
    assert field_of(SENTIMENT2) == "polarity"
    assert field_of(("Joyful", "Mad")) == field_of(()) == "class"


def test_own_tokens_are_one_for_each_value_of_all_fields():
    found = own_tokens(("polarity", "meld"), 7)
    assert found["polarity"] == ((2,), (3,), (4,)) and found["meld"][0] == (5,) and len(found["meld"]) == 7
    assert own_tokens(("class",), 2) == {"class": ((2,), (3,))}
