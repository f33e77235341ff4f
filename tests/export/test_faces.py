"""Covered faces: around each of them, also where one is missed for a moment, and nowhere else."""

from __future__ import annotations

import numpy as np

from merc.export.faces import AROUND, Found, covered


def test_a_frame_without_a_face_near_others_stays_covered() -> None:
    found = Found(np.array([1.0, 3.0]), np.array([[0, 0, 9, 9], [20, 0, 29, 9]]))
    assert found.at(1.0 + AROUND - 0.01).tolist() == [[0, 0, 9, 9]]
    assert found.at(2.0 + 0.001).tolist() == [[20, 0, 29, 9]]
    assert found.at(3.0 - AROUND - 0.1).tolist() == [[0, 0, 9, 9]]
    assert len(found.at(5.0)) == 0


def test_what_is_covered_has_a_few_colours_and_the_rest_stays() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    made = covered(image, np.array([[60.0, 40.0, 90.0, 70.0]]))
    inside = made[40:70, 60:90].reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) <= 16 < 800 < len(np.unique(image[40:70, 60:90].reshape(-1, 3), axis=0))
    assert (
        (made[:25] == image[:25]).all()
        and (made[:, :40] == image[:, :40]).all()
        and (made[:, 110:] == image[:, 110:]).all()
    )


def test_faces_at_the_edge_and_none_at_all() -> None:
    image = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)
    assert covered(image, np.zeros((0, 4))) is image
    made = covered(image, np.array([[-10.0, -10.0, 20.0, 20.0], [70.0, 50.0, 95.0, 75.0]]))
    assert made.shape == image.shape and (made[:20, :20] != image[:20, :20]).any()
