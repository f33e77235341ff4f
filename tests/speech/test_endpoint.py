"""End-pointing of a stream: where stretches of speech end, and when that is known."""

import itertools

import numpy as np
import pytest

from merc import sample
from merc.conversation import Segment
from merc.errors import InputError
from merc.media.audio import decode_mono, to_float
from merc.speech.endpoint import Endpointer, EndpointOptions, StreamingVad
from merc.speech.vad import FRAME_SECONDS, VadOptions, speech_probabilities

SPEECH, SILENCE = 0.9, 0.05


def marks(probabilities, options=None):
    finder = Endpointer(options)
    found = [(number, mark) for number, p in enumerate(probabilities) for mark in finder.add(p)]
    return found + [(len(probabilities), mark) for mark in finder.finish()]


def ends(probabilities, options=None):
    return [mark.segment for _, mark in marks(probabilities, options) if mark.kind in ("end", "cut")]


def frames(seconds, value):
    return [value] * round(seconds / FRAME_SECONDS)


def test_a_stretch_ends_where_its_speech_ends_and_is_known_after_the_silence():
    said = frames(0.32, SILENCE) + frames(1.6, SPEECH) + frames(1.6, SILENCE)
    found = [(number, mark) for number, mark in marks(said) if mark.kind != "speech"]
    assert [mark.kind for _, mark in found] == ["draft", "end"]
    assert found[0][1].segment == found[1][1].segment == Segment(0.32, 1.92)
    draft, end = (number * FRAME_SECONDS - 1.92 for number, _ in found)
    assert 0.1 < draft < 0.13 and 0.25 < end < 0.3  # the frame after the last of speech has number 60


def test_a_pause_that_is_too_short_is_a_draft_alone_and_each_pause_has_its_own():
    said = frames(1, SPEECH) + frames(0.2, SILENCE) + frames(1, SPEECH) + frames(1, SILENCE)
    kinds = [mark.kind for _, mark in marks(said) if mark.kind != "speech"]
    assert kinds == ["draft", "draft", "end"]
    assert len(ends(said)) == 1


def test_a_click_is_nothing():
    assert ends(frames(0.1, SPEECH) + frames(1, SILENCE)) == []


def test_less_silence_ends_a_longer_stretch():
    pause = frames(0.2, SILENCE)
    short, long = frames(2, SPEECH), frames(12, SPEECH)
    assert len(ends(short + pause + short)) == 1
    assert len(ends(long + pause + short)) == 2


def test_a_stretch_without_a_pause_is_cut_at_its_quietest_place_and_nothing_is_lost():
    options = EndpointOptions(longest=8.0)
    said = [*frames(6, SPEECH), 0.5, 0.36, 0.5, *frames(6, SPEECH), *frames(1, SILENCE)]
    first, second = ends(said, options)
    assert first.end == second.start == pytest.approx(6 + 1 * FRAME_SECONDS, abs=0.05)
    assert second.end == pytest.approx(12.1, abs=0.05)


def test_monotonous_speech_is_never_longer_than_allowed():
    found = ends(frames(60, SPEECH), EndpointOptions(longest=6.0))
    assert found[-1].end == pytest.approx(60, abs=0.05)
    assert max(one.duration for one in found) <= 6.0
    assert all(one.end == two.start for one, two in itertools.pairwise(found))


def test_options_out_of_order_are_refused():
    with pytest.raises(InputError, match="silence"):
        EndpointOptions(draft=0.6, silence=0.5)
    with pytest.raises(InputError, match=r"hurry is 20\.0: expected 0 to longest, 15\.0 seconds"):
        EndpointOptions(hurry=20.0)


def test_hysteresis_is_that_of_the_options():
    said = frames(1, SPEECH) + frames(1, 0.4) + frames(1, SILENCE)
    assert ends(said)[0].end == pytest.approx(2, abs=0.05)
    strict = EndpointOptions(speech=VadOptions(release=0.45))
    assert ends(said, strict)[0].end == pytest.approx(1, abs=0.05)


def test_the_stream_gives_the_probabilities_of_the_recording_whatever_the_blocks(weight):
    weight("silero-vad")
    samples = np.asarray(decode_mono(sample.path()).samples[:48000])
    reference = speech_probabilities(samples)
    for size in (160, 1000, 48000):
        vad = StreamingVad()
        found = [p for first in range(0, len(samples), size) for p in vad(to_float(samples[first : first + size]))]
        np.testing.assert_allclose(found, reference[: len(found)], atol=1e-4)
        assert len(found) == len(samples) // 512
