from __future__ import annotations

import re

import numpy as np
import pytest

from merc.web.charts import BINS, bars, histogram


def test_bars_share_one_scale_and_say_their_share() -> None:
    text = bars([("a & b", 30), ("c", 10)], total=200)
    assert re.findall(r"--p:([\d.]+)%", text) == ["100.00", "33.33"]
    assert re.findall(r"<small>(.*?)</small>", text) == ["15.0%", "5.0%"]
    assert "a &amp; b" in text


def test_a_histogram_stacks_what_was_removed_on_what_was_kept() -> None:
    text = histogram("Cosine", np.array([0.9, 0.9, 0.9, 0.1]), np.array([False, True, False, True]), threshold=0.25)
    assert len(re.findall('class="kept"', text)) == 1
    assert len(re.findall('class="out"', text)) == 2
    kept = re.search(r'class="kept" x="36.06" y="([\d.]+)" width=".88" height="([\d.]+)"', text)
    assert [float(value) for value in kept.groups()] == pytest.approx([33.33, 66.67])  # type: ignore[union-attr]
    assert "4 measured, half of them at or above 0.90; 1 (25.0%) below 0.25" in text
    assert 'style="left:25.00%"><small>0.25</small>' in text


def test_values_outside_the_axis_count_in_the_outermost_bins() -> None:
    text = histogram("x", np.array([-3.0, 7.0]), np.array([False, False]))
    assert re.findall(r'x="([\d.]+)"', text) == ["0.06", f"{BINS - 1}.06"]


def test_nothing_measured_is_said() -> None:
    assert "nothing was measured" in histogram("x", np.zeros(0), np.zeros(0, bool))
