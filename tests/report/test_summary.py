from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from merc.conversation import Segment, Timeline
from merc.labels import EKMAN7, LABEL_SETS
from merc.report import charts, palette, summary, wording

Make = Callable[..., Timeline]

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_cones = np.array([[0.41222, 0.53633, 0.05145], [0.2119, 0.68070, 0.1074], [0.0883, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]])
    return to_lab @ np.cbrt(to_cones @ np.clip(rgb, 0, 1))


def contrast(one: str, two: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, two)), reverse=True)
    return light / dark


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_differ_for_every_sight(sight: str, page: str) -> None:
    seen = [oklab(np.array(SIGHT[sight]) @ linear(getattr(look, page))) for look in palette.looks(EKMAN7).values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 0.09


def test_shapes_and_glyphs_differ() -> None:
    looks = palette.looks(EKMAN7).values()
    assert len({look.shape for look in looks}) == len({look.glyph for look in looks}) == 7


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_every_label_set_has_distinct_looks_and_one_stack(labels: tuple[str, ...]) -> None:
    assert len(set(palette.looks(labels).values())) == min(len(labels), 7)  # there are seven looks
    assert sorted(palette.stacking(labels)) == list(range(len(labels)))
    plain = {"neutral", "Neutral", "neu"} & set(labels)
    assert not plain or labels[palette.stacking(labels)[0]] in plain


def test_text_has_contrast_on_light_and_dark() -> None:
    rules = files("merc.report").joinpath("style.css").read_text(encoding="utf-8")
    for block in rules.split("--paper: ")[1:3]:
        colours = dict(
            part.strip().split(": ") for part in f"--paper: {block}".split("}")[0].split(";") if ": #" in part
        )
        for ink in ("--ink", "--soft", "--focus"):
            assert contrast(colours[ink], colours["--paper"]) >= 4.5
            assert contrast(colours[ink], colours["--raised"]) >= 4.5


def test_shares_sum_to_everything(make: Make) -> None:
    timeline = make(20)
    rows = summary.by_speaker(timeline)
    parts = [summary.shares(timeline, own) for own in rows.values()]
    assert sum(sum(part.counts) for part in parts) == 20
    spoken = sum(u.segment.duration for u in timeline.utterances if u.segment)
    assert sum(sum(part.seconds) for part in parts) == pytest.approx(spoken)
    assert sum(part.counts[-1] for part in parts) == sum(p.abstained for p in timeline.predictions)


def test_short_recordings_are_drawn_utterance_by_utterance(make: Make) -> None:
    timeline = make(8)
    time = summary.axis(timeline)
    assert time == summary.Axis(40.0, None)
    columns = summary.slices(timeline, summary.by_speaker(timeline)["Speaker 1"], time)
    assert [column.index for column in columns] == [0, 2, 4, 6]
    assert [column.label for column in columns] == [timeline.predictions[i].label for i in (0, 2, 4, 6)]


def test_long_recordings_are_averaged_by_seconds(make: Make) -> None:
    timeline = make(4, speakers=1, seconds=1800.0)
    time = summary.axis(timeline)
    columns = summary.slices(timeline, summary.by_speaker(timeline)["Speaker 1"], time)
    assert time.step == 10.0 and len(columns) == 180
    assert all(column.index is None and sum(column.probabilities or ()) == pytest.approx(1) for column in columns)
    assert columns[0].probabilities == pytest.approx(list((timeline.predictions[0].probabilities or {}).values()))
    first, second = (np.array(list((p.probabilities or {}).values())) for p in timeline.predictions[:2])
    both = next(column for column in columns if column.start == 450.0)  # the two utterances overlap from 450 to 495 s
    assert both.probabilities == pytest.approx((first + second) / 2)


def test_axis_covers_what_ends_after_the_recording(make: Make) -> None:
    timeline = make(4)
    late = replace(timeline.utterances[3], segment=Segment(30.0, 55.0))
    assert summary.axis(replace(timeline, utterances=(*timeline.utterances[:3], late))).seconds == 55.0
    empty = replace(timeline, utterances=(), predictions=(), recording=replace(timeline.recording, duration=0.0))
    assert summary.axis(empty).seconds == 1.0


def test_overlaps_are_shown_where_the_speaker_speaks(make: Make) -> None:
    timeline = replace(make(2, seconds=20.0), overlaps=(Segment(1, 30), Segment(2, 3), Segment(19, 19.5)))
    rows = summary.by_speaker(timeline)
    assert summary.overlapped(timeline, rows["Speaker 1"]) == [Segment(1, 11.0), Segment(2, 3)]
    assert summary.overlapped(timeline, rows["Speaker 2"]) == [Segment(10.0, 20.0), Segment(19, 19.5)]


@pytest.mark.parametrize("seconds", [0.4, 3.5, 59, 600, 7200, 86400, 1e6])
def test_ticks_are_few_and_inside(seconds: float) -> None:
    ticks = summary.ticks(seconds)
    assert 1 <= len(ticks) <= 9 and ticks[0] == 0 and ticks[-1] <= seconds


def test_one_sentence_names_the_largest_labels(make: Make) -> None:
    timeline = make(1)
    rows = summary.by_speaker(timeline)["Speaker 1"]
    label = timeline.predictions[0].label
    assert charts.describe(timeline, rows) == f"predicted labels by speaking time: {label} 100%."
    assert charts.describe(timeline, []) == "no utterance."


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.clock(7.9), "0:07"),
        (wording.clock(760), "12:40"),
        (wording.clock(3723), "1:02:03"),
        (wording.length(2.44), "2.4 s"),
        (wording.length(59.97), "1:00 min"),
        (wording.length(3599.8), "1:00:00 h"),
        (wording.percent(0.0), "0%"),
        (wording.percent(0.004), "<1%"),
        (wording.percent(0.996), ">99%"),
        (wording.percent(1.0), "100%"),
        (wording.counted(1, "utterance"), "1 utterance"),
        (wording.counted(2000, "utterance"), "2,000 utterances"),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.number(12.0), "12"),
        (wording.number(100.0), "100"),
        (wording.number(0.001), "0"),
        (wording.fact({"a": None, "b": (True, 0.25)}), "a not set, b yes, 0.25"),
        (wording.safe("<a href='x'>\"&\x00"), "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;\ufffd"),
    ],
)
def test_wording(written: str, expected: str) -> None:
    assert written == expected
