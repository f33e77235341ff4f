from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Segment
from merc.errors import InputError
from merc.speech.vad import RATE
from merc.speech.windows import windows


@st.composite
def speeches(draw):
    lengths = draw(st.lists(st.tuples(st.floats(0.05, 9), st.floats(0.1, 70)), max_size=25))
    now, found = 0.0, []
    for pause, length in lengths:
        found.append(Segment(now + pause, now + pause + length))
        now = found[-1].end
    return found


@settings(deadline=None)
@given(speeches())
def test_windows_hold_all_speech_and_nothing_twice(speech):
    packed = windows(speech)
    assert all(0.01 < w.duration <= 28 + 1e-6 for w in packed)
    assert all(a.end <= b.start for a, b in pairwise(packed))
    for region in speech:
        assert sum(w.overlap(region) for w in packed) == pytest.approx(region.duration)
    for window in packed:
        middle_cut = [s for s in speech if s.start < window.end < s.end]
        assert not middle_cut or middle_cut[0].duration > 28
    assert packed == windows(speech)


def test_a_window_ends_at_the_longest_of_its_late_pauses():
    speech = [Segment(0, 20), Segment(20.2, 23), Segment(25, 27), Segment(27.3, 40)]
    assert windows(speech) == [Segment(0, 23), Segment(25, 40)]


def test_a_long_region_is_split_where_it_is_quietest():
    samples = np.full(40 * RATE, 8000, np.int16)
    samples[24 * RATE : 24 * RATE + 4800] = 10
    first, second = windows([Segment(0, 40)], samples=samples)
    assert 24.0 <= first.end == second.start <= 24.3
    assert windows([Segment(0, 40)]) == [Segment(0, 28), Segment(28, 40)]


def test_regions_out_of_order_are_refused():
    with pytest.raises(InputError, match=r"speech at 1 s begins before the one in front ends \(3 s\)"):
        windows([Segment(0, 3), Segment(1, 4)])


def test_a_window_too_long_for_the_recogniser_is_refused():
    with pytest.raises(InputError, match="longest 60: expected 4 to 30 s"):
        windows([Segment(0, 1)], longest=60)
