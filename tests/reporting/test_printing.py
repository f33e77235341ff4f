"""One printer of figures: percent for shares, three digits for metrics of values."""

from __future__ import annotations

import pytest

from merc.reporting.printing import figure, number, sentence, signed, title


@pytest.mark.parametrize(
    ("value", "metric", "words"),
    [
        (0.6494, "weighted_f1", "64.9"),
        (-0.1234, "ccc", "-0.123"),
        (1.5, "mae", "1.500"),
        (0.5, "ranking_accuracy", "50.0"),
    ],
)
def test_a_number_is_printed_as_its_metric_has_it(value: float, metric: str, words: str) -> None:
    assert number(value, metric) == words


def test_spread_and_interval_are_left_out_where_there_are_none() -> None:
    assert figure(0.649, 0.609, 0.69, sd=0.014) == "64.9 ± 1.4 [60.9, 69.0]"
    assert figure(0.649, 0.609, 0.69) == "64.9 [60.9, 69.0]"
    assert figure(0.649) == "64.9"
    assert figure(0.61, 0.5, 0.7, sd=0.02, metric="ccc") == "0.610 ± 0.020 [0.500, 0.700]"


def test_a_difference_of_nothing_is_not_negative() -> None:
    assert [signed(value) for value in (0.0191, -0.0001, -0.02)] == ["+1.9", "+0.0", "-2.0"]
    assert signed(-0.0312, "ccc") == "-0.031"


def test_metrics_have_titles_with_their_dimension() -> None:
    assert [title(name) for name in ("ccc valence", "weighted_f1", "other")] == ["CCC valence", "weighted F1", "other"]
    assert sentence({"weighted_f1": 0.6431, "ccc valence": 0.5}) == "weighted F1 64.31, CCC valence 0.500"
