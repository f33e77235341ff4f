"""Rates of removal by group as HTML: a dot, its interval and the rate over all."""

from __future__ import annotations

from dataclasses import dataclass

from merc.quality.report.bias import Association, Rate
from merc.web.html import Html, macros

SHOWN = 12
"""Groups shown at once; the others fold out."""


@dataclass(frozen=True, slots=True)
class _View:
    """A rate as it is drawn: places on the scale in percent, and whether its interval leaves the rate over all out."""

    rate: Rate
    low: str
    high: str
    centre: str
    line: str
    differs: bool


def rates(association: Association, *, overall: float) -> Html:
    """The rate of removal of each group with its interval on one scale; the dashed line is the rate over all."""
    found = association.rates
    highs = [rate.high for rate in found if rate.count >= 10] or [rate.high for rate in found]
    top = min(1.0, max([overall, *highs, *(rate.rate for rate in found)]) * 1.05) or 1.0  # no dot lies outside
    views = [_view(rate, top, overall) for rate in found]
    many = len(found) > SHOWN + 4
    shown, rest = (views[:SHOWN], views[SHOWN:]) if many else (views, [])
    return macros("merc.quality.report", "check.html").rates(shown, rest, top)


def _view(rate: Rate, top: float, overall: float) -> _View:
    low, high, centre, line = (
        f"{min(100.0, 100 * value / top):.2f}%" for value in (rate.low, rate.high, rate.rate, overall)
    )
    return _View(rate, low, high, centre, line, rate.low > overall or rate.high < overall)
