"""Adaptive-margin triplet loss with variance and covariance terms against collapse, and a ResNet-18 encoder.

M2FNet (Chudasama et al. 2022, arXiv 2206.02187), section on the feature extractor. Symbols: n triplets of an anchor a,
a positive p of the same class and a negative n of another, d the width of a vector, D the Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from merc.errors import InputError
from merc.options import at_least


@dataclass(frozen=True, slots=True)
class TripletOptions:
    """Weights of the three terms, and differences from the paper."""

    margin_weight: float = 20.0  # lambda 1 of the paper
    covariance_weight: float = 5.0  # lambda 2 of the paper
    variance_weight: float = 1.0  # lambda 3 of the paper
    normalise: bool = True  # distances between unit vectors, as in FaceNet; not stated in the paper
    hinge: bool = True  # not in the paper; no effect on unit vectors; with neither, the loss is unbounded below
    differentiable_margin: bool = (
        False  # True: gradients flow through the margin, as printed, and pull negatives closer
    )

    def __post_init__(self) -> None:
        at_least(
            0,
            scope="triplet loss",
            margin_weight=self.margin_weight,
            covariance_weight=self.covariance_weight,
            variance_weight=self.variance_weight,
        )
        if not (self.normalise or self.hinge):
            raise InputError("triplet loss: without normalise and hinge it is unbounded below; set one of them")


class TripletLoss(nn.Module):
    """Adaptive-margin triplet loss with variance and covariance terms: L = 20 L_AMT + 5 L_Cov + L_Var.

    Its value is not a measure of quality, as the margin grows while negatives move away; its gradient is meaningful.
    """

    def __init__(self, options: TripletOptions | None = None) -> None:
        super().__init__()
        self.options = TripletOptions() if options is None else options

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Compute the loss of ``(n, d)`` each, n >= 2.

        Returns:
            A scalar.

        Raises:
            InputError: If there are fewer than two triplets.
        """
        options, three = self.options, (anchor, positive, negative)
        a, p, n = (normalize(one, dim=-1) for one in three) if options.normalise else three
        near, far, other = (torch.linalg.vector_norm(one - two + 1e-6, dim=-1) for one, two in ((a, p), (a, n), (p, n)))
        margin = adaptive_triplet(
            near, far, other, hinge=options.hinge, differentiable_margin=options.differentiable_margin
        )
        apart = torch.stack([variance_term(one) for one in three]).sum()
        unlike = torch.stack([covariance_term(one) for one in three]).sum()
        return (
            options.margin_weight * margin.mean() + options.covariance_weight * unlike + options.variance_weight * apart
        )


def adaptive_margin(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
    """Margins m_sim = 1 + 2 exp(-4 D_ap) and m_dissim = 1 + 2 exp(4 D_an - 4), each above 1; the margin is their sum.

    m_sim decreases as the positive moves away; m_dissim grows without bound as the negative does (110 at D_an = 2).

    Args:
        near: D_ap, ``(n,)``.
        far: D_an, ``(n,)``.

    Returns:
        (m_sim, m_dissim), ``(n,)`` each.
    """
    return 1 + 2 * torch.exp(-4 * near), 1 + 2 * torch.exp(4 * far - 4)


def adaptive_triplet(
    near: Tensor, far: Tensor, other: Tensor, *, hinge: bool = True, differentiable_margin: bool = False
) -> Tensor:
    """L_AMT of each triplet: D_ap - (D_an + D_pn) / 2 + m_sim + m_dissim.

    By default the margin is constant for the gradient, which is +1 for D_ap and -1/2 for D_an. With a differentiable
    margin, negatives are pulled closer beyond D_an = 0.307, and positives pushed apart below D_ap = 0.52.

    Args:
        near: D_ap, ``(n,)``.
        far: D_an, ``(n,)``.
        other: D_pn, ``(n,)``.
        hinge: Clip the loss at 0.
        differentiable_margin: Let gradients flow through the margin.

    Returns:
        ``(n,)``.
    """
    parts = adaptive_margin(near, far)
    margin = parts[0] + parts[1]
    loss = near - (far + other) / 2 + (margin if differentiable_margin else margin.detach())
    return torch.relu(loss) if hinge else loss


def variance_term(vectors: Tensor, *, floor: float = 1e-4) -> Tensor:
    """Mean of max(0, 1 - standard deviation) over the columns of ``(n, d)`` (VICReg, Bardes et al. 2022, eq. 1)."""
    _enough(vectors)
    return torch.relu(1 - torch.sqrt(vectors.var(0) + floor)).mean()


def covariance_term(vectors: Tensor) -> Tensor:
    """Sum of squared covariances between the columns of ``(n, d)``, divided by d (VICReg, eq. 4)."""
    _enough(vectors)
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred / (len(vectors) - 1)  # (d, d)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / vectors.shape[1]


def _enough(vectors: Tensor) -> None:
    if vectors.ndim != 2 or len(vectors) < 2:
        raise InputError(f"triplets of shape {tuple(vectors.shape)}; expected (n, d) with n >= 2")


def triplets(labels: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a positive and a negative at random for every item that has both.

    Args:
        labels: int64 ``(n,)``, without -1.
        generator: Source of randomness, on the device of the labels.

    Returns:
        Row numbers of anchors, positives and negatives.

    Raises:
        InputError: If there is no triplet.
    """
    same = labels[:, None] == labels[None]  # (n, n)
    mates = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors = (mates.any(1) & (~same).any(1)).nonzero()[:, 0]
    if not len(anchors):
        raise InputError(f"no triplets among labels {labels.tolist()[:8]}; expected two of a class and one of another")
    positives = torch.multinomial(mates[anchors].float(), 1, generator=generator)[:, 0]
    negatives = torch.multinomial((~same[anchors]).float(), 1, generator=generator)[:, 0]
    return anchors, positives, negatives


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, wide: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(wide, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        straight = stride == 1 and wide == width
        self.around = nn.Identity() if straight else _shortcut(wide, width, stride)

    def forward(self, image: Tensor) -> Tensor:
        """``(n, wide, H, W)`` -> ``(n, width, H / stride, W / stride)``."""
        return torch.relu(self.path(image) + self.around(image))


def _shortcut(wide: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))


class ResNet18(nn.Module):
    """ResNet-18 without the classifier (He et al. 2016, table 1).

    Args:
        channels: Channels of the image.
        widths: Channels of the four stages; the last is the width of the output.
    """

    def __init__(self, channels: int = 3, *, widths: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__()
        self.width = widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks = [ResidualBlock(widths[0], widths[0]), ResidualBlock(widths[0], widths[0])]
        for wide, width in pairwise(widths):
            blocks += [ResidualBlock(wide, width, stride=2), ResidualBlock(width, width)]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, image: Tensor) -> Tensor:
        """Encode ``(n, channels, H, W)`` as ``(n, d)``, the mean over positions of the last maps."""
        maps: Tensor = self.blocks(self.stem(image))  # (n, d, H / 32, W / 32)
        return maps.mean((2, 3))


class Extractor(nn.Module):
    """Picture (mel picture, scene or face) to vector, learned with adaptive-margin triplets: backbone, then projector.

    The paper: ResNet-18 to 300 numbers, Adam 1e-4 with decay 1e-6, 60 epochs for voice and 100 for pictures. Any
    ``backbone`` with an attribute ``width`` will do.
    """

    def __init__(
        self, backbone: nn.Module | None = None, *, size: int = 300, options: TripletOptions | None = None
    ) -> None:
        super().__init__()
        self.backbone = ResNet18() if backbone is None else backbone
        width = getattr(self.backbone, "width", None)
        if not isinstance(width, int):
            raise InputError("extractor: the backbone has no attribute 'width'; set it to the size of its output")
        self.project = nn.Linear(width, size)
        self.triplet_loss = TripletLoss(options)

    def forward(self, pictures: Tensor) -> Tensor:
        """``(n, channels, H, W)``, or whatever the backbone reads -> ``(n, size)``."""
        vectors: Tensor = self.project(self.backbone(pictures))
        return vectors

    def loss(self, pictures: Tensor, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """A scalar over triplets drawn from one batch; raises InputError where its labels allow none."""
        rows, vectors = triplets(labels, generator=generator), self(pictures)
        loss: Tensor = self.triplet_loss(*(vectors[chosen] for chosen in rows))
        return loss
