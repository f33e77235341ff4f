"""Sound of utterances: decoded once, cut by their segments, read at access, absent with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from merc.cache import Cache
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import Item, Source
from merc.errors import InputError
from merc.features.sound import load


def tone(path: Path, seconds: float, *, height: float = 0.5, rate: int = 16_000) -> Path:
    wave = height * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, wave, rate)
    return path


def test_each_clip_is_read_from_its_file_at_16_khz(tmp_path: Path) -> None:
    clips = [tone(tmp_path / f"{n}.wav", 0.5 + n, height=0.2 + 0.3 * n, rate=8000 * (n + 1)) for n in range(2)]
    turns = tuple(Utterance(f"u{n}", meta={"media": str(path)}) for n, path in enumerate(clips))
    made = load((Conversation("d", turns),), cache=Cache(tmp_path / "cache"))
    assert made.kind == "sound" and made.width == 1 and made.sequence
    assert [made.steps(name) for name in ("u0", "u1", "u2")] == [8000, 24000, 0]
    for name, height in (("u0", 0.2), ("u1", 0.5)):
        row = made.rows[name]
        assert row.dtype == np.float32 and len(row) == made.steps(name)
        assert abs(np.abs(row).max() - height) < 0.02


def test_utterances_of_a_recording_are_cut_by_their_segments(tmp_path: Path) -> None:
    wave = np.concatenate([np.zeros(16_000), np.full(8000, 0.5)])
    soundfile.write(tmp_path / "whole.wav", wave, 16_000)
    turns = (
        Utterance("quiet", segment=Segment(0.0, 1.0)),
        Utterance("loud", segment=Segment(1.0, 1.5)),
        Utterance("late", segment=Segment(7.0, 8.0)),
    )
    made = load((Conversation("d", turns, {"media": str(tmp_path / "whole.wav")}),), cache=Cache(tmp_path / "cache"))
    assert not made.rows["quiet"].any() and made.steps("quiet") == 16_000
    np.testing.assert_allclose(made.rows["loud"], 0.5, atol=1e-3)
    assert "late" not in made.rows
    assert made.notes == ("1 utterances have no sound, most often: the recording ends before the utterance",)


def test_a_clip_beside_pictures_of_the_whole_is_not_cut(tmp_path: Path) -> None:
    path = str(tone(tmp_path / "turn.wav", 1.0))
    turn = Utterance("u", segment=Segment(60.0, 61.0), meta={"media": path})
    made = load((Conversation("d", (turn,), {"video": "whole.avi"}),), cache=Cache(tmp_path / "cache"))
    assert made.steps("u") == 16_000


def test_recordings_are_decoded_once(tmp_path: Path) -> None:
    path = tone(tmp_path / "turn.wav", 0.5)
    read = (Conversation("d", (Utterance("u", meta={"media": str(path)}),)),)
    cache = Cache(tmp_path / "cache")
    first = load(read, cache=cache)
    (kept,) = cache.root.rglob("*.npy")
    written = kept.stat().st_ino  # a new file replaces an old one; its times change with each use
    again = load(read, cache=cache)
    assert kept.stat().st_ino == written and again.sha256 == first.sha256
    tone(path, 0.5, height=0.1)
    assert load(read, cache=cache).sha256 != first.sha256


def test_sound_inside_an_item_is_read(tmp_path: Path) -> None:
    data = tone(tmp_path / "one.wav", 0.5).read_bytes()
    item = Item("one.wav", ("joy",), source=Source(tmp_path / "all.zip", data=data))
    read = (Conversation("d", (Utterance("u", meta={"item": item, "media": None}),)),)
    assert load(read, cache=Cache(tmp_path / "cache")).steps("u") == 8000


def test_missing_and_broken_recordings_are_absent_and_none_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    good = str(tone(tmp_path / "good.wav", 0.5))
    metas = [{"media": good}, {"media": str(tmp_path / "bad.wav")}, {"media": None, "media_missing": "no clip"}]
    turns = tuple(Utterance(f"u{n}", meta=meta) for n, meta in enumerate(metas))
    made = load((Conversation("d", turns),), cache=Cache(tmp_path / "cache"))
    assert set(made.rows) == {"u0"} and "2 utterances have no sound" in made.notes[0]
    with pytest.raises(InputError, match="none of 1 utterances has a recording that can be decoded: no clip"):
        load((Conversation("d", turns[2:]),), cache=Cache(tmp_path / "cache"))
