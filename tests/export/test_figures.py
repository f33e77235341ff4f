"""Figures: what they draw, and that equal timelines give equal files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merc.conversation import Timeline
from merc.errors import MissingExtra
from merc.export import figures
from merc.web.palette import looks
from tests.edits.made_edits import talk
from tests.formats.made_timelines import timeline

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def bars(made: Timeline, lane: int) -> list[Any]:
    return list(figures.figure(made).axes[lane].patches)


def test_each_speaker_has_a_lane_with_the_probabilities_stacked_to_one() -> None:
    made = figures.figure(talk())
    assert [ax.get_title(loc="left") for ax in made.axes] == ["Speaker 1", "Speaker 2", "Speaker 3"]
    first = [bar for bar in made.axes[0].patches if bar.get_x() == 0.5]
    assert len(first) == 7
    assert sum(bar.get_height() for bar in first) == pytest.approx(1)
    assert {bar.get_width() for bar in first} == {1.0}
    heights = [bar.get_height() for bar in first]
    assert [bar.get_y() for bar in first] == pytest.approx([sum(heights[:place]) for place in range(7)])
    joy = max(first, key=lambda bar: bar.get_height())
    assert matplotlib.colors.to_hex(joy.get_facecolor()) == looks(talk().labels)["joy"].light
    assert joy.get_alpha() == pytest.approx(0.4 + 0.6 * 0.71)


def test_an_abstention_is_hollow_and_a_label_has_its_sign() -> None:
    assert all(bar.get_facecolor()[3] == 0 for bar in bars(talk(), 1))
    signs = [[text.get_text() for text in ax.texts] for ax in figures.figure(talk()).axes]
    assert signs == [["●", "▲"], [], []]


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_equal_timelines_are_equal_bytes(tmp_path: Path, kind: str) -> None:
    write = {"svg": figures.write_svg, "pdf": figures.write_pdf, "png": figures.write_png}[kind]
    small = replace(talk(), recording=replace(talk().recording, name="$x_1$ .mp4"))
    for name in "ab":
        write(small, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes()[:4] in (b"<?xm", b"%PDF", b"\x89PNG")


def test_a_timeline_without_utterances_has_an_empty_figure() -> None:
    assert len(figures.figure(timeline()).axes) == 1


def test_no_global_state_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    figures.figure(talk())
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'merc\[figures\]'"):
        figures.write_svg(talk(), tmp_path / "t.svg")
