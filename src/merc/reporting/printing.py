"""Figures in words: the one printer of values with spread and interval, for tables, cards and the terminal.

Shares are printed in percent with one digit, metrics of predicted values (CCC, MAE, …) as they are with three.
"""

from __future__ import annotations

from collections.abc import Mapping

from merc.evaluation.metrics import NAMES, REGRESSION

NONE = "–"
"""Where there is no figure."""


def number(value: float, metric: str = "accuracy", *, digits: int = 1) -> str:
    """One value of a metric.

    Args:
        value: A share from 0 to 1, or a value of a metric of ``REGRESSION``.
        metric: Its name.
        digits: Of a percentage.

    Example:
        >>> number(0.649), number(-0.0312, "ccc")
        ('64.9', '-0.031')
    """
    return f"{value:.3f}" if _plain(metric) else f"{100 * value:.{digits}f}"


def signed(value: float, metric: str = "accuracy") -> str:
    """A difference of two values, with its sign: ``+1.9``."""
    if _plain(metric):
        return f"{round(value, 3) + 0.0:+.3f}"
    return f"{round(100 * value, 1) + 0.0:+.1f}"  # adding zero takes the sign from a zero


def figure(
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    sd: float | None = None,
    metric: str = "accuracy",
) -> str:
    """A value with what seeds and dialogues do to it.

    Args:
        value: The value.
        low: Lower end of its interval; None: no interval.
        high: Upper end.
        sd: Spread over seeds as a standard deviation; None: one seed.
        metric: Name of the metric.

    Example:
        >>> figure(0.649, 0.609, 0.69, sd=0.014), figure(0.649)
        ('64.9 ± 1.4 [60.9, 69.0]', '64.9')
    """
    spread = f" ± {number(sd, metric)}" if sd is not None else ""
    ends = f" [{number(low, metric)}, {number(high, metric)}]" if low is not None and high is not None else ""
    return number(value, metric) + spread + ends


def sentence(figures: Mapping[str, float]) -> str:
    """Several figures of one part in a line, shares in percent with two digits.

    Example:
        >>> sentence({"weighted_f1": 0.6431, "ccc valence": 0.5, "mae/valence": 0.7})
        'weighted F1 64.31, CCC valence 0.500, MAE valence 0.700'
    """
    named = {title(name.replace("/", " ")): (value, name) for name, value in figures.items()}
    return ", ".join(f"{words} {number(value, name, digits=2)}" for words, (value, name) in named.items())


def title(metric: str) -> str:
    """What tables call a metric: that of ``NAMES``, with the dimension where one follows ("CCC valence")."""
    name, space, rest = metric.partition(" ")
    return NAMES.get(name, name) + space + rest


def _plain(metric: str) -> bool:
    name = metric.replace("/", " ").partition(" ")[0]
    return name in REGRESSION and name != "ranking_accuracy"
