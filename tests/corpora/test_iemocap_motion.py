"""IEMOCAP's motion capture in the layout of the release: headings, frames, hidden markers, absent streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Segment
from merc.corpora.iemocap import conversations
from merc.corpora.iemocap_motion import BINS, STREAMS, WIDTH, Recording, binned, read_stream, streams_of
from merc.errors import FormatError, InputError
from tests.corpora.trees import iemocap, motion


def test_the_values_of_a_frame_are_those_of_the_source() -> None:
    assert dict(STREAMS) == {"MOCAP_rotated": 165, "MOCAP_hand": 18, "MOCAP_head": 6} and WIDTH == 189 and BINS == 200


def test_a_stream_has_times_and_values_and_hidden_markers_are_nan(tmp_path: Path) -> None:
    path = motion(tmp_path, "MOCAP_head", np.array([[1.0, 2, 3, 4, 5, 6], [np.nan, 2, 3, 4, 5, 7]]), start=3.0)
    times, values = read_stream(path, 6)
    np.testing.assert_allclose(times, [3.0, 3.0 + 1 / 120], atol=1e-4)
    np.testing.assert_array_equal(values, np.array([[1, 2, 3, 4, 5, 6], [np.nan, 2, 3, 4, 5, 7]], np.float32))


def test_a_stream_of_another_form_is_refused_with_the_file(tmp_path: Path) -> None:
    path = motion(tmp_path, "MOCAP_head", np.ones((2, 5)))
    with pytest.raises(
        FormatError, match=r"MOCAP_head/x.txt: 7 columns; expected 8: two lines of headings, then frame"
    ):
        read_stream(path, 6)
    path.write_text("Frame# Time pitch\n  \n1 0.0 left\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"MOCAP_head/x.txt: .*left.*; expected two lines of headings"):
        read_stream(path, 1)
    with pytest.raises(InputError, match=r"none.txt cannot be read .*; copy it from the release again"):
        read_stream(tmp_path / "none.txt", 6)


@pytest.mark.parametrize("frames", [1, 7, 200, 431])
def test_a_constant_stays_constant_in_two_hundred_bins(frames: int) -> None:
    np.testing.assert_array_equal(binned(np.full((frames, 3), 2.5)), np.full((200, 3), 2.5, np.float32))


def test_bins_are_means_in_order_without_what_was_hidden_and_zero_where_all_was() -> None:
    values = np.arange(400.0)[:, None] * [1, 1]
    values[1, 0] = np.nan
    values[2:4, 1] = np.nan
    found = binned(values)
    assert found[0].tolist() == [0.0, 0.5] and found[1].tolist() == [2.5, 0.0]
    np.testing.assert_array_equal(found[2:, 0], np.arange(4.5, 400, 2, dtype=np.float32))


def test_a_turn_is_cut_by_its_times_and_an_absent_stream_is_zeros(tmp_path: Path) -> None:
    head = np.repeat(np.arange(240.0)[:, None], 6, 1)  # two seconds
    path = motion(tmp_path, "MOCAP_head", head)
    recording = Recording({"MOCAP_head": str(path)})
    picture = recording.picture(Segment(1.0, 1.5))
    assert picture is not None and picture.shape == (200, 189) and not picture[:, :183].any()
    assert 120 <= picture[0, -1] < 122 and 177 <= picture[-1, -1] < 180
    assert recording.picture(Segment(5.0, 6.0)) is None


def test_the_reader_of_the_corpus_names_the_streams_of_a_dialogue(tmp_path: Path) -> None:
    iemocap(tmp_path)
    session = tmp_path / "IEMOCAP_full_release" / "Session2"
    assert all("motion" not in one.meta for one in conversations(tmp_path)) and streams_of(session, "no") == {}
    motion(session / "dialog", "MOCAP_hand", np.ones((3, 18)), name="Ses02F_impro01")
    found = {one.id: one.meta.get("motion", {}) for one in conversations(tmp_path)}
    assert list(found["Ses02F_impro01"]) == ["MOCAP_hand"] and not found["Ses01F_impro01"]
