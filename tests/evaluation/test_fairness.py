"""Groups are measured alone, their gap with an interval, and small ones are not believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.fairness import Small, by_gender, by_group, by_kind, by_speaker
from merc.evaluation.metrics import STATISTICS, confusion
from merc.evaluation.resampling import Runs
from merc.reporting.fairness import table
from tests.evaluation.made_corpora import answered, runs


def unfair() -> Runs:
    """Utterances of men (odd places) are answered at random."""
    made = []
    for seed in range(3):
        run = answered(right=0.9, seed=seed)
        noise = np.random.default_rng([seed, 9]).integers(4, size=len(run))
        made.append(replace(run, predicted=np.where(np.arange(len(run)) % 2, noise, run.predicted)))
    return Runs("unfair", tuple(made))


def test_a_planted_gap_is_found() -> None:
    found = by_gender(unfair())
    assert [(group.name, group.utterances, group.dialogues) for group in found.groups] == [
        ("female", 200, 40),
        ("male", 200, 40),
    ]
    assert (found.best, found.worst) == ("female", "male")
    assert found.gap is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.5 < found.low < found.gap < found.high < 0.8
    assert found.small == ()


def test_values_are_those_of_the_group_alone() -> None:
    system = runs("a", right=0.7)
    names = ["x" if n < 250 else "y" for n in range(400)]
    found = by_group(system, names, metric="accuracy")
    first = system.seeds[0]
    for group, part in zip(found.groups, (slice(0, 250), slice(250, 400)), strict=True):
        values = [
            STATISTICS["accuracy"](confusion(first.true[part], run.predicted[part], classes=4)) for run in system.seeds
        ]
        assert group.value == pytest.approx(np.mean(values))
        assert group.low is not None
        assert group.high is not None
        assert group.low < group.value < group.high


def test_a_fair_system_has_a_gap_that_may_be_none() -> None:
    found = by_gender(runs("a", right=0.7))
    assert found.low is not None
    assert found.low < 0.03


def test_small_groups_are_shown_with_a_warning_and_without_a_gap() -> None:
    names = ["rare" if n < 10 else None if n < 20 else "often" for n in range(400)]
    found = by_group(runs("a", right=0.7), names)
    rare = found.groups[1]
    assert (rare.name, rare.utterances, rare.dialogues, rare.low) == ("rare", 10, 1, None)
    assert (found.gap, found.best, found.left_out) == (None, None, 10)
    assert found.small == ("rare",)
    assert "Excluded from the gap (below 50 utterances or 5 dialogues a figure says little): rare." in table(found)
    assert "| rare | 10 | 1 | " in table(found)
    assert "unknown" in table(found)
    assert by_group(runs("a", right=0.7), names, small=Small(utterances=5, dialogues=1)).gap is not None


def test_speakers_and_bad_names() -> None:
    assert [group.name for group in by_speaker(runs("a", right=0.7)).groups] == ["Ses01F", "Ses01M"]
    assert "Gap, Ses01" in table(by_speaker(runs("a", right=0.7)))
    with pytest.raises(InputError, match="3 group names for 400 utterances"):
        by_group(runs("a", right=0.7), ["a", "b", "c"])
    with pytest.raises(InputError, match="no utterance has a group"):
        by_group(runs("a", right=0.7), [None] * 400)


def test_improvised_and_scripted_dialogues_are_told_apart() -> None:
    run = answered(right=0.7, seed=0)
    named = tuple(f"Ses01F_{'script' if n < 150 else 'impro'}{name}" for n, name in enumerate(run.dialogues))
    found = by_kind(Runs("a", (replace(run, dialogues=named),)), metric="accuracy")
    assert [(group.name, group.utterances) for group in found.groups] == [("improvised", 250), ("scripted", 150)]
