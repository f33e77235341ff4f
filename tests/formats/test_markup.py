"""Markup of subtitles."""

from __future__ import annotations

import pytest

from merc.formats.markup import plain, voices
from merc.formats.source import Item


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<i>Hi</i> {\\an8}<font color=red>you</font>", "Hi you"),
        ("Tom &amp; Ann&#39;s &quot;home&quot;", 'Tom & Ann\'s "home"'),
        ("it&amp;#39;s", "it's"),
        ("&lt;i&gt;Hi&lt;/i&gt;", "Hi"),
        ("one<br>two<br />three", "one\ntwo\nthree"),
        ("one\\Ntwo", "one\ntwo"),
        ("the<00:00:01.150><c.yellow> letter</c>", "the letter"),
        ("a < b & c > d <3", "a < b & c > d <3"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_markup_gives_way_to_what_is_shown(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_cue_with_several_voices() -> None:
    assert [(one.speaker, one.text) for one in voices(Item("<v Ann>One</v> <v.loud Ben>Two"))] == [
        ("Ann", "One</v>"),
        ("Ben", "Two"),
    ]


def test_the_cost_is_linear() -> None:
    for opening in ("<font ", "<v ", "<", "{\\", "&#", "<i"):
        assert len(plain(opening + " " * 200_000)) > 100
        list(voices(Item(opening * 50_000)))
