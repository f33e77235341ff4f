"""The parts of the cascade that are arithmetic: suppression, squares, crops, windows of the pyramid."""

from __future__ import annotations

import numpy as np
import pytest

from merc.nn import mtcnn

BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [4, 4, 6, 6], [20, 20, 24, 24]], np.float32)
SCORES = np.array([0.8, 0.9, 0.7, 0.6], np.float32)


def test_of_overlapping_boxes_the_best_is_kept() -> None:
    assert mtcnn.kept(BOXES, SCORES, 0.5).tolist() == [1, 2, 3]
    assert mtcnn.kept(BOXES, SCORES, 0.9).tolist() == [1, 0, 2, 3]


def test_overlap_with_the_smaller_area_removes_a_box_inside_another() -> None:
    assert mtcnn.kept(BOXES, SCORES, 0.5, smaller=True).tolist() == [1, 3]


def test_nothing_gives_nothing() -> None:
    assert mtcnn.kept(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.5).tolist() == []


def test_equal_scores_keep_the_order() -> None:
    assert mtcnn.kept(BOXES[[0, 3]], np.array([0.5, 0.5]), 0.5).tolist() == [0, 1]


def test_boxes_become_squares_around_the_same_centre() -> None:
    assert mtcnn._squared(np.array([[0.0, 0.0, 4.0, 10.0]])).tolist() == [[-3.0, 0.0, 7.0, 10.0]]


def test_offsets_are_fractions_of_the_sides() -> None:
    corrected = mtcnn._corrected(np.array([[10.0, 20.0, 30.0, 30.0]]), np.array([[0.1, 0.1, -0.1, 0.2]]))
    np.testing.assert_allclose(corrected, [[12.0, 21.0, 28.0, 32.0]])


def test_a_crop_is_black_outside_the_image() -> None:
    image = np.full((8, 8, 3), 255, np.uint8)
    (crop,) = mtcnn._windows_of(image, np.array([[-8.0, 0.0, 8.0, 16.0]]), 16)
    assert crop.shape == (16, 16, 3)
    assert crop[:7, 9:].min() == pytest.approx(127.5 / 128)
    assert crop[:, :7].max() == crop[9:].max() == pytest.approx(-127.5 / 128)


def test_a_window_of_the_pyramid_is_given_in_pixels_of_the_image() -> None:
    faces = np.zeros((5, 4), np.float32)  # maps are (w, h)
    faces[3, 1] = 0.9
    windows = mtcnn._windows(np.zeros((5, 4, 4), np.float32), faces, 0.5, 0.6)
    np.testing.assert_allclose(windows[:, :5], [[12.0, 4.0, 36.0, 28.0, 0.9]], rtol=1e-6)
