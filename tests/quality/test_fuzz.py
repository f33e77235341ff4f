"""Damaged recordings and tables cost themselves alone: each is read, or refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from merc.conversation import Segment
from merc.errors import MediaError
from merc.media import container
from merc.media.clip import LONGEST
from merc.quality.measure import clip_task
from merc.quality.utterances import Clip
from tests.media.making import Film, Sound, record, tone
from tests.quality.fuzzed import DAMAGES, LIMIT, SPOILS, Blind, check_media, check_tables, media, tables


def test_damaged_media_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    made = media(tmp_path, 40)
    outcomes = list(check_media(made))
    assert len(outcomes) == 2 * len(made)
    for outcome in outcomes:
        assert outcome.reason is None or len(outcome.reason) > 10, outcome
        assert "died" not in (outcome.reason or ""), outcome
        assert "longer than" not in (outcome.reason or ""), outcome
        assert outcome.seconds < LIMIT, outcome
    refused = {outcome.damage for outcome in outcomes if outcome.reason}
    assert {"noise", "no media", "cut off"} <= refused <= set(DAMAGES)
    assert any(outcome.reason is None for outcome in outcomes)


def test_the_reason_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "page.mp4").write_bytes(b"<html>not found</html>")
    [outcome, _] = check_media([(tmp_path / "page.mp4", "no media")])
    assert outcome.reason is not None and outcome.reason.startswith("page.mp4: ")


def test_damaged_tables_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    made = tables(tmp_path, 64)
    outcomes = list(check_tables(made))
    assert {outcome.damage for outcome in outcomes} == set(SPOILS)
    for outcome in outcomes:
        assert outcome.seconds < LIMIT, outcome
        assert outcome.reason is None or any(word in outcome.reason for word in ("; expected ", "fetch", "download")), (
            outcome
        )
    assert {"noise", "no table", "cut off"} <= {outcome.damage for outcome in outcomes if outcome.reason}


@pytest.mark.parametrize("segment", [Segment(5.0, 6.0), Segment(0.5, 4000.0), Segment(0.0, 1e12), Segment(1e9, 1e12)])
@pytest.mark.parametrize("part", ["sound", "faces", "around"])
def test_times_past_the_end_are_refused_or_cut(tmp_path: Path, segment: Segment, part: str) -> None:
    sound = Sound(tone(300, 1.0, rate=16000)[None], rate=16000)
    path = record(tmp_path / "clip.mp4", sound=sound, film=Film(tuple(n / 25 for n in range(25))))
    begins_after = segment.start > 1
    try:
        measured = Blind()(clip_task(part, Clip(path, segment)))
    except MediaError as error:
        assert str(error).startswith("clip.mp4: ends at 1.0") and begins_after
    else:
        assert not begins_after
        assert len(measured.get("frames", ())) <= 12  # four offsets of three frames
        assert max(measured.get("wanted", [0.0])) < 1.1
        assert float(measured.get("seconds", 0)) <= 1.1


def test_a_head_that_speaks_of_centuries_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "clip.mp4", film=Film(tuple(n / 25 for n in range(25))))
    claimed = replace(container.probe(path), duration=1e12)
    monkeypatch.setattr(container, "probe", lambda _: claimed)
    measured = Blind()(clip_task("faces", Clip(path, Segment(0.0, 1e12))))
    assert len(measured["wanted"]) == LONGEST and len(measured["frames"]) <= 2
