from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.runtime.inputs import as_float, check_crops, check_sound


def test_sound_of_whole_numbers_becomes_shares_of_the_largest() -> None:
    np.testing.assert_array_equal(as_float(np.array([-32768, 16384], np.int16)), [-1.0, 0.5])
    assert as_float(np.array([0.25])).dtype == np.float32


@pytest.mark.parametrize("sound", [np.zeros((2, 3), np.float32), np.zeros(3, np.int32)])
def test_sound_of_several_channels_or_another_type_is_refused(sound: np.ndarray) -> None:
    with pytest.raises(InputError, match="sound 4 of type .*: expected one channel at 16 kHz, int16 or float"):
        check_sound(sound, 4)


def test_an_empty_sound_is_refused_where_it_may_not_be() -> None:
    check_sound(np.zeros(0, np.float32), 0)
    with pytest.raises(InputError, match="of at least one sample"):
        check_sound(np.zeros(0, np.float32), 0, empty=False)


def test_pictures_of_another_size_are_refused() -> None:
    check_crops(np.zeros((2, 160, 160, 3), np.uint8))
    with pytest.raises(InputError, match=r"face crops of shape \(2, 100, 160, 3\) and type uint8: expected \(n, 160"):
        check_crops(np.zeros((2, 100, 160, 3), np.uint8))
