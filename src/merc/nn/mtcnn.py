"""MTCNN: face detection with five landmarks by a cascade of three small networks.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (IEEE SPL 2016).
P-Net slides over an image pyramid and proposes windows, R-Net rejects most of them, O-Net scores the rest and predicts
the landmarks. The published weights expect images with swapped axes, (n, w, h, 3) RGB, scaled to (x − 127.5) / 128;
boxes are predicted as offsets in fractions of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_CELL, _STRIDE = 12, 2
"""P-Net scores windows of 12 pixels, two pixels apart."""

_SHRINK = 0.709
"""Scale between levels of the pyramid: each has half the area of the one before."""


class Cascade:
    """The three networks in onnxruntime; ``folder`` holds pnet.onnx, rnet.onnx and onet.onnx."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._nets: dict[str, Any] = {
            name: onnxruntime.InferenceSession(
                str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in ("pnet", "rnet", "onet")
        }

    @classmethod
    def load(cls, *, threads: int = 1) -> Cascade:
        """Load the published weights.

        Raises:
            WeightError: If they are missing or have the wrong hash.
        """
        from merc.weights import path

        return cls(path("mtcnn"), threads=threads)

    def detect(
        self, image: np.ndarray, *, smallest: float, thresholds: Sequence[float]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detect faces.

        Args:
            image: uint8 RGB (h, w, 3).
            smallest: Minimum side of a face in pixels.
            thresholds: Minimum probability of each of the three networks.

        Returns:
            Boxes (k, 4) as left, top, right, bottom in pixels; probabilities (k,), in descending order; landmarks
            (k, 5, 2) as x, y of eyes, nose and corners of the mouth, left to right in the image.
        """
        boxes = self._propose(image, smallest, thresholds[0])
        boxes = self._refuse(image, boxes, thresholds[1])
        return self._place(image, boxes, thresholds[2])

    def _run(self, net: str, pictures: np.ndarray) -> list[np.ndarray]:
        """Outputs for float images (n, h, w, 3): offsets first, probability of a face last."""
        session = self._nets[net]
        swapped = np.ascontiguousarray(pictures.transpose(0, 2, 1, 3))
        outputs: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: swapped})
        return [*outputs[:-1], outputs[-1][..., 1]]

    def _propose(self, image: np.ndarray, smallest: float, threshold: float) -> np.ndarray:
        import cv2

        found = [np.zeros((0, 9), np.float32)]
        height, width = image.shape[:2]
        scale, small, interpolation = _CELL / smallest, image, cv2.INTER_AREA
        while min(height, width) * scale >= _CELL:
            small = cv2.resize(small, (round(width * scale), round(height * scale)), interpolation=interpolation)
            interpolation = cv2.INTER_LINEAR  # each level from the one before: the factor is less than two
            corrections, faces = self._run("pnet", _scaled(small)[None])
            found.append(_windows(corrections[0], faces[0], scale, threshold))
            scale *= _SHRINK
        windows = np.concatenate(found)
        windows = windows[kept(windows[:, :4], windows[:, 4], 0.7)]
        return _squared(_corrected(windows[:, :4], windows[:, 5:]))

    def _refuse(self, image: np.ndarray, boxes: np.ndarray, threshold: float) -> np.ndarray:
        if not len(boxes):
            return boxes
        corrections, faces = self._run("rnet", _windows_of(image, boxes, 24))
        good = faces >= threshold
        boxes, faces, corrections = boxes[good], faces[good], corrections[good]
        keep = kept(boxes, faces, 0.7)
        return _squared(_corrected(boxes[keep], corrections[keep]))

    def _place(
        self, image: np.ndarray, boxes: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not len(boxes):
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
        corrections, points, faces = self._run("onet", _windows_of(image, boxes, 48))
        good = faces >= threshold
        boxes, faces, corrections, points = boxes[good], faces[good], corrections[good], points[good]
        sides = (boxes[:, 2:] - boxes[:, :2])[:, None]  # (k, 1, 2)
        landmarks = boxes[:, None, :2] + sides * points.reshape(-1, 2, 5).transpose(0, 2, 1)
        boxes = _corrected(boxes, corrections)
        keep = kept(boxes, faces, 0.7, smaller=True)
        return boxes[keep], faces[keep], landmarks[keep]


def _scaled(picture: np.ndarray) -> np.ndarray:
    result: np.ndarray = (picture.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 128)
    return result


def _windows(corrections: np.ndarray, faces: np.ndarray, scale: float, threshold: float) -> np.ndarray:
    """Windows of P-Net above the threshold: (k, 9) box, probability, four offsets; its maps are (w, h)."""
    x, y = np.nonzero(faces >= threshold)
    corner = np.stack([x, y], axis=1) * _STRIDE
    boxes = np.concatenate([corner / scale, (corner + _CELL) / scale], axis=1).astype(np.float32)
    windows = np.concatenate([boxes, faces[x, y, None], corrections[x, y]], axis=1)
    result: np.ndarray = windows[kept(boxes, faces[x, y], 0.5)]
    return result


def _corrected(boxes: np.ndarray, corrections: np.ndarray) -> np.ndarray:
    sides = boxes[:, 2:] - boxes[:, :2]
    result: np.ndarray = boxes + corrections * np.concatenate([sides, sides], axis=1)
    return result


def _squared(boxes: np.ndarray) -> np.ndarray:
    middle, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    half = sides.max(axis=1, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _windows_of(image: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """Crops of the boxes, black outside the image, as scaled images (n, side, side, 3)."""
    import cv2

    pictures = np.empty((len(boxes), side, side, 3), np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        step = np.array([[(right - left) / side, 0, left], [0, (bottom - top) / side, top]], np.float32)
        step[:, 2] += (step[0, 0] - 1) / 2, (step[1, 1] - 1) / 2
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(image, step, (side, side), pictures[number], flags)
    return _scaled(pictures)


def kept(boxes: np.ndarray, scores: np.ndarray, limit: float, *, smaller: bool = False) -> np.ndarray:
    """Non-maximum suppression.

    Args:
        boxes: (k, 4) left, top, right, bottom.
        scores: (k,).
        limit: Maximum overlap with a box of a higher score.
        smaller: Measure overlap by the intersection over the smaller area instead of the union.

    Returns:
        Indices of the remaining boxes, highest score first.

    Example:
        >>> boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [6, 0, 8, 2]])
        >>> kept(boxes, np.array([0.9, 0.8, 0.7]), 0.5)
        array([0, 2])
    """
    order = np.argsort(-scores, kind="stable")
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    chosen = []
    while order.size:
        best, order = order[0], order[1:]
        chosen.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        whole = np.minimum(area[best], area[order]) if smaller else area[best] + area[order] - shared
        order = order[shared <= limit * whole]
    return np.array(chosen, dtype=np.int64)
