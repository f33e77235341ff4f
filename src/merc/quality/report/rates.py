"""Rates of removal by group as HTML: a dot, its interval and the rate over all."""

from __future__ import annotations

from collections.abc import Sequence

from merc.quality.report.bias import Association, Rate
from merc.web.html import safe
from merc.web.words import percent

SHOWN = 12
"""Groups shown at once; the others fold out."""


def rates(association: Association, *, overall: float) -> str:
    """The rate of removal of each group with its interval on one scale; the dashed line is the rate over all."""
    found = association.rates
    highs = [rate.high for rate in found if rate.count >= 10] or [rate.high for rate in found]
    top = min(1.0, max([overall, *highs, *(rate.rate for rate in found)]) * 1.05) or 1.0  # no dot lies outside
    many = len(found) > SHOWN + 4
    shown, rest = (found[:SHOWN], found[SHOWN:]) if many else (found, found[:0])
    more = (
        f"<details><summary>{len(rest)} more, with lower rates</summary>{_rates(rest, top, overall)}</details>"
        if rest
        else ""
    )
    return f'<div class="rates">{_rates(shown, top, overall, scale=True)}{more}</div>'


def _rates(found: Sequence[Rate], top: float, overall: float, *, scale: bool = False) -> str:
    head = (
        '<p class="scale" aria-hidden="true"><span></span>'
        f'<span class="axis"><i>0%</i><i>{percent(top, decimals=1)}</i></span></p>'
        if scale
        else ""
    )
    rows = "".join(_rate(rate, top, overall) for rate in found)
    return f"{head}<ul>{rows}</ul>"


def _rate(rate: Rate, top: float, overall: float) -> str:
    low, high, centre, line = (
        f"{min(100.0, 100 * value / top):.2f}%" for value in (rate.low, rate.high, rate.rate, overall)
    )
    differs = " differs" if rate.low > overall or rate.high < overall else ""
    return (
        f'<li class="rate{differs}"><span class="group"><bdi>{safe(rate.group)}</bdi></span>'
        f'<span class="line" style="--l:{low};--h:{high};--r:{centre};--o:{line}"><i></i><b></b></span>'
        f'<span class="value">{percent(rate.rate, decimals=1)} <small>{rate.removed:,} of {rate.count:,}; '
        f"{percent(rate.low, decimals=1)} to {percent(rate.high, decimals=1)}</small></span></li>"
    )
