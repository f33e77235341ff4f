"""Strips of half seconds: as high as the probabilities, and the same in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from merc.conversation import Evidence, Segment, Step, Timeline
from merc.labels import EKMAN7
from merc.report.steps import HEIGHT, by_time
from merc.report.summary import MOST_UTTERANCES
from merc.report.utterances import utterance_list

Make = Callable[..., Timeline]


def peak(label: str) -> dict[str, float]:
    return {name: 0.7 if name == label else 0.05 for name in EKMAN7}


def stepped(timeline: Timeline) -> Timeline:
    """The first utterance, of four seconds, has a voice that is neutral for a second and angry from two to four."""
    start = 0.0
    said = (replace(timeline.utterances[0], segment=Segment(start, 4.0)), *timeline.utterances[1:])
    cells = ((0.0, 0.5, "neutral"), (0.5, 1.0, "neutral"), (2.0, 3.0, "anger"), (3.0, 4.0, "anger"))
    steps = tuple(Step(Segment(first, last), peak(label)) for first, last, label in cells)
    evidence = (Evidence("voice", peak("anger"), steps=steps), Evidence("face", peak("joy")))
    predicted = (replace(timeline.predictions[0], evidence=evidence), *timeline.predictions[1:])
    return replace(timeline, utterances=said, predictions=predicted)


def test_a_strip_says_in_words_and_shapes_what_it_draws(make: Make) -> None:
    timeline = stepped(make(1))
    found = by_time(timeline, timeline.utterances[0], timeline.predictions[0])
    assert 'aria-label="voice by time: neutral 0.0–1.0 s, anger 2.0–4.0 s"' in found
    assert '<i class="m l4"></i>neutral 0.0–1.0 s</span>, <span><i class="m l0"></i>anger 2.0–4.0 s' in found
    assert found.count("<svg") == found.count("<dt>") == 1  # the face has no steps
    assert found in utterance_list(timeline)


def test_boxes_are_as_high_as_the_probabilities_and_gaps_stay_empty(make: Make) -> None:
    timeline = stepped(make(1))
    found = by_time(timeline, timeline.utterances[0], timeline.predictions[0])
    anger = re.search(r'class="l0" d="([^"]+)"', found)
    assert anger
    boxes = re.findall(r"M(\d+) ([\d.]+)H(\d+)V([\d.]+)", anger[1])
    assert [(left, right) for left, _, right, _ in boxes] == [
        ("0", "125"),
        ("125", "250"),
        ("500", "750"),
        ("750", "1000"),
    ]
    heights = [round((float(bottom) - float(top)) / HEIGHT, 2) for _, top, _, bottom in boxes]
    assert heights == [0.05, 0.05, 0.7, 0.7]


def test_long_reports_give_the_words_alone_and_utterances_without_steps_nothing(make: Make) -> None:
    timeline = stepped(make(MOST_UTTERANCES + 1))
    found = by_time(timeline, timeline.utterances[0], timeline.predictions[0])
    assert "<svg" not in found and "anger 2.0–4.0 s" in found
    assert by_time(timeline, timeline.utterances[1], timeline.predictions[1]) == ""
    timeless = replace(timeline.utterances[0], segment=None)
    assert by_time(timeline, timeless, timeline.predictions[0]) == ""
