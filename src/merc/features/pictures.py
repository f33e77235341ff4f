"""Pictures of faces in corpora, as face encoders read them: 160 × 160 RGB, whole or turned upright; and altered copies.

Corpora frame faces differently, and what an encoder sees of an expression depends on the frame. A face that is not
marked as aligned is therefore cut as one in a recording is: by its landmarks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.corpora import Item, contents
from merc.corpora.corpus import ALIGNED
from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.nn.facenet import SIDE, upright

if TYPE_CHECKING:
    from merc.people.faces import FaceDetector

_AROUND = 48  # pixels of repeated border on each side of a small picture, so that a tight face can be found in it
_GREY, _COARSE, _JPEG = 0.4, 0.5, 0.3  # probabilities of an altered copy


def pictures(items: Sequence[Item], *, turned: bool = False) -> np.ndarray:
    """The pictures of items: ``(n, 160, 160, 3)`` uint8 RGB.

    Args:
        items: With a picture each.
        turned: Cut faces upright by their landmarks, except those that ``meta`` marks as aligned. Where no face is
            found, and without ``turned``, the whole picture is taken.

    Raises:
        InputError: a file cannot be decoded as a picture.
        WeightError: ``turned`` without the weight 'mtcnn'.
    """
    found = []
    for data, item in zip(contents(items), items, strict=True):
        image = _decoded(data, item)
        found.append(_turned(image) if turned and not item.meta.get(ALIGNED) else _enlarged(image))
    return np.stack(found)


def _decoded(data: bytes, item: Item) -> np.ndarray:
    """A picture as it is: ``(h, w, 3)`` uint8 RGB."""
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot decode the picture of item '{item.id}'; fetch the corpus again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _enlarged(image: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def _turned(image: np.ndarray) -> np.ndarray:
    """The most probable face of a picture, upright; the whole picture where none is found."""
    import cv2

    larger = max(1.0, SIDE / min(image.shape[:2]))
    size = (round(image.shape[1] * larger), round(image.shape[0] * larger))
    wide = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if larger > 1 else image
    wide = cv2.copyMakeBorder(wide, _AROUND, _AROUND, _AROUND, _AROUND, borderType=cv2.BORDER_REPLICATE)
    faces = _detector().detect(wide)
    return upright(wide, faces.landmarks[0]) if len(faces) else _enlarged(image)


@lru_cache(maxsize=1)
def _detector() -> FaceDetector:
    from merc.people.faces import FaceDetector

    return FaceDetector()


class UprightFaces:
    """An encoder over faces as they are cut out of a recording: upright; or over altered copies of them, for training.

    What a copy looks like follows from the item's id and the number of the copy alone.

    Args:
        encoder: A face encoder.
        copy: Number of the copy; 0 is the picture itself.

    Example:
        >>> from merc.features.encoder import ENCODERS
        >>> UprightFaces(ENCODERS["facenet-expression"](), copy=2).description["copy"]
        2
    """

    def __init__(self, encoder: Encoder, *, copy: int = 0) -> None:
        self.encoder, self.copy = encoder, copy

    @property
    def description(self) -> dict[str, Any]:
        """The encoder's description, and which copy it reads."""
        return {**self.encoder.describe(), "input": "face upright", **({"copy": self.copy} if self.copy else {})}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """Encode the pictures of items; errors as for `pictures`.

        Args:
            items: With a picture each.

        Returns:
            ``(n, width)`` float32 at the precision of a recording's, float16; in the order of the items.
        """
        crops = pictures(items, turned=True)
        if self.copy:
            crops = np.stack([altered(crop, self._random(item)) for crop, item in zip(crops, items, strict=True)])
        return np.asarray(self.encoder.encode(crops)).astype(np.float16).astype(np.float32)

    def _random(self, item: Item) -> np.random.Generator:
        return np.random.default_rng(list(hashlib.sha256(f"{self.copy}:{item.id}".encode()).digest()))


def altered(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A picture as another camera might have taken it: ``(160, 160, 3)`` uint8 of the same.

    Half are mirrored; all are turned by about 5 degrees, scaled by 7 %, moved by 2.5 %, and changed in brightness and
    contrast; 40 % are grey, 50 % coarse (32 to 100 pixels), 30 % compressed (JPEG quality 15 to 70).
    """
    image = _moved(image[:, ::-1] if random.random() < 0.5 else image, random)
    return _worse(_lit(image, random), random)


def _moved(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    import cv2

    angle, scale = random.normal(0, 5), float(np.exp(random.normal(0, 0.07)))
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, scale)
    turn[:, 2] += random.normal(0, 0.025, 2) * SIDE
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(image), turn, (SIDE, SIDE), flags=flags, borderMode=border))


def _lit(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another gamma, contrast and brightness."""
    gamma, gain = np.exp(random.normal(0, (0.2, 0.25)))
    curve = (255 * np.linspace(0, 1, 256) ** gamma - 128) * gain + 128 + random.normal(0, 15)
    lit: np.ndarray = np.clip(curve, 0, 255).astype(np.uint8)[image]
    return lit


def _worse(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Less colour, fewer pixels, stronger compression."""
    import cv2

    grey, coarse, packed = random.random(3) < (_GREY, _COARSE, _JPEG)
    side, quality = int(random.integers(32, 100)), int(random.integers(15, 70))
    if grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if coarse:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if packed:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image
