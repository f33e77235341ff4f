"""Choices see validation only, and what looks at test is stamped."""

from __future__ import annotations

from functools import partial

import pytest

from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Best, Epoch, Fold, Ledger, ProtocolError, TestTrace, select
from merc.evaluation.scoring import answers, pooled
from merc.labels import EKMAN7
from tests.evaluation.made_corpora import meld

HISTORY = [Epoch(n + 1, {"weighted_f1": v, "loss": 1 - v}) for n, v in enumerate((0.2, 0.5, 0.5, 0.4))]


@pytest.fixture(scope="module")
def fold() -> Fold:
    return PROTOCOLS["meld-7"].folds(meld())[0]


def test_the_first_best_epoch_is_chosen() -> None:
    assert select(HISTORY) == 1
    assert select(HISTORY, by=Best("loss", lowest=True)) == 1
    assert select(HISTORY, by=lambda history: len(history) - 1) == 3


def test_epochs_with_figures_of_test_are_refused() -> None:
    with pytest.raises(ProtocolError, match="epoch 1: figure 'test_weighted_f1' is measured on test"):
        Epoch(1, {"test_weighted_f1": 0.6})
    with pytest.raises(ProtocolError, match="history entry of type dict: a choice may see only Epoch"):
        select([{"weighted_f1": 0.5}])  # type: ignore[list-item]
    figures = {"weighted_f1": 0.5}
    epoch = Epoch(1, figures)
    figures["test"] = 0.9
    assert "test" not in epoch.figures


def test_a_diverged_training_is_named() -> None:
    with pytest.raises(InputError, match="epoch 2: validation figure 'loss' is nan; the training diverged"):
        Epoch(2, {"loss": float("nan")})


def test_what_cannot_be_chosen_is_named() -> None:
    with pytest.raises(InputError, match="no epoch to choose from"):
        select([])
    with pytest.raises(InputError, match="epoch 1 has no validation figure 'accuracy'; it has loss, weighted_f1"):
        select(HISTORY, by=Best("accuracy"))
    with pytest.raises(ProtocolError, match="chose epoch place 7; expected 0 to 3"):
        select(HISTORY, by=lambda history: 7)


class Peeking:
    def __init__(self, held: object) -> None:
        self.inner = {"parts": [held]}

    def __call__(self, history: object) -> int:
        return 0


def test_selectors_that_can_see_test_are_refused(fold: Fold) -> None:
    part = fold.test.open("check", ledger=Ledger())
    trace = TestTrace(fold.test, ledger=Ledger(), labels=EKMAN7)
    with pytest.raises(ProtocolError, match=r"selector.inner\['parts'\]\[0\] is a Sealed: a selector must not"):
        select(HISTORY, by=Peeking(fold.test))
    with pytest.raises(ProtocolError, match=r"is a part that holds test utterances \(first 'test/dia0_utt0'\)"):
        select(HISTORY, by=Peeking(part), fold=fold)
    with pytest.raises(ProtocolError, match="is a TestTrace"):
        select(HISTORY, by=lambda history: trace.best().epoch)
    with pytest.raises(ProtocolError, match="is a Fold, which holds the test part; give the selector fold.valid"):
        select(HISTORY, by=partial(lambda history, fold: 0, fold=fold))
    assert select(HISTORY, by=Peeking(fold.valid), fold=fold) == 0


def test_a_bound_method_is_looked_through(fold: Fold) -> None:
    with pytest.raises(ProtocolError, match="is a Sealed"):
        select(HISTORY, by=Peeking(fold.test).__call__)


def test_the_best_test_epoch_is_not_a_result(fold: Fold) -> None:
    ledger = Ledger()
    trace = TestTrace(fold.test, ledger=ledger, labels=EKMAN7)
    truth = fold.test.open("check", ledger=Ledger()).labels
    with pytest.raises(InputError, match="no epoch has been traced"):
        trace.best()
    trace.add(1, dict.fromkeys(truth, "joy"))
    trace.add(2, truth)
    trace.add(3, truth)
    best = trace.best()
    assert (best.value, best.epoch, best.comparable, best.stamp) == (1.0, 2, False, "not a result")
    assert [opening.reason for opening in ledger.openings] == ["not a result: best test epoch"]
    with pytest.raises(InputError, match="metric 'f2'; expected one of"):
        TestTrace(fold.test, ledger=ledger, labels=EKMAN7, metric="f2")


def test_answers_are_aligned_and_checked(fold: Fold) -> None:
    given = answers(fold.valid, dict.fromkeys([*fold.valid.labels, "elsewhere"], "joy"), labels=EKMAN7)
    assert given.ids == tuple(fold.valid.labels)
    assert given.counts == dict.fromkeys(EKMAN7, 2)
    assert given.matrix[:, EKMAN7.index("joy")].sum() == 14
    with pytest.raises(InputError, match="14 of 14 valid utterances have no predicted label, first 'dev/dia0_utt0'"):
        answers(fold.valid, {}, labels=EKMAN7)
    with pytest.raises(InputError, match="'dev/dia0_utt0': predicted label 'happy'; expected one of anger"):
        answers(fold.valid, dict.fromkeys(fold.valid.labels, "happy"), labels=EKMAN7)
    with pytest.raises(ProtocolError, match="'dev/dia0_utt1': annotated label 'disgust'; expected one of anger, joy"):
        answers(fold.valid, dict.fromkeys(fold.valid.labels, "anger"), labels=("anger", "joy"))
    with pytest.raises(InputError, match="tested by two folds"):
        pooled([given, given])
    with pytest.raises(InputError, match="no fold to pool"):
        pooled([])
