"""The planes that are decoded of a layout."""

from __future__ import annotations

import av
import numpy as np
import pytest

from merc.errors import InputError, MediaError
from merc.media.channels import MOST, check_choice, names_of, planes


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("mono", ("mono",)),
        ("stereo", ("left", "right")),
        ("2 channels", ("left", "right")),
        ("3 channels", ("channel 1", "channel 2", "channel 3")),
        ("6 channels", tuple(f"channel {n}" for n in range(1, 7))),
        ("3.0", ("left", "right", "centre")),
        ("quad", ("left", "right", "channel 3", "channel 4")),
        ("5.1", ("centre", "mean of 4")),
        ("5.0", ("centre", "mean of 4")),
        ("7.1", ("centre", "mean of 6")),
        ("2.1", ("left", "right")),
    ],
)
def test_of_surround_sound_the_centre_and_the_others_are_kept_and_else_each_channel(
    layout: str, names: tuple[str, ...]
) -> None:
    found = planes(av.AudioLayout(layout), None, name="a.wav")
    assert found.names == names and found.left_out == ()
    assert found.matrix.sum(axis=1).tolist() == pytest.approx([1.0] * len(names))


def test_the_low_frequencies_are_in_no_mean() -> None:
    layout = av.AudioLayout("5.1")
    weights = planes(layout, "mix", name="a.wav").matrix
    assert weights.shape == (1, 6) and weights[0, names_of(layout).index("low frequencies")] == 0
    assert planes(layout, None, name="a.wav").matrix[1].tolist() == pytest.approx([0.25, 0.25, 0, 0, 0.25, 0.25])


def test_separate_keeps_each_channel_up_to_a_bound_and_names_the_others() -> None:
    assert planes(av.AudioLayout("5.1"), "separate", name="a.wav").names[:3] == ("left", "right", "centre")
    many = planes(av.AudioLayout("10 channels"), None, name="a.wav")
    assert len(many.names) == MOST and many.left_out == ("channel 9", "channel 10")
    assert planes(av.AudioLayout("10 channels"), "10", name="a.wav").matrix.tolist() == [np.eye(10)[9].tolist()]


@pytest.mark.parametrize(("choice", "layout"), [("centre", "stereo"), ("3", "2 channels"), ("left", "mono")])
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(choice: str, layout: str) -> None:
    listed = ", ".join(names_of(av.AudioLayout(layout)))
    with pytest.raises(MediaError, match=rf"a\.wav: has no channel '{choice}'; it has \d: {listed}; .*--channel"):
        planes(av.AudioLayout(layout), choice, name="a.wav")


@pytest.mark.parametrize("choice", ["", "0", "-1", "middle", "1.5"])
def test_a_choice_that_means_nothing_is_refused(choice: str) -> None:
    with pytest.raises(InputError, match=f"channel is '{choice}': expected mix, separate, left, .* or a number from 1"):
        check_choice(choice)
    check_choice("2")
    check_choice(None)
