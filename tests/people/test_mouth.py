"""Mouths that are followed from picture to picture: made-up faces that move, speak, and are cut away from."""

from __future__ import annotations

import numpy as np
import pytest

from merc.people.mouth import RATE, STEPS, Mouth, glimpses, step_of, step_times

MARKS = np.array([[60, 64], [84, 64], [72, 77], [62.5, 89], [81.5, 89]])
"""Eyes, nose and corners of the mouth of a face that lies at (40, 40) in its picture, on the canvas's scale."""


FOUND = 1.04
"""When the face was found: between two pictures of the grid."""


def face(shift: tuple[int, int] = (0, 0), *, opening: float = 0.0, seed: int = 1) -> np.ndarray:
    """A picture (160, 160) of a textured face, moved by x, y, with its mouth dark by a share."""
    rng = np.random.default_rng(seed)
    picture = np.kron(rng.uniform(30, 220, (40, 40)), np.ones((4, 4)))
    picture[84:98, 60:84] *= 1 - opening
    return np.roll(picture, shift[::-1], axis=(0, 1)).astype(np.uint8)


def test_a_cut_is_before_or_after_the_picture() -> None:
    for back in (False, True):
        mouth = Mouth(face(), MARKS, FOUND)
        mouth.follow(face(seed=5), 1.0 if back else 1.1)
        assert mouth.cut.tolist() == [back, not back]


def followed(*pictures: np.ndarray, back: bool = False) -> np.ndarray:
    mouth = Mouth(face(), MARKS, FOUND)
    for number, picture in enumerate(pictures, start=1):
        mouth.follow(picture, 1 - (number - 1) / RATE if back else 1 + number / RATE)
    return mouth.changes


def test_a_head_that_moves_changes_neither_and_a_mouth_that_opens_only_itself() -> None:
    mouth, upper = followed(face((4, 0)), face((4, -5)), face((4, -5), opening=0.8))
    assert mouth[6:8] == pytest.approx([0, 0], abs=1) and upper[6:9] == pytest.approx([0, 0, 0], abs=1)
    assert mouth[8] > 20
    assert np.isnan(mouth[[0, 5, 9, 11]]).all()


def test_another_light_is_no_motion() -> None:
    mouth, upper = followed(np.clip(face().astype(int) + 20, 0, 255).astype(np.uint8))
    assert mouth[6] < 1 and upper[6] < 1


def test_a_face_is_followed_back_in_time_too() -> None:
    mouth, _ = followed(face(opening=0.5), face(), back=True)
    assert np.isfinite(mouth).nonzero()[0].tolist() == [4, 5] and (mouth[4:6] > 10).all()


def test_after_a_cut_a_face_is_followed_no_further() -> None:
    mouth, upper = followed(face(), face(seed=2), face())
    assert np.isfinite(mouth).sum() == 1 == np.isfinite(upper).sum()
    assert np.isnan(followed(np.full((160, 160), 90, np.uint8))).all()


def test_a_face_is_followed_from_where_it_was_found_after_a_restart() -> None:
    mouth = Mouth(face(), MARKS, FOUND)
    mouth.follow(face(seed=3), 1.0)
    mouth.restart()
    mouth.follow(face((2, 2)), 1 + 1 / RATE)
    assert np.isfinite(mouth.changes[0]).nonzero()[0].tolist() == [6]


def test_glimpses_lie_half_a_second_around_each_time_and_before_the_end() -> None:
    found = glimpses([1.04, 2.0], end=2.3)
    assert found[0] == pytest.approx(1.04 - 0.5, abs=0.05) and found[-1] == pytest.approx(2.25)
    assert 2.0 not in found and len(found) == len(set(found)) == 20
    assert glimpses([0.1], end=9)[0] == 0.0


@pytest.mark.parametrize("time", [0.7, 1.0, 2.043, 3.3333, 10 / 12])
def test_each_step_has_its_time(time: float) -> None:
    (times,) = step_times(np.array([time]))
    assert [step_of(time, one) for one in times] == list(range(STEPS))
    assert times[0] >= time - 0.51 and times[-1] <= time + 0.51
