from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.quality.report.suspects import SuspectOptions, confidently, out_of_fold, suspected_labels

NAMES = ("anger", "joy", "sadness")


def made(
    count: int = 600, *, noise: float = 0.1, seed: int = 0
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Utterances in three clouds, one in ten with another label than its cloud's: ids, vectors, labels, truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    vectors = random.normal(size=(3, 24))[truth] * 2 + random.normal(size=(count, 24))
    given = np.where(random.random(count) < noise, (truth + random.integers(1, 3, count)) % 3, truth)
    return [f"u{n}" for n in range(count)], vectors, given, truth


def test_planted_errors_are_found_and_little_else() -> None:
    ids, vectors, given, truth = made()
    labels, groups = [NAMES[i] for i in given], [f"dia{n // 10}" for n in range(len(ids))]
    table = suspected_labels(ids, vectors, labels, groups=groups)
    wrong = {ids[i] for i in np.flatnonzero(given != truth)}
    suspected = set(table.filter(table["suspected"])["utterance"])
    assert len(suspected & wrong) / len(wrong) > 0.8
    assert len(suspected - wrong) / len(suspected) < 0.15
    first = table.head(len(wrong))
    assert len(set(first["utterance"]) & wrong) / len(wrong) > 0.9
    meant = dict(zip(ids, (NAMES[i] for i in truth), strict=True))
    proposals = [row["suggested"] == meant[row["utterance"]] for row in first.iter_rows(named=True)]
    assert np.mean(proposals) > 0.9


def test_without_errors_hardly_anything_is_suspected() -> None:
    ids, vectors, given, _ = made(noise=0)
    table = suspected_labels(ids, vectors, [NAMES[i] for i in given], groups=[f"dia{n // 10}" for n in range(len(ids))])
    assert table["suspected"].mean() < 0.04


def test_a_conversation_is_never_judged_by_itself() -> None:
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 10)
    vectors = np.repeat(random.normal(size=(40, 24)), 10, axis=0)
    given = np.repeat(random.integers(0, 2, 40), 10)
    own = out_of_fold(vectors, given, groups.astype(str), options=SuspectOptions(strength=1000.0))
    assert np.mean(own.argmax(axis=1) == given) < 0.75


def test_the_same_input_gives_the_same_table() -> None:
    ids, vectors, given, _ = made(120)
    arguments = (ids, vectors, [NAMES[i] for i in given])
    groups = [f"dia{n // 4}" for n in range(len(ids))]
    assert suspected_labels(*arguments, groups=groups).equals(suspected_labels(*arguments, groups=groups))


def test_the_threshold_of_a_class_is_its_mean_confidence() -> None:
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.35, 0.65]])
    given = np.array([0, 0, 1, 0])  # thresholds: 0.583 and 0.8
    assert confidently(probabilities, given).tolist() == [0, 0, 1, 0]
    given = np.array([0, 0, 1, 1])  # thresholds: 0.7 and 0.725
    assert confidently(probabilities, given).tolist() == [0, 0, 1, 1]
    assert confidently(np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]]), np.array([0, 0, 1])).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["joy"]}, "3 utterances, vectors of shape (3, 2), 1 labels, 3 groups: expected one of each"),
        ({"vectors": np.full((3, 2), np.nan)}, "vector of utterance 'a' is not finite"),
        ({}, "labelled conversations: 2; expected 5, one a fold, or more"),
    ],
)
def test_unusable_input_is_named(change: dict[str, object], message: str) -> None:
    given = {
        "ids": ["a", "b", "c"],
        "vectors": np.ones((3, 2)),
        "labels": ["joy", "anger", "joy"],
        "groups": ["x", "y", "y"],
    }
    given |= change
    with pytest.raises(InputError) as error:
        suspected_labels(given["ids"], given["vectors"], given["labels"], groups=given["groups"])  # type: ignore[arg-type]
    assert message in str(error.value)


def test_one_label_alone_cannot_be_learnt() -> None:
    with pytest.raises(InputError, match="fold 1 of 5 leaves one label to learn; use fewer folds"):
        suspected_labels(list("abcde"), np.ones((5, 2)), ["joy"] * 5, groups=list("vwxyz"))


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="suspects: folds is 1: expected 2 to 100"):
        SuspectOptions(folds=1)
