"""Whisper's encoder for masked prediction: a vector for masked frames, utterance tokens, a frozen front end.

Symbols: B sounds, S frames, N utterance tokens, L layers, d width of a state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.backbones.whisper import Mels
from merc.errors import InputError
from merc.nn.whisper import WhisperNetwork


@dataclass(frozen=True, slots=True)
class Encoded:
    """States of frames: L + 1 times ``(B, S, d)``; states of tokens: L + 1 times ``(B, N, d)``."""

    frames: list[Tensor]
    tokens: list[Tensor]


class MaskedEncoder(nn.Module):
    """Whisper's encoder over frames of which some are masked, with its convolutions frozen.

    Args:
        network: Trained in place.
        tokens: N, learned vectors before the frames that describe the utterance.
        layers: How many of the last transformer layers are trained; 0: all.

    Raises:
        InputError: More layers than the network has.
    """

    def __init__(self, network: WhisperNetwork, *, tokens: int = 0, layers: int = 0) -> None:
        super().__init__()
        if layers > len(network.layers):
            raise InputError(f"layers is {layers}: the encoder has {len(network.layers)}; choose as many at most")
        self.network = network
        self.width = network.first.out_channels
        network.requires_grad_(False)
        for layer in list(network.layers)[-layers:]:  # all for 0
            layer.requires_grad_(True)
        network.norm.requires_grad_(True)
        self.mask_vector = nn.Parameter(torch.randn(self.width) * 0.02)
        self.tokens = nn.Parameter(torch.randn(tokens, self.width) * 0.02)

    def front_end(self, mels: Mels) -> Tensor:
        """Frames before the transformer ``(B, S, d)``, without gradients."""
        with torch.no_grad():
            sound, _ = self.network.front_end(mels.values, mels.frames)
        return sound

    def forward(self, sound: Tensor, real: Tensor, masked: Tensor, hidden: Tensor | None = None) -> Encoded:
        """Encode frames.

        Args:
            sound: ``(B, S, d)`` of ``front_end``.
            real: bool ``(B, S)``, False for padding.
            masked: bool ``(B, S)``; these frames are replaced by the mask vector.
            hidden: bool ``(B, d)`` or ``(B, 0)``; these features of all frames are set to 0.
        """
        sound = torch.where(masked[..., None], self.mask_vector.to(sound.dtype), sound)
        if hidden is not None and hidden.shape[1]:
            sound = sound * ~hidden[:, None]
        count = len(self.tokens)
        states = sound + self.network.positions[: sound.shape[1]]
        states = torch.cat([self.tokens.expand(len(states), -1, -1).to(states.dtype), states], 1)  # (B, N + S, d)
        seen = nn.functional.pad(real, (count, 0), value=True)
        found = self.network.transform(states, None if bool(real.all()) else seen)
        return Encoded([one[:, count:] for one in found], [one[:, :count] for one in found])
