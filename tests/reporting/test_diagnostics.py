"""A close look holds the numbers of its parts, and draws what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.calibration import expected_calibration_error
from merc.evaluation.resampling import Runs
from merc.reporting.diagnostics import Diagnostics, stacked
from tests.evaluation.made_corpora import runs


def diagnostics(**changes: object) -> Diagnostics:
    """Answers that are sure of themselves, half of them by far too much."""
    made = runs("concat T+A", right=0.7)
    sure = [np.where(np.arange(400) % 2, 6.0, 1.0)[:, None] * np.eye(4)[run.predicted] for run in made.seeds]
    powers = [np.exp(np.concatenate(sure) / temperature) for temperature in (1.0, 3.0)]
    plain, scaled = (one / one.sum(1, keepdims=True) for one in powers)
    return replace(Diagnostics("concat T+A on x", made, plain, scaled), **changes)  # type: ignore[arg-type]


def test_the_words_hold_recalls_confusion_calibration_abstention_and_groups() -> None:
    look = diagnostics()
    words = look.words()
    recall = 100 * look.matrix[0, 0] / look.matrix[0].sum()
    row = next(line for line in words.splitlines() if line.startswith("| a |"))
    assert row.startswith(f"| a | **{recall:.1f}** | ")
    assert row.split(" | ")[5] == str(look.runs.seeds[0].counts["a"])
    assert look.errors[0] == expected_calibration_error(look.plain, look.true)
    assert f"calibration error {look.errors[0]:.3f}, after the temperature that validation gave" in words
    assert "| coverage | 100.0 | 50.0 | 50.0 | 50.0 | 50.0 | 0.0 | 0.0 |" in words
    assert "| none | none |" in words
    assert "| gender (UA) | 2 | " in words
    assert "| dialogue" not in words


def test_improvised_and_scripted_dialogues_are_told_by_the_figure_of_the_protocol() -> None:
    made = runs("a", right=0.7)
    named = tuple(
        replace(
            run,
            dialogues=tuple(
                f"{'script' if n < 150 else 'impro'}".join(("S_", name)) for n, name in enumerate(run.dialogues)
            ),
        )
        for run in made.seeds
    )
    look = diagnostics(runs=Runs("a", named), metric="accuracy")
    groups = look.groups()
    assert {one.name for one in groups["dialogue"].groups} == {"improvised", "scripted"}
    assert groups["dialogue"].metric == "accuracy"
    assert "| dialogue (WA) | 2 | " in look.words()


def test_groups_that_nothing_tells_are_left_out() -> None:
    made = runs("a", right=0.7)
    nobody = Runs("a", tuple(replace(run, speakers=(None,) * len(run)) for run in made.seeds))
    look = diagnostics(runs=nobody)
    assert look.groups() == {}
    assert "By group" not in look.words()


def test_pictures_say_how_many_seeds_they_add() -> None:
    look = diagnostics()
    pictures = look.pictures()
    assert set(pictures) == {"confusion", "risk-coverage"}
    assert f"concat T+A on x, {len(look.runs.seeds)} seeds added" in pictures["confusion"]
    assert pictures == diagnostics().pictures()
    assert len(pictures["risk-coverage"]) < 20_000


def test_probabilities_of_other_items_are_refused() -> None:
    look = diagnostics()
    with pytest.raises(InputError, match=r"concat T\+A on x: probabilities of shape \(10, 4\)"):
        diagnostics(plain=look.plain[:10])
    one = np.ones((2, 3))
    assert stacked([[one, 2 * one], [3 * one]])[:, 0].tolist() == [1, 1, 2, 2, 3, 3]
