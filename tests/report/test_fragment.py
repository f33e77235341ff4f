from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from merc import edits
from merc.conversation import Timeline
from merc.edits import Rename
from merc.report import fragment

Make = Callable[..., Timeline]


def test_fragment_brings_its_own_styles_and_takes_the_colours_of_its_surroundings(make: Make) -> None:
    html = fragment(make())
    assert not re.search(r"<(style|script|link|img)|https?:|class=|background:(?!none)", html)
    assert 'fill="currentColor"' in html and "color:inherit" in html


def test_fragment_shows_every_speaker_and_the_notice(make: Make) -> None:
    html = fragment(make(8, speakers=3))
    assert html.count('stroke-opacity=".2"') == 3
    assert "40.0 s, 3 speakers, 8 utterances" in html
    assert "not what a person feels." in html
    assert "stroke-dasharray" in html and "▢ no label" in html


def test_fragment_stays_small(make: Make) -> None:
    html = fragment(make(2000, speakers=4, seconds=7200.0))
    assert "and 1,988 more utterances" in html
    assert len(html) < 150_000


def test_fragment_escapes_and_shortens(make: Make) -> None:
    timeline = make(1)
    said = replace(timeline.utterances[0], text="<script>" + "a" * 200, speaker="<b>'\"&" * 9)
    html = fragment(replace(timeline, utterances=(said,), speakers=()))
    assert "<script>" not in html and "<b>" not in html
    assert "a" * 82 + "…" in html and "a" * 83 not in html


def test_fragment_of_silence(make: Make) -> None:
    assert "No utterance." in fragment(make(0))


def test_notebooks_show_the_fragment(make: Make) -> None:
    assert make()._repr_html_() == fragment(make())


def test_fragment_shows_the_corrected_layer(make: Make) -> None:
    html = fragment(edits.edited(make(3), Rename("Speaker 1", "Anna"), by="Eve"))
    assert "Anna" in html and "Speaker 1" not in html
