"""The face encoder: shapes, batches, mirrored pictures, refusals; real faces where there are some."""

from __future__ import annotations

import re

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.face import CELLS, DIMENSION, EXPRESSION, FaceCellsEncoder, FaceEncoder, FaceExpressionEncoder


@pytest.fixture(scope="module")
def encoder(weight):
    weight("facenet")
    return FaceEncoder(batch=4)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(5).integers(0, 256, (6, 160, 160, 3), dtype=np.uint8)


def test_encodes_in_batches(encoder, crops):
    vectors = encoder.encode(crops)
    assert vectors.shape == (6, DIMENSION) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    one_by_one = np.concatenate([encoder.encode(crop[None]) for crop in crops])
    assert (vectors * one_by_one).sum(axis=1).min() > 0.999
    assert vectors.tobytes() == encoder.encode(crops).tobytes()


def test_expression_features_lie_below_the_embedding(encoder, crops):
    expressions = FaceExpressionEncoder().encode(crops[:2])
    assert expressions.shape == (2, EXPRESSION) and expressions.dtype == np.float32
    assert FaceExpressionEncoder().describe() | {"output": "embedding", "width": DIMENSION} == encoder.describe()


def test_cells_of_a_mirrored_picture_are_mirrored(weight, crops):
    weight("facenet")
    encoder = FaceCellsEncoder(flip=True)
    own, turned = encoder.encode(np.concatenate([crops[:1], crops[:1, :, ::-1]])).reshape(2, 4, 4, 896)
    np.testing.assert_allclose(turned, own[:, ::-1], atol=1e-4)
    plain = FaceCellsEncoder().encode(crops[:1])
    assert plain.shape == (1, CELLS) and not np.allclose(plain, own.reshape(1, -1))


def test_no_crops_no_vectors(encoder):
    assert encoder.encode(np.zeros((0, 160, 160, 3), np.uint8)).shape == (0, DIMENSION)


def test_flip_makes_a_picture_and_its_mirror_image_equal(weight, crops):
    weight("facenet")
    encoder = FaceEncoder(flip=True)
    vectors = encoder.encode(np.concatenate([crops[:1], crops[:1, :, ::-1]]))
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_threads_are_put_back(encoder, crops):
    import torch

    before = torch.get_num_threads()
    encoder.encode(crops[:1])
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "crops",
    [np.zeros((1, 160, 160, 3), np.float32), np.zeros((160, 160, 3), np.uint8), np.zeros((1, 96, 96, 3), np.uint8)],
)
def test_refuses_other_shapes_and_kinds(encoder, crops):
    with pytest.raises(
        InputError, match=r"face crops of shape .*: expected \(n, 160, 160, 3\) uint8 RGB; cut them with"
    ):
        encoder.encode(crops)


@pytest.mark.parametrize("option", ["threads", "batch"])
def test_refuses_options_below_one(option):
    with pytest.raises(InputError, match=f"encoder 'facenet': {option} is 0, expected 1 or more"):
        FaceEncoder(**{option: 0})


def test_faces_of_one_person_are_nearer_than_those_of_two(data, encoder):
    import cv2

    by_person: dict[str, list[np.ndarray]] = {}
    for path in sorted((data / "faces" / "ckplus48").glob("*/*.png")):
        name = re.match(r"S\d+", path.name)
        if name and path.parent.name in ("happy", "anger", "surprise"):
            by_person.setdefault(name[0], []).append(cv2.resize(cv2.imread(str(path)), (160, 160)))
    chosen = [(name, face) for name, faces in sorted(by_person.items())[:20] for face in (faces[0], faces[-1])]
    if not chosen:
        pytest.skip("no CK+ pictures in the data folder")
    vectors = encoder.encode(np.stack([face for _, face in chosen]))
    names = np.array([name for name, _ in chosen])
    likeness, same = vectors @ vectors.T, names[:, None] == names
    np.fill_diagonal(likeness, np.nan)
    assert np.nanmedian(likeness[same]) > 0.6 > 0.3 > np.nanmedian(likeness[~same])
