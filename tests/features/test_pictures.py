"""Pictures of faces: whole or upright, altered copies that follow from the item alone, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from merc import sample
from merc.corpora import Item, Source
from merc.corpora.corpus import ALIGNED
from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.features.pictures import UprightFaces, altered, pictures


class Pixels(Encoder):
    """Gives the pixels of a picture on a coarse grid."""

    name, modality, input, shape = "pixels", "face", "face", (75,)

    def describe(self):
        return {"encoder": "pixels", "sha256": "1" * 64, "width": 75}

    def encode(self, batch, *, progress=None):
        return batch[:, ::32, ::32].reshape(len(batch), -1).astype(np.float32)


def item(folder: Path, name: str, image: np.ndarray, **meta: bool) -> Item:
    cv2.imwrite(str(folder / f"{name}.png"), image)
    return Item(name, (), source=Source(folder / f"{name}.png"), meta=meta)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)


def test_whole_pictures_are_enlarged(tmp_path: Path) -> None:
    found = pictures([item(tmp_path, "p", np.full((40, 30, 3), (10, 20, 30), np.uint8))])
    assert found.shape == (1, 160, 160, 3) and (found == (30, 20, 10)).all()  # RGB


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot decode the picture of item 'x'; fetch the corpus again"):
        pictures([Item("x", (), source=Source(tmp_path / "x.png"))])


def test_a_face_is_turned_upright_however_it_is_framed(tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("mtcnn")
    frame = _frame()
    height, width = frame.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 0.8)
    items = [item(tmp_path, "straight", frame), item(tmp_path, "slanted", cv2.warpAffine(frame, turn, (width, height)))]
    straight, slanted = pictures(items, turned=True).astype(float)
    apart = [np.abs(a - b).mean() for a, b in (pictures(items).astype(float), (straight, slanted))]
    assert apart[1] < apart[0] / 2, f"mean difference of pixels whole {apart[0]:.1f}, upright {apart[1]:.1f}"
    marked = item(tmp_path, "marked", frame, **{ALIGNED: True})
    np.testing.assert_array_equal(pictures([marked], turned=True), pictures([marked]))


def test_without_a_face_the_whole_picture_is_taken(
    tmp_path: Path, noise: np.ndarray, weight: Callable[..., None]
) -> None:
    weight("mtcnn")
    own = [item(tmp_path, "noise", noise)]
    np.testing.assert_array_equal(pictures(own, turned=True), pictures(own))


def test_a_copy_follows_from_the_item_and_its_number(tmp_path: Path, noise: np.ndarray) -> None:
    items = [item(tmp_path, name, noise, **{ALIGNED: True}) for name in ("a", "b")]
    own, first, second = (UprightFaces(Pixels(), copy=number) for number in (0, 1, 2))
    np.testing.assert_array_equal(own.vectors(items), Pixels().encode(pictures(items)))
    both = first.vectors(items)
    np.testing.assert_array_equal(first.vectors(items[1:]), both[1:])
    assert not np.array_equal(both[0], both[1]) and not np.array_equal(both, second.vectors(items))
    assert own.description != first.description != second.description


def test_copies_vary_as_cameras_do(noise: np.ndarray) -> None:
    image = cv2.resize(noise, (160, 160))
    copies = [altered(image, np.random.default_rng(seed)) for seed in range(40)]
    assert all(copy.shape == image.shape and copy.dtype == np.uint8 for copy in copies)
    grey = sum(np.abs(np.diff(copy.astype(int), axis=2)).mean() < 2 for copy in copies)
    assert 8 <= grey <= 24, f"{grey} of 40 copies are grey"
    assert np.std([copy.mean() for copy in copies]) > 10


def _frame() -> np.ndarray:
    """A frame of merc's sample, in which one person is drawn."""
    from merc.media.video import frames

    (frame,) = list(frames(sample.path(), [1.0]))[:1]
    return np.ascontiguousarray(frame.image[:, :, ::-1])
