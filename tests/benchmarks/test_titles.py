"""The titles of rows and features in results."""

from __future__ import annotations

from merc.benchmarks import titles
from merc.benchmarks.runner import BenchOptions
from merc.features import tuned_text


def test_a_result_says_what_its_encoders_are() -> None:
    chosen = BenchOptions(
        protocols=("meld-7",), features={"meld": "text=meld-warm~meld-warm-none+texts,face=meld-warm~strange"}
    )
    line = titles.features(chosen, {})
    first, second = (titles.DESCRIPTIONS[name] for name in ("meld-warm", "meld-warm-none"))
    assert f"the mean of ({first}), ({second}); joined with MPNet" in line
    assert f"face `meld-warm~strange`, {titles.DESCRIPTIONS['meld-warm']}." in line
    assert set(tuned_text.shipped()) <= set(titles.DESCRIPTIONS)
