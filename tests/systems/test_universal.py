"""Universal labels: one form for several corpora, written as text, filled from neighbours of the same polarity."""

import numpy as np
import pytest

from merc.errors import InputError
from merc.systems.universal import UniversalLabel, decode, encode, fill, own_sequences, spoken

JOINED = [
    UniversalLabel.of_score(2.0),
    UniversalLabel.of_score(-1.5),
    UniversalLabel.of_emotion("joy"),
    UniversalLabel.of_emotion("anger"),
    UniversalLabel.of_emotion("sad"),
    UniversalLabel.of_emotion("excited"),
    UniversalLabel.of_emotion("surprise"),
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
    alone = [UniversalLabel.of_score(1.0), UniversalLabel.of_emotion("anger")]
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
    for label in (*JOINED, *filled, UniversalLabel(), UniversalLabel(score=-0.1 / 3)):
        assert decode(encode(label)) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("", UniversalLabel()),
        ("; ;: :x;;", UniversalLabel()),
        ("polarity: great; score: nan; meld: joy", UniversalLabel(meld="joy")),
        ("score: 7; iemocap: joy; POLARITY:positive", UniversalLabel(polarity="positive")),
        ("score: 1.5; score: 2; meld", UniversalLabel(score=1.5)),
    ],
)
def test_decoding_is_robust_to_malformed_texts(text, label):
    assert decode(text) == label


def test_universal_labels_refuse_what_does_not_exist():
    with pytest.raises(InputError, match="meld 'happy'; expected one of anger"):
        UniversalLabel(meld="happy")
    with pytest.raises(InputError, match="score 4; expected -3 to 3"):
        UniversalLabel(score=4)


def test_label_texts_follow_from_class_names():
    assert own_sequences(3, ("sad", "neutral", "joy")) == (((2, 5),), ((3, 6),), ((4, 7),))
    assert own_sequences(2, ("surprise", "fear")) == (((2, 5), (3, 5), (4, 5)), ((2, 6),))
    assert own_sequences(2) == (((2, 5), (3, 5), (4, 5)), ((2, 6), (3, 6), (4, 6)))
    assert spoken(("sad", "surprise")) == (
        ("negative sad",),
        ("negative surprise", "neutral surprise", "positive surprise"),
    )
    with pytest.raises(InputError, match="2 labels for 4 classes"):
        own_sequences(4, ("sad", "joy"))
