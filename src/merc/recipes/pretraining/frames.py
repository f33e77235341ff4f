"""Stages 1 and 2 of P-TAPT: a frame-level emotion model over frozen states, and k-means clusters of what it makes.

TAPT has no stage 1: its clusters are those of the frozen states themselves, as in HuBERT. Symbols: B sounds, S frames,
d width of a frozen state, h of the model, C classes, n frames of all sounds, K clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from merc.errors import InputError, require
from merc.nn.pooling import masked_mean
from merc.nn.whisper import WhisperNetwork
from merc.recipes.pretraining.sounds import UNLABELLED, Batch, Sounds
from merc.training.contract import Task
from merc.training.device import chosen_device, moved

_CHUNK = 1 << 14  # frames that are compared with the centres at once


class FrozenStates(nn.Module):
    """States ``(B, S, d)`` after some layers of a network that is never trained.

    Args:
        network: Left as it is.
        layer: How many layers run.

    Raises:
        InputError: More layers than the network has.
    """

    def __init__(self, network: WhisperNetwork, layer: int) -> None:
        super().__init__()
        if layer > len(network.layers):
            raise InputError(f"layer is {layer}: the encoder has {len(network.layers)}; choose as many at most")
        self.network, self.layer = network.requires_grad_(False), layer

    def forward(self, batch: Batch) -> Tensor:
        """The states of a batch."""
        with torch.no_grad():
            found: Tensor = self.network(batch.mels.values, self.layer, frames=batch.mels.frames)[:, -1]
        return found.float()


class FrameEmotion(nn.Module):
    """An emotion for every frame: a convolution over frozen states, a classifier, and an auxiliary recurrent one.

    The paper's convolution (512 to 512, kernel 4, stride 2) also brings its front end to the frame rate of the network
    that is pretrained; here both have the same, so that the kernel is odd and the stride 1.

    Args:
        frozen: Gives the states.
        width: d.
        classes: C.
        state: h.
        kernel: Frames that the convolution reads.
    """

    def __init__(self, frozen: FrozenStates, width: int, classes: int, *, state: int = 512, kernel: int = 5) -> None:
        super().__init__()
        self.frozen = frozen
        self.conv = nn.Conv1d(width, state, kernel, padding=kernel // 2)
        self.frame = nn.Linear(state, classes)
        self.recurrent = nn.GRU(state, state // 4, batch_first=True, bidirectional=True)
        self.utterance = nn.Linear(2 * (state // 4), classes)

    def represent(self, batch: Batch) -> Tensor:
        """What is clustered: ``(B, S, h)``."""
        states = self.frozen(batch) * batch.real[..., None]
        return nn.functional.relu(self.conv(states.transpose(1, 2))).transpose(1, 2)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of frames ``(B, S, C)`` and of utterances ``(B, C)``."""
        frames = self.represent(batch)
        lengths = batch.mels.frames.cpu()
        packed = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=frames.shape[1]
        )
        return self.frame(frames), self.utterance(masked_mean(read, batch.real))


def frame_losses(
    model: FrameEmotion, batch: Batch, *, class_weights: Tensor, utterance_weight: float
) -> dict[str, Tensor]:
    """Cross-entropy of the utterance's label at each of its frames, and that of the utterance."""
    known = batch.labels != UNLABELLED
    if not bool(known.any()):
        return {}
    frames, utterances = model(batch)
    labels = batch.labels[:, None].expand(-1, frames.shape[1]).masked_fill(~batch.real, UNLABELLED)
    weights = class_weights.to(frames.device)
    cross = nn.functional.cross_entropy
    own = cross(frames.flatten(0, 1), labels.flatten(), weight=weights, ignore_index=UNLABELLED)
    whole = cross(utterances, batch.labels, weight=weights, ignore_index=UNLABELLED)
    return {"frame": own, "utterance": utterance_weight * whole}


def inverse_frequency(labels: Sequence[int], classes: int) -> Tensor:
    """Weights of the classes ``(C,)``: inverse to their frequency, with mean 1; 0 for one that does not occur.

    Example:
        >>> inverse_frequency([0, 0, 0, 1], 2)
        tensor([0.5000, 1.5000])
    """
    counts = torch.bincount(torch.tensor(labels), minlength=classes).float()
    inverse = torch.where(counts > 0, 1 / counts.clamp_min(1), 0.0)
    return inverse * classes / inverse.sum()


def frame_task(
    model: FrameEmotion, sounds: Sounds, classes: int, *, utterance_weight: float, facts: Mapping[str, Any]
) -> Task:
    """Stage 1."""
    weights = inverse_frequency([sounds.labels[name] for name in sounds.names if name in sounds.labels], classes)

    def loss(module: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return frame_losses(
            cast("FrameEmotion", module), batch, class_weights=weights, utterance_weight=utterance_weight
        )

    return Task(model, sounds, loss, size=lambda batch: float((batch.labels != UNLABELLED).sum()), facts=facts)


def representations(
    represent: Callable[[Batch], Tensor], sounds: Sounds, *, device: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Frames of every sound by name, ``(frames, d)`` float32, in order of length."""
    for names in sounds.in_order():
        with torch.inference_mode():
            found = represent(moved(sounds.batch(names), chosen_device(device))).float().cpu()
        for name, rows in zip(names, found, strict=True):
            yield name, rows[: sounds.lengths[name]].numpy()


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centres of clusters at several levels, ``(K, d)`` float32 each."""

    centres: tuple[np.ndarray, ...]

    def of(self, frames: np.ndarray) -> np.ndarray:
        """The nearest centre of each frame ``(n, d)`` at each level: int64 ``(n, levels)``."""
        return np.stack([nearest(frames, centres) for centres in self.centres], axis=1)


def nearest(frames: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number of the nearest centre ``(K, d)`` of each frame ``(n, d)`` by Euclidean distance: int64 ``(n,)``."""
    points, places = torch.from_numpy(frames), torch.from_numpy(centres)
    offsets = places.square().sum(1) / 2
    parts = [(offsets - part @ places.T).argmin(1) for part in torch.split(points, _CHUNK)]  # |x - c|² without |x|²
    return torch.cat(parts).numpy() if parts else np.zeros(0, np.int64)


def fit_clusters(frames: np.ndarray, counts: Sequence[int], *, iterations: int, seed: int, threads: int) -> Clusters:
    """Stage 2: k-means at each number of clusters.

    Args:
        frames: ``(n, d)`` float32.
        counts: Numbers of clusters.
        iterations: Of Lloyd's algorithm at most.
        seed: Of the first centres, which are frames.
        threads: CPU threads.

    Raises:
        InputError: More clusters than frames.
    """
    require("sklearn", extra="train", what="clusters of frames need {}")
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if max(counts) > len(frames):
        raise InputError(
            f"{max(counts)} clusters of {len(frames)} frames: expected as many frames at least; choose fewer "
            "(--set clusters=[64]) or give more sound"
        )
    with threadpool_limits(threads):
        found = [
            KMeans(count, init="random", n_init=1, max_iter=iterations, random_state=seed).fit(frames)
            for count in counts
        ]
    return Clusters(tuple(np.ascontiguousarray(one.cluster_centers_, np.float32) for one in found))
