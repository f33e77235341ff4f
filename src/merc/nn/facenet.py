"""FaceNet: face images to identity embeddings of 512 numbers.

Schroff, Kalenichenko and Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering" (CVPR 2015), with
the Inception-ResNet-v1 of Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning" (AAAI 2017, figures 10-15). The published weights are a frozen TensorFlow graph, model 20180408-102900, whose
batch normalisations are already folded into the convolutions. The constants are read without TensorFlow.

Symbols: n images, c channels, h × w cells; convolutions run channels-last. The 1×1 convolutions at the
start of the branches of a block are joined into one, and the scale of a block is folded into its last convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError, WeightError

if TYPE_CHECKING:
    import torch

SIDE = 160
"""Height and width of the input image in pixels."""

DIMENSION = 512
"""Width of an embedding."""

EXPRESSION = 1792 + 4 * 896
"""Width of the expression features: mean of the last maps, and means of the quadrants of the maps before."""

GRID = 4
"""Rows and columns of cells to which the middle maps are pooled."""

CELLS = GRID**2 * 896
"""Width of the cells: means of the middle maps, 896 a cell, row by row."""

_BLOCKS = (("Repeat/block35", 5), ("Repeat_1/block17", 10), ("Repeat_2/block8", 5))
"""Name and number of blocks of each kind."""


def crop(image: np.ndarray, box: Sequence[float] | np.ndarray, margin: float = 0.2) -> np.ndarray:
    """Crop a square around a face for FaceNet; parts outside the image repeat its border.

    Args:
        image: (h, w, 3).
        box: Left, top, right, bottom in pixels.
        margin: Fraction of the longer side of the box that is added to it.

    Returns:
        (160, 160, 3) of the dtype of the image.

    Raises:
        InputError: If the box is empty or completely outside the image.
    """
    import cv2

    left, top, right, bottom = (float(value) for value in box)
    height, width = image.shape[:2]
    if not (left < right and top < bottom and left < width and top < height and right > 0 and bottom > 0):
        raise InputError(
            f"face box {left:.1f}, {top:.1f}, {right:.1f}, {bottom:.1f} in an image of {width} by {height} pixels: "
            "expected left < right and top < bottom, at least partly inside"
        )
    side = max(1, round(max(right - left, bottom - top) * (1 + margin)))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    beyond = (max(0, -y), max(0, y + side - height), max(0, -x), max(0, x + side - width))
    inside = image[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)]
    if any(beyond):
        inside = cv2.copyMakeBorder(inside, *beyond, borderType=cv2.BORDER_REPLICATE)
    interpolation = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    result: np.ndarray = cv2.resize(inside, (SIDE, SIDE), interpolation=interpolation)
    return result


_RAF_MARKS = np.array([[0.26, 0.335], [0.735, 0.335], [0.495, 0.76]])
"""Eyes and centre of the mouth in the aligned images of RAF-DB, in fractions of their side."""


def upright(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Crop a face like the aligned images of RAF-DB, for expression features.

    Expression features depend on the crop: on re-detected faces of RAF-DB a linear model has an accuracy of .72 with
    this crop (.74 on the original images), .64 with an equally tight crop by the box, and .47 with the wide crop for
    identity.

    Args:
        image: (h, w, 3).
        landmarks: (5, 2) x, y of eyes, nose and corners of the mouth.

    Returns:
        (160, 160, 3) of the dtype of the image.
    """
    import cv2

    points = np.array([landmarks[0], landmarks[1], (landmarks[3] + landmarks[4]) / 2])
    turn = similarity(_RAF_MARKS * SIDE, points)
    finer = int(np.clip(np.ceil(np.hypot(turn[0, 0], turn[1, 0])), 1, 8))  # warp at full detail, then average
    turn[:, :2] /= finer
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (SIDE * finer, SIDE * finer)
    face = cv2.warpAffine(image, turn, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    result: np.ndarray = face if finer == 1 else cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return result


def similarity(canvas: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Least-squares similarity transform from points of a canvas to points of an image.

    Args:
        canvas: (k, 2).
        image: (k, 2).

    Returns:
        (2, 3) rotation with scale, and translation.
    """
    (x, y), one, zero = canvas.T, np.ones(len(canvas)), np.zeros(len(canvas))
    equations = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, right, down = np.linalg.lstsq(equations, image.T.reshape(-1).astype(np.float64), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Iterate over a protocol-buffer message: (field number, integer or bytes), in the order of the file."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value: int | memoryview
            value, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _sub(message: memoryview, number: int) -> list[Any]:
    return [value for field, value in _fields(message) if field == number]


def read_graph(path: Path) -> dict[str, np.ndarray]:
    """Read the float constants of a frozen TensorFlow GraphDef.

    Fields by number: GraphDef.node 1; NodeDef name 1, op 2, attr 5 (map: key 1, value 2); AttrValue.tensor 8;
    TensorProto dtype 1, shape 2 (dim 2, size 1), content 4, float 5.

    Returns:
        Arrays by name of the node, in the layout of the graph.

    Raises:
        WeightError: If the file is not such a graph.
    """
    constants = {}
    try:
        for node in _sub(memoryview(path.read_bytes()), 1):
            if bytes(_sub(node, 2)[0]) == b"Const":
                values = [_sub(attr, 2)[0] for attr in _sub(node, 5) if bytes(_sub(attr, 1)[0]) == b"value"]
                tensor = _sub(values[0], 8)[0]
                if _sub(tensor, 1) == [1]:  # DT_FLOAT
                    constants[bytes(_sub(node, 1)[0]).decode()] = _array(tensor)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise WeightError(f"{path} is not a frozen TensorFlow graph ({error}): download the weight again") from error
    return constants


def _array(tensor: memoryview) -> np.ndarray:
    dims = [_sub(dim, 1)[0] for shape in _sub(tensor, 2) for dim in _sub(shape, 2)]
    content = _sub(tensor, 4) or _sub(tensor, 5)
    values = np.frombuffer(content[0], "<f4")
    return np.full(dims, values[0]) if values.size == 1 else values.reshape(dims)


class FaceNet:
    """The network with its weights in memory, in bfloat16 where the device multiplies it natively.

    Args:
        constants: What `read_graph` returns.
        bfloat16: None (choose by the device), True or False.
        device: Where it runs; see `merc.nn.device.resolve`.

    Raises:
        WeightError: a constant of the network is absent.
        InputError: the device is not there.
    """

    def __init__(
        self, constants: Mapping[str, np.ndarray], *, bfloat16: bool | None = None, device: str | torch.device = "cpu"
    ) -> None:
        import torch

        from merc.nn.device import multiplies_bfloat16, resolve

        self._torch = torch
        self._constants = constants
        self.device = resolve(device)
        self.bfloat16 = multiplies_bfloat16(self.device) if bfloat16 is None else bfloat16
        self._dtype = torch.bfloat16 if self.bfloat16 else torch.float32
        self._convolutions: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._load_convolutions()
        self._bottleneck = self._tensor(np.array(self._constant("Bottleneck/weights")))  # (1792, 512)
        mean, beta = self._constant("Bottleneck/BatchNorm/moving_mean"), self._constant("Bottleneck/BatchNorm/beta")
        deviation = np.sqrt(self._constant("Bottleneck/BatchNorm/moving_variance") + 1e-3)
        self._scale, self._shift = self._tensor(1 / deviation), self._tensor(beta - mean / deviation)
        del self._constants

    @classmethod
    def load(cls, *, bfloat16: bool | None = None, device: str | torch.device = "cpu") -> FaceNet:
        """Load the published weights; raises WeightError when they have not been fetched."""
        from merc.weights import path

        return cls(read_graph(path("facenet") / "graph_final.pb"), bfloat16=bfloat16, device=device)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return self._torch.from_numpy(values).to(self.device)

    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Embed face images.

        Args:
            pictures: uint8 RGB (n, 160, 160, 3).

        Returns:
            (n, 512) float32 of unit length.
        """
        return self.describe(pictures)[0]

    def describe(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Identity embeddings and expression features in one pass.

        The embedding is trained to be invariant to the expression; the maps below it are not.

        Args:
            pictures: uint8 RGB (n, 160, 160, 3).

        Returns:
            (n, 512) float32 of unit length, and (n, 5376) float32.
        """
        torch = self._torch
        with torch.inference_mode():
            middle = self.middle_maps(self._tensor(np.ascontiguousarray(pictures)))
            embeddings, expressions = self.outputs_of(middle)
            return embeddings.cpu().numpy(), expressions.cpu().numpy()

    def outputs_of(self, middle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (n, 512) and expression features (n, 5376) of the middle maps."""
        functional = self._torch.nn.functional
        mean = self._last(middle)
        quarters = functional.adaptive_avg_pool2d(middle.float(), 2).flatten(1)
        x = (mean @ self._bottleneck) * self._scale + self._shift
        return functional.normalize(x, dim=1), self._torch.cat([mean, quarters], dim=1)

    def cells(self, pictures: np.ndarray) -> np.ndarray:
        """What is seen where in the face: the middle maps in 4 rows and columns; three quarters of the network.

        Args:
            pictures: uint8 RGB (n, 160, 160, 3).

        Returns:
            (n, 14336) float32, cell by cell from the upper left, row by row.
        """
        with self._torch.inference_mode():
            return np.asarray(self.pooled(self.middle_maps(self._tensor(np.ascontiguousarray(pictures)))).cpu().numpy())

    def pooled(self, middle: torch.Tensor) -> torch.Tensor:
        """The cells (n, 14336) of the middle maps."""
        x = self._torch.nn.functional.adaptive_avg_pool2d(middle.float(), GRID)  # (n, 896, 4, 4)
        return x.permute(0, 2, 3, 1).flatten(1)

    def middle_maps(self, pictures: torch.Tensor) -> torch.Tensor:
        """The middle maps (n, 896, 8, 8) of uint8 pictures (n, 160, 160, 3)."""
        x = pictures.permute(0, 3, 1, 2)  # (n, 3, 160, 160), NHWC memory
        x = ((x.float() - 127.5) / 128).to(self._dtype)
        x = self._stem(x)  # (n, 256, 17, 17)
        x = self._blocks(x, 0)
        x = self._reduce_a(x)  # (n, 896, 8, 8)
        return self._blocks(x, 1)

    def _last(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of the last maps (n, 1792) of the middle ones."""
        x = self._reduce_b(x)  # (n, 1792, 3, 3)
        x = self._blocks(x, 2)
        return self._block(x, "Block8", last=True).float().mean((2, 3))

    def _stem(self, x: torch.Tensor) -> torch.Tensor:
        x = self._conv(x, "Conv2d_1a_3x3", stride=2)
        x = self._conv(x, "Conv2d_2a_3x3")
        x = self._conv(x, "Conv2d_2b_3x3", same=True)
        x = self._torch.nn.functional.max_pool2d(x, 3, 2)
        x = self._conv(x, "Conv2d_3b_1x1")
        x = self._conv(x, "Conv2d_4a_3x3")
        return self._conv(x, "Conv2d_4b_3x3", stride=2)

    def _blocks(self, x: torch.Tensor, kind: int) -> torch.Tensor:
        name, repeats = _BLOCKS[kind]
        for number in range(1, repeats + 1):
            x = self._block(x, f"{name}_{number}")
        return x

    def _block(self, x: torch.Tensor, name: str, *, last: bool = False) -> torch.Tensor:
        """x + scale · convolution of the concatenated branches, then ReLU except in the last block."""
        branches = [*self._torch.split(self._conv(x, f"{name}/entrance"), self._widths(name), dim=1)]
        if "block35" in name:
            branches[1] = self._conv(branches[1], f"{name}/Branch_1/Conv2d_0b_3x3", same=True)
            branches[2] = self._conv(branches[2], f"{name}/Branch_2/Conv2d_0b_3x3", same=True)
            branches[2] = self._conv(branches[2], f"{name}/Branch_2/Conv2d_0c_3x3", same=True)
        else:
            side = 7 if "block17" in name else 3
            branches[1] = self._conv(branches[1], f"{name}/Branch_1/Conv2d_0b_1x{side}", same=True)
            branches[1] = self._conv(branches[1], f"{name}/Branch_1/Conv2d_0c_{side}x1", same=True)
        x = x + self._conv(self._torch.cat(branches, dim=1), f"{name}/Conv2d_1x1", relu=False)
        return x if last else x.relu_()

    @staticmethod
    def _widths(name: str) -> list[int]:
        """Channels of the first convolutions of a block's branches."""
        return [32, 32, 32] if "block35" in name else [128, 128] if "block17" in name else [192, 192]

    def _reduce_a(self, x: torch.Tensor) -> torch.Tensor:
        a = self._conv(x, "Mixed_6a/Branch_0/Conv2d_1a_3x3", stride=2)
        b = self._conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1")
        b = self._conv(b, "Mixed_6a/Branch_1/Conv2d_0b_3x3", same=True)
        b = self._conv(b, "Mixed_6a/Branch_1/Conv2d_1a_3x3", stride=2)
        return self._torch.cat([a, b, self._torch.nn.functional.max_pool2d(x, 3, 2)], dim=1)

    def _reduce_b(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c = self._torch.split(self._conv(x, "Mixed_7a/entrance"), [256, 256, 256], dim=1)
        a = self._conv(a, "Mixed_7a/Branch_0/Conv2d_1a_3x3", stride=2)
        b = self._conv(b, "Mixed_7a/Branch_1/Conv2d_1a_3x3", stride=2)
        c = self._conv(c, "Mixed_7a/Branch_2/Conv2d_0b_3x3", same=True)
        c = self._conv(c, "Mixed_7a/Branch_2/Conv2d_1a_3x3", stride=2)
        return self._torch.cat([a, b, c, self._torch.nn.functional.max_pool2d(x, 3, 2)], dim=1)

    def _conv(
        self, x: torch.Tensor, name: str, *, stride: int = 1, same: bool = False, relu: bool = True
    ) -> torch.Tensor:
        weight, bias = self._convolutions[name]
        padding = (weight.shape[2] // 2, weight.shape[3] // 2) if same else 0
        x = self._torch.nn.functional.conv2d(x, weight, bias, stride, padding)
        return x.relu_() if relu else x

    def _constant(self, name: str) -> np.ndarray:
        full = f"InceptionResnetV1/{name}"
        if full not in self._constants:
            raise WeightError(
                f"FaceNet's graph has no constant '{full}': expected model 20180408-102900; download it again"
            )
        return self._constants[full]

    def _load_convolutions(self) -> None:
        start, end = len("InceptionResnetV1/"), len("/weights")
        names = [name[start:-end] for name in self._constants if name.endswith("/weights") and "Bottleneck" not in name]
        raw = {name: (self._constant(f"{name}/weights"), self._bias(name)) for name in names}
        for block in filter(None, dict.fromkeys(map(_block_of, names))):
            self._join_entrances(raw, block)
        for name, (weight, bias) in raw.items():
            exits = name.endswith("/Conv2d_1x1") and "block" in name.lower()
            scale = self._constant(name.replace("Conv2d_1x1", "mul/x")) if exits else np.float32(1)
            kernel = self._tensor(np.ascontiguousarray(weight.transpose(3, 2, 0, 1) * scale))
            kernel = kernel.to(self._dtype).contiguous(memory_format=self._torch.channels_last)
            offset = self._tensor(bias * scale).to(self._dtype)
            self._convolutions[name] = (kernel, offset)

    def _bias(self, name: str) -> np.ndarray:
        own = f"{name}/biases"
        return self._constant(own if f"InceptionResnetV1/{own}" in self._constants else f"{name}/Conv2D_bn_offset")

    @staticmethod
    def _join_entrances(raw: dict[str, tuple[np.ndarray, np.ndarray]], block: str) -> None:
        entrances = [
            name for name in raw if name.startswith(f"{block}/Branch") and name.endswith(("/Conv2d_1x1", "0a_1x1"))
        ]
        pairs = [raw.pop(name) for name in sorted(entrances)]
        raw[f"{block}/entrance"] = (np.concatenate([p[0] for p in pairs], 3), np.concatenate([p[1] for p in pairs]))


def _block_of(name: str) -> str | None:
    """The block whose 1×1 entrances are joined, of a convolution's name."""
    head = name.split("/Branch_")[0]
    return head if head != name and head != "Mixed_6a" else None
