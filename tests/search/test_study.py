from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

pytest.importorskip("optuna")

from merc.errors import InputError
from merc.evaluation.parts import Sealed
from merc.recipes import request as asking
from merc.recipes.request import Request
from merc.search import study
from merc.search.space import parse
from merc.search.study import Outcome, Search, best, search
from tests.recipes import made_meld

QUICK = {"epochs": 4, "patience": 4, "checkpoint_seconds": 0.0}
OVER = ("learning_rate=1e-4..1e-1", "system.width=8,16", "system.dropout=0..0.5")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("search")
    made_meld.store(made_meld.tree(folder))
    yield folder
    asking.read.cache_clear()
    asking._loaded.cache_clear()


def what(root: Path, *over: str, **more: Any) -> Search:
    request = Request("concat", "meld-7", f"text={root / 'store'}:made", training=QUICK, data=root)
    return Search(request, parse(over or OVER), **{"trials": 5, **more})


@pytest.fixture(scope="module")
def whole(root: Path) -> list[Outcome]:
    """A search that nothing interrupts, with the test part closed to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sealed, "open", _refuse)
        return list(search(what(root), root / "whole"))


def _refuse(self: Sealed, *args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("a search opened the test part")


def test_a_search_never_opens_the_test_part(whole: list[Outcome], root: Path) -> None:
    assert len(whole) == 5 and all(one.figure is not None for one in whole)
    assert list((root / "whole").rglob("ledger*")) == []


def test_trials_differ_and_leave_no_checkpoints(whole: list[Outcome], root: Path) -> None:
    assert len({tuple(one.values.values()) for one in whole}) == 5
    assert list((root / "whole" / "trials").iterdir()) == []
    assert all(1e-4 <= one.values["learning_rate"] <= 1e-1 and one.values["system.width"] in (8, 16) for one in whole)


def test_a_search_that_is_killed_ends_with_the_trials_of_one_that_was_not(whole: list[Outcome], root: Path) -> None:
    folder = root / "killed"
    child = os.fork()
    if child == 0:
        _search_and_die(what(root), folder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (trial,) = (folder / "trials").iterdir()
    assert (trial.name, (trial / "official" / "state.json").exists()) == ("0002", True)
    assert list(search(what(root), folder)) == whole


def _search_and_die(searched: Search, folder: Path) -> NoReturn:
    """Kill this process after the third epoch of the third trial, as a power cut would."""
    report = study._Pruning.after_epoch

    def after_epoch(self: study._Pruning, epoch: int, figures: Mapping[str, float]) -> None:
        report(self, epoch, figures)
        if (self.trial.number, epoch) == (2, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    study._Pruning.after_epoch = after_epoch  # type: ignore[method-assign]
    try:
        list(search(searched, folder))
    finally:
        os._exit(1)


def test_more_trials_continue_a_study(whole: list[Outcome], root: Path) -> None:
    assert list(search(what(root, trials=6), root / "whole"))[:5] == whole


def test_another_search_needs_another_folder(whole: list[Outcome], root: Path) -> None:
    with pytest.raises(InputError, match="whole holds another search; give another --out, or remove it"):
        list(search(what(root, "system.width=8,16"), root / "whole"))


def test_the_first_trial_has_the_defaults_where_the_space_holds_them(root: Path) -> None:
    (first,) = search(what(root, "system.width=64,128", "system.dropout=0.1..0.6", trials=1), root / "defaults")
    assert first.values == {"system.width": 128, "system.dropout": 0.3}


def test_a_trial_that_falls_behind_is_pruned(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "STARTUP", 1)
    monkeypatch.setattr(study, "WARMUP", 0)
    over = ("learning_rate=1e-6,1e-2",)
    outcomes = list(search(what(root, *over, trials=6), root / "pruned"))
    slow = [one for one in outcomes if one.values["learning_rate"] == 1e-6]
    assert any(one.pruned for one in slow) and not best(what(root, *over), outcomes).pruned
    kept = list(search(what(root, *over, trials=6, prune=False), root / "unpruned"))
    assert not any(one.pruned for one in kept)


def test_values_that_do_not_go_together_are_a_failed_trial_with_a_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = study.train_fold

    def fails(prepared: Any, fold: Any, **more: Any) -> Any:
        if prepared.system_options["width"] == 8:
            raise InputError("width is 8: expected another")
        return train(prepared, fold, **more)

    monkeypatch.setattr(study, "train_fold", fails)
    outcomes = list(search(what(root, "system.width=8,16", trials=4), root / "failing"))
    failed = [one for one in outcomes if one.figure is None]
    assert {one.reason for one in failed} == {"width is 8: expected another"}
    assert best(what(root), outcomes).values == {"system.width": 16}
    assert list(search(what(root, "system.width=8,16", trials=4), root / "failing")) == outcomes


def test_a_search_of_failures_alone_gives_the_first_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **more: Any) -> NoReturn:
        raise InputError("the loss became nan; lower the learning rate")

    monkeypatch.setattr(study, "train_fold", fails)
    with pytest.raises(InputError, match="every trial failed, the first because: the loss became nan; lower"):
        list(search(what(root, trials=2), root / "all"))


def test_the_best_is_the_first_of_the_best(root: Path) -> None:
    outcomes = [Outcome(0, {}, 0.5), Outcome(1, {}, 0.7), Outcome(2, {}, 0.7), Outcome(3, {}, 0.9, pruned=True)]
    assert best(what(root), outcomes).number == 1
    lower = what(root)
    lower = replace(lower, request=replace(lower.request, training={**QUICK, "metric": "loss"}))
    assert best(lower, outcomes).number == 0


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda root: what(root, "lr=1..2"), "no training option 'lr'"),
        (lambda root: what(root, "system.size=1..2"), "system 'concat' has no option 'size'"),
        (lambda root: what(root, folds=("session-9",)), "no fold 'session-9'; the protocol has official"),
        (lambda root: what(root, trials=0), "trials is 0: expected at least 1"),
        (lambda root: what(root, "epochs=1..2"), "epochs is both set and searched"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_trial(root: Path, made: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(search(made(root), root / "refused"))
    assert not (root / "refused" / "study.db").exists()
