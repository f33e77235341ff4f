"""emotion2vec's pretraining: a student predicts the states of an averaged teacher at masked frames and of utterances.

Paper: Ma et al. 2024, "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation".

    Y    target (B, S, d): mean over the teacher's top layers of their states, each normalised over the frames
    Ŷ    the student's prediction, by a decoder of convolutions on its last states
    Û    mean over the student's N utterance tokens (B, d)
    L    mean over masked frames of ‖Y - Ŷ‖² / d  +  α · ‖Ȳ - Û‖² / d

The paper says that Ȳ is the mean of the target over time. Normalised over time, that is 0 for every sound, so that by
default Ȳ is the mean over time of the same states before that normalisation, normalised over its d numbers instead.
The decoder is that of the published large configuration (the base one is not given): convolutions of kernel 7 in 16
groups. The encoder reads mask vectors where data2vec 2.0 leaves masked frames out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from merc.nn.ema import EmaTeacher
from merc.nn.masking import span_masks
from merc.nn.pooling import masked_mean
from merc.recipes.pretraining.encoder import MaskedEncoder
from merc.recipes.pretraining.sounds import Batch, Sounds
from merc.training.contract import Task
from merc.training.hooks import BaseHook

UTTERANCE_TARGETS = ("states", "normalised")
_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class Targets:
    """What the student learns: of frames ``(B, S, d)``, of utterances ``(B, d)``; ``raw (B, S, d)`` before norms."""

    frames: Tensor
    utterances: Tensor
    raw: Tensor


def normalised_over_time(states: Tensor, real: Tensor) -> Tensor:
    """Zero mean and unit variance over the real frames of each sound and dimension: ``(B, S, d)``, padding 0."""
    mean = masked_mean(states, real)[:, None]
    variance = masked_mean((states - mean).square(), real)[:, None]
    return (states - mean) / (variance + _EPS).sqrt() * real[..., None]


def targets_of(states: list[Tensor], real: Tensor, *, top: int, utterance: str = "states") -> Targets:
    """The targets of a teacher.

    Args:
        states: Of each layer ``(B, S, d)``, the input first.
        real: bool ``(B, S)``.
        top: Layers that are averaged, the last ones.
        utterance: "states" or "normalised": the mean over time before or after the normalisation over time.
    """
    layers = [one.float() for one in states[-top:]]
    frames = torch.stack([normalised_over_time(one, real) for one in layers]).mean(0)
    raw = torch.stack(layers).mean(0)
    mean = masked_mean(frames if utterance == "normalised" else raw, real)
    if utterance == "states":
        mean = nn.functional.layer_norm(mean, mean.shape[-1:])
    return Targets(frames, mean, raw)


def utterance_loss(tokens: Tensor, target: Tensor) -> Tensor:
    """``‖Ȳ - Û‖² / d`` of tokens ``(B, N, d)``, which are averaged ("chunk"), and targets ``(B, d)``."""
    return nn.functional.mse_loss(tokens.float().mean(1), target)


class Decoder(nn.Module):
    """Convolutions over frames, each with a residual connection, and a linear map to the target ``(B, S, d)``."""

    def __init__(self, width: int, *, layers: int = 4, kernel: int = 7, groups: int = 16) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups) for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.out = nn.Linear(width, width)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Predict the targets of frames; padding is zeros to the convolutions."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            read = conv((states * real[..., None]).transpose(1, 2)).transpose(1, 2)
            states = states + nn.functional.gelu(norm(read))
        found: Tensor = self.out(states)
        return found


class Student(nn.Module):
    """The encoder with its tokens, a decoder for frames, and a linear map for the mean of the tokens."""

    def __init__(self, encoder: MaskedEncoder, *, decoder_layers: int = 4, groups: int = 16) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(encoder.width, layers=decoder_layers, groups=groups)

    def forward(self, sound: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Predicted frames ``(B, S, d)`` and tokens ``(B, N, d)`` of the frames before the transformer."""
        encoded = self.encoder(sound, batch.real, batch.masked)
        return self.decoder(encoded.frames[-1], batch.real), encoded.tokens[-1]


@dataclass(frozen=True, slots=True)
class Distilling:
    """Settings of the two losses and of the masks."""

    top: int = 4
    """Layers of the teacher that make the target: two thirds of them, as in the paper (8 of 12)."""
    alpha: float = 1.0
    """α, of the utterance loss."""
    utterance: str = "states"
    """Ȳ: see ``targets_of``."""
    probability: float = 0.55
    """Share of frames in spans: 0.5, and 0.05 against overlaps."""
    length: int = 5
    """Frames of a span."""
    clones: int = 1
    """Masked copies of each sound that share a target; the paper has 8, on GPUs."""


class Teacher(BaseHook):
    """The averaged teacher as a hook: it follows the student's network after each step, and logs how far states vary.

    ``target_std`` is the standard deviation of the target over frames, averaged over dimensions; ``teacher_std`` that
    of the teacher's states before they are normalised: it falls to 0 where representations collapse.
    """

    def __init__(self, student: Student, settings: Distilling, *, start: float, end: float, updates: int) -> None:
        self.ema = EmaTeacher(student.encoder.network, start=start, end=end, updates=updates)
        self.settings = settings
        self.sums = torch.zeros(3, dtype=torch.float64)  # batches, and the sums of both deviations

    def start(self, module: nn.Module) -> tuple[()]:
        """Move to the device of the student."""
        self.ema.network.to(next(module.parameters()).device)
        return ()

    def after_step(self, module: nn.Module, step: int) -> None:
        """Follow the student."""
        self.ema.update(cast("Student", module).encoder.network)

    @torch.no_grad()
    def targets(self, sound: Tensor, real: Tensor) -> Targets:
        """The targets of frames before the transformer, without masks."""
        network: Any = self.ema.network
        states = network.transform(sound + network.positions[: sound.shape[1]], None if bool(real.all()) else real)
        found = targets_of(states, real, top=self.settings.top, utterance=self.settings.utterance)
        deviations = [float(one[real].std(0).mean()) for one in (found.frames, found.raw)]
        self.sums += torch.tensor([1.0, *deviations], dtype=torch.float64)
        return found

    def epoch(self) -> Mapping[str, float]:
        """Both values for the epoch."""
        count, target, raw = self.sums.tolist()
        self.sums.zero_()
        return {"target_std": target / max(count, 1.0), "teacher_std": raw / max(count, 1.0)}

    def state_dict(self) -> dict[str, Tensor]:
        """Weights of the teacher, and the sums of the epoch."""
        return {**self.ema.state_dict(), "sums": self.sums}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Resume."""
        self.ema.load_state_dict(state)
        self.sums.copy_(state["sums"])


def distillation_losses(student: Student, batch: Batch, teacher: Teacher) -> dict[str, Tensor]:
    """Frame loss over masked frames and utterance loss; ``batch.masked`` may be of several copies of the sounds."""
    copies = len(batch.masked) // len(batch.labels)
    sound = student.encoder.front_end(batch.mels)
    real = batch.real
    targets = teacher.targets(sound, real)
    every = replace(batch, mels=_repeated(batch.mels, copies), labels=batch.labels.repeat(copies))
    frames, tokens = student(sound.repeat(copies, 1, 1), every)
    wanted = targets.frames.repeat(copies, 1, 1)[batch.masked]
    losses = {"frame": nn.functional.mse_loss(frames[batch.masked].float(), wanted)}
    if teacher.settings.alpha:
        found = utterance_loss(tokens, targets.utterances.repeat(copies, 1))
        losses["utterance"] = teacher.settings.alpha * found
    return losses


def _repeated(mels: Any, copies: int) -> Any:
    """Spectrograms of copies: only how long they are is read again."""
    return replace(mels, frames=mels.frames.repeat(copies), seen=mels.seen.repeat(copies))


def distillation_task(student: Student, sounds: Sounds, teacher: Teacher, *, facts: Mapping[str, Any]) -> Task:
    """Self-distillation; the teacher must also be a hook of the run."""
    settings = teacher.settings

    def mask(batch: Batch, generator: torch.Generator) -> Batch:
        real = batch.real.repeat(settings.clones, 1)
        masked = span_masks(
            real, probability=settings.probability, length=settings.length, minimum=1, generator=generator
        )
        return replace(batch, masked=masked)

    return Task(
        student,
        sounds,
        lambda module, batch: distillation_losses(cast("Student", module), batch, teacher),
        size=lambda batch: float(batch.masked.sum()),
        facts=facts,
        augment=mask,
    )
