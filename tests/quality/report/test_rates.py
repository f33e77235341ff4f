from __future__ import annotations

import re

import pytest

from merc.quality.report.bias import Association, Rate
from merc.quality.report.rates import SHOWN, rates


def association(*found: Rate) -> Association:
    return Association("emotion", found)


def numbers(name: str, html: str) -> list[float]:
    return [float(value) for value in re.findall(rf"--{name}:([\d.]+)%", html)]


def test_dots_and_intervals_share_one_scale() -> None:
    html = rates(association(Rate("joy", 100, 20, 0.2, 0.1, 0.4), Rate("a<b", 100, 5, 0.05, 0.02, 0.1)), overall=0.125)
    top = 0.4 * 1.05
    assert numbers("r", html) == pytest.approx([100 * 0.2 / top, 100 * 0.05 / top], abs=0.01)
    assert numbers("h", html) == pytest.approx([100 * 0.4 / top, 100 * 0.1 / top], abs=0.01)
    assert numbers("o", html) == pytest.approx([100 * 0.125 / top] * 2, abs=0.01)
    assert "20.0% <small>20 of 100; 10.0% to 40.0%</small>" in html
    assert "<bdi>a&lt;b</bdi>" in html


def test_a_group_differs_where_its_interval_excludes_the_overall_rate() -> None:
    html = rates(
        association(
            Rate("within", 100, 10, 0.1, 0.05, 0.2),
            Rate("above", 100, 30, 0.3, 0.2, 0.4),
            Rate("below", 100, 1, 0.01, 0.0, 0.05),
        ),
        overall=0.12,
    )
    assert re.findall(r'class="rate( differs)?"', html) == ["", " differs", " differs"]


def test_small_groups_do_not_stretch_the_scale() -> None:
    html = rates(association(Rate("large", 100, 10, 0.1, 0.05, 0.2), Rate("tiny", 2, 0, 0.0, 0.0, 0.66)), overall=0.1)
    assert numbers("h", html) == pytest.approx([100 / 1.05, 100.0], abs=0.01)


@pytest.mark.parametrize(("groups", "folded"), [(SHOWN + 4, 0), (SHOWN + 5, 5)])
def test_many_groups_fold_out(groups: int, folded: int) -> None:
    html = rates(association(*(Rate(f"g{n}", 50, 5, 0.1, 0.05, 0.2) for n in range(groups))), overall=0.1)
    assert html.count('class="rate') - 1 == groups  # the outer list has the class rates
    assert (f"{folded} more, with lower rates" in html) == bool(folded)
