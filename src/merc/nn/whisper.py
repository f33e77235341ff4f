"""The encoder of Whisper base in PyTorch, which gives access to all layers and to gradients.

Paper: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision". Two convolutions (the second
halves the rate), sinusoidal positions, six pre-norm transformer layers of width 512, eight heads, and a last norm. The
weights are read from the CTranslate2 file that speech recognition uses, so no other file is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from weakref import ref

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import WeightError
from merc.nn.device import multiplies_bfloat16

WIDTH = 512
LAYERS = 6
STATES = LAYERS + 1
"""Number of hidden states: the input of the first layer and the output of each; the last one is normalised."""
HEADS = 8
MELS = 80
POSITIONS = 1500
"""Frames of 20 ms in 30 s, the length of the training data."""
MARGIN, BLOCK = 50, 4
"""Frames of silence behind a short sound that are read one by one, and frames of a block behind them."""

_LOADING = Lock()
_living: ref[WhisperNetwork] | None = None
_KINDS = (np.float32, np.int8, np.int16, np.int32, np.float16)  # numbered as in the file


class Layer(nn.Module):
    """Pre-norm transformer layer: self-attention and a feed-forward network, with residual connections."""

    def __init__(self, width: int = WIDTH, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)  # queries, keys, values
        self.attention_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, states: Tensor, seen: Tensor | None = None) -> Tensor:
        """Transform (batch, frames, width); the shape does not change.

        Args:
            states: Of all frames.
            seen: bool (batch, frames), the frames that may be attended to, or float, what is added to the scores of
                each; None: all.
        """
        batch, frames, width = states.shape
        joined = self.attention_in(self.attention_norm(states))
        split = joined.view(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (3, batch, heads, frames, 64)
        mask = None if seen is None else seen[:, None, None]  # (batch, 1, 1, frames)
        read = F.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=mask)
        states = states + self.attention_out(read.transpose(1, 2).reshape(batch, frames, width))
        narrowed: Tensor = self.narrow(F.gelu(self.widen(self.norm(states))))
        return states + narrowed


class WhisperNetwork(nn.Module):
    """Log-mel spectrograms to hidden states; ``load`` returns one with the pretrained weights.

    Args:
        width: Of a state.
        layers: Number of transformer layers.
        heads: Of attention.
    """

    positions: Tensor

    def __init__(self, width: int = WIDTH, layers: int = LAYERS, heads: int = HEADS) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(POSITIONS, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, mels: Tensor, layers: int | None = None, *, frames: Tensor | None = None) -> Tensor:
        """Encode log-mel spectrograms.

        Args:
            mels: (batch, 80, 2 × frames), at most 1,500 frames.
            layers: How many layers run: fewer cost less; None: all.
            frames: int64 (batch,), frames of each sound; what lies behind them is padding, which no state of a real
                frame depends on. None: all are real.

        Returns:
            Hidden states (batch, 1 + layers, frames, width); those of padding mean nothing.
        """
        sound, seen = self.front_end(mels, frames)
        return torch.stack(self.transform(sound + self.positions[: sound.shape[1]], seen, layers), dim=1)

    def front_end(self, mels: Tensor, frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The convolutions: (batch, frames, width), and which frames are real, None where all are."""
        longest = -(-mels.shape[-1] // 2)  # a last half frame counts
        if frames is None or bool((frames >= longest).all()):
            return F.gelu(self.second(F.gelu(self.first(mels)))).transpose(1, 2), None
        seen = torch.arange(longest, device=mels.device) < frames[:, None]  # (batch, frames)
        real = seen.repeat_interleave(2, 1)[:, None, : mels.shape[-1]]  # (batch, 1, 2 × frames)
        # a convolution sees zeros beyond the end of a sound, as it does where the sound is alone
        sound = F.gelu(self.second(F.gelu(self.first(mels * real)) * real))
        return sound.transpose(1, 2), seen

    def in_silence(self, mels: Tensor) -> Tensor:
        """The last states of a window of thirty seconds that begins with a short sound, for a fraction of its cost.

        Nearly all of such a window is silence. Behind `MARGIN` frames of it each `BLOCK` frames are read as one, at
        the position of their middle, and attention counts it as often as there are frames in it.

        Args:
            mels: (1, 80, 2 × frames) of the sound alone; what follows has the value 0.

        Returns:
            (1, 1500, width) float32: frames of one block have the same state.
        """
        mels = mels.to(self.positions.dtype)
        real = min(POSITIONS, -(-mels.shape[-1] // 2) + MARGIN)
        extended = F.pad(mels, (0, 2 * real + 8 - mels.shape[-1]))
        sound, _ = self.front_end(extended)
        starts = torch.arange(real, POSITIONS, BLOCK)
        sizes = torch.cat([torch.ones(real, dtype=torch.int64), (POSITIONS - starts).clamp(max=BLOCK)])
        silence = sound[:, real : real + 1].expand(-1, len(starts), -1)
        places = torch.cat([torch.arange(real), starts + sizes[real:] // 2])
        states = torch.cat([sound[:, :real], silence], 1) + self.positions[places]
        found = self.transform(states, sizes.log()[None].to(states.dtype))[-1]
        return found.float().repeat_interleave(sizes, 1)

    def transform(
        self, states: Tensor, seen: Tensor | None = None, layers: int | None = None, *, first: int = 0
    ) -> list[Tensor]:
        """The transformer: its input (batch, frames, width), which has positions, and the states of each layer.

        With ``first``, that many layers have run: their last states come in, and those of the others are added.
        """
        found = [states]
        for layer in self.layers[first:layers]:
            found.append(layer(found[-1], seen))
        if layers is None or layers >= len(self.layers):
            found[-1] = self.norm(found[-1])
        return found


def load() -> WhisperNetwork:
    """Load the network with its pretrained weights.

    Raises:
        WeightError: If 'whisper-base' is missing or another model.
    """
    from merc import weights

    stored = read(weights.path("whisper-base") / "model.bin")
    with torch.device("meta"):
        network = WhisperNetwork()
    try:
        state = {name: torch.from_numpy(stored[old].astype(np.float32)) for name, old in _names()}
        network.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError) as error:
        raise WeightError(f"weight 'whisper-base' is not the base model of Whisper: {error}") from error
    return network.eval()


def shared() -> WhisperNetwork:
    """The network of ``load`` on the CPU, the same one for all who only read it, as long as one of them lives.

    It is in bfloat16 where the CPU multiplies that natively.

    Raises:
        WeightError: as ``load``.
    """
    global _living
    with _LOADING:
        found = _living() if _living else None
        if found is None:
            found = load()
            if multiplies_bfloat16(torch.device("cpu")):
                found.bfloat16()
            _living = ref(found)
        return found


def read(path: Path) -> dict[str, np.ndarray]:
    """Arrays of the encoder by name, from a model in CTranslate2's binary format, version 6.

    Raises:
        WeightError: If the file has another format or is truncated.
    """
    content = memoryview(path.read_bytes())
    try:
        return dict(_variables(content))
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise WeightError(f"{path} is not a CTranslate2 model ({error}); download the weight again") from error


def _variables(content: memoryview) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of the encoder: version, model name and revision, then name, shape, dtype and bytes of each array."""
    (version,) = struct.unpack_from("<I", content)
    if version != 6:
        raise ValueError(f"format version {version}, expected 6")
    _, place = _text(content, 4)
    _, count = struct.unpack_from("<II", content, place)
    place += 8
    for _ in range(count):
        name, place = _text(content, place)
        rank = content[place]
        *shape, kind, size = struct.unpack_from(f"<{rank}IBI", content, place + 1)
        place += 1 + 4 * rank + 5
        if name.startswith("encoder/"):
            yield name, np.frombuffer(content[place : place + size], _KINDS[kind]).reshape(shape)
        place += size


def _text(content: memoryview, place: int) -> tuple[str, int]:
    """A string with a length prefix and a terminating zero byte, and the offset of its end."""
    (length,) = struct.unpack_from("<H", content, place)
    return bytes(content[place + 2 : place + 1 + length]).decode(), place + 2 + length


def _names() -> Iterator[tuple[str, str]]:
    """Names of parameters, here and in the file."""
    yield "positions", "encoder/position_encodings/encodings"
    modules = [("first", "conv1", True), ("second", "conv2", True), ("norm", "layer_norm", False)]
    inside = (
        ("attention_norm", "self_attention/layer_norm", False),
        ("attention_in", "self_attention/linear_0", True),
        ("attention_out", "self_attention/linear_1", True),
        ("norm", "ffn/layer_norm", False),
        ("widen", "ffn/linear_0", True),
        ("narrow", "ffn/linear_1", True),
    )
    modules += [
        (f"layers.{n}.{new}", f"layer_{n}/{old}", weighted) for n in range(LAYERS) for new, old, weighted in inside
    ]
    for new, old, weighted in modules:
        yield f"{new}.weight", f"encoder/{old}/{'weight' if weighted else 'gamma'}"
        yield f"{new}.bias", f"encoder/{old}/{'bias' if weighted else 'beta'}"
