from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from merc.conversation import Segment, Timeline
from merc.report import charts, summary

Make = Callable[..., Timeline]


def test_one_sentence_names_the_largest_labels(make: Make) -> None:
    timeline = make(1)
    rows = summary.by_speaker(timeline)["Speaker 1"]
    label = timeline.predictions[0].label
    assert charts.describe(timeline, rows) == f"predicted labels by speaking time: {label} 100%."
    assert charts.describe(timeline, []) == "no utterance."


def heights(path: str) -> float:
    """The height of a drawn box, from its path ``M x top H right V bottom …``."""
    top, bottom = re.search(r"M[\d.]+ ([-\d.]+)H[\d.]+V([\d.]+)", path).groups()  # type: ignore[union-attr]
    return float(bottom) - float(top)


def test_the_boxes_of_a_column_are_as_high_as_the_probabilities(make: Make) -> None:
    timeline = make(1)
    drawn = charts.curves(timeline, summary.by_speaker(timeline))
    probabilities = timeline.predictions[0].probabilities or {}
    found = {int(place): heights(path) for place, path in re.findall(r'<path class="l(\d)" d="(M[^"C]+)"', drawn)}
    shown = {n: p for n, p in enumerate(probabilities.values()) if p >= 0.005}
    assert found == pytest.approx({place: 100 * p for place, p in shown.items()}, abs=0.02)


def test_bands_bridge_short_silences_only(make: Make) -> None:
    timeline = make(2, speakers=1, seconds=60.0)
    first, second = (replace(one, segment=Segment(0, 10)) for one in timeline.utterances)
    near = replace(timeline, utterances=(first, replace(second, segment=Segment(24, 30))))
    far = replace(timeline, utterances=(first, replace(second, segment=Segment(26, 30))))
    assert "C" in re.search(r'<g class="bridge">(.*?)</g>', charts.curves(near, summary.by_speaker(near)))[1]  # type: ignore[index]
    assert '<g class="bridge"></g>' in charts.curves(far, summary.by_speaker(far))


def test_the_legend_names_every_label_and_overlap_where_there_is_some(make: Make) -> None:
    timeline = make(2)
    assert charts.legend(timeline).count("<li>") == 9
    assert charts.legend(replace(timeline, overlaps=())).count("<li>") == 8


def test_shares_are_written_beside_the_bars(make: Make) -> None:
    timeline = make(4, speakers=1)
    card = charts.share_card(timeline, "Speaker 1", summary.by_speaker(timeline)["Speaker 1"])
    counts = [int(count) for count in re.findall(r"<small>\((\d+)\)</small>", card)]
    assert sum(counts) == 4
    grown = [float(value) for value in re.findall(r"flex-grow:([\d.]+)", card)]
    assert sum(grown) == pytest.approx(2000, abs=0.1)  # the bar of time and the bar of utterances


def test_a_speaker_has_a_face_or_the_reason_why_not(make: Make) -> None:
    timeline = make(2)
    rows = summary.by_speaker(timeline)
    first, second = timeline.speakers
    hidden = replace(second, face=False, face_reason="seen <twice>, never while speaking")
    timeline = replace(timeline, speakers=(first, hidden))
    cards = [charts.share_card(timeline, name, own) for name, own in rows.items()]
    assert "Face seen and linked to the voice." in cards[0]
    assert "No face: seen &lt;twice&gt;, never while speaking." in cards[1]
    sound = replace(timeline, recording=replace(timeline.recording, has_video=False))
    assert "face" not in charts.share_card(sound, "Speaker 1", rows["Speaker 1"])
