"""emotion2vec, a self-supervised encoder of emotional speech: the network, and the layout of its folders.

Paper: Ma et al., "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation", ACL Findings 2024. The
architecture is that of data2vec 2.0: convolutions over samples, convolutions as positions, ten tokens in front, blocks
whose attention falls linearly with distance (ALiBi). A folder holds ``config.yaml`` and the weights as ``*.pt``.

Symbols: B sounds, S frames of the longest, E tokens in front, L hidden layers, d numbers of a state, H heads.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.backbones import speech
from merc.backbones.backbone import States
from merc.backbones.speech import Described, SpeechBackbone, Waves
from merc.cache import file_hash, key
from merc.errors import InputError, WeightError
from merc.nn.device import resolve

KIND = "emotion2vec"
CONFIG = "config.yaml"

_ENCODER = "modality_encoders.AUDIO."
_LEFT_OUT = ("decoder.", "proj.", "_ema", "ema.")
"""Beginnings of the names of what only pretraining and its classifier use."""


class Block(nn.Module):
    """Attention with linear biases, then two layers; normalised behind each."""

    def __init__(self, conf: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner = conf["embed_dim"], int(conf["embed_dim"] * conf["mlp_ratio"])
        self.heads = int(conf["num_heads"])
        self.attention_dropout, self.dropout = float(conf["attention_dropout"]), float(conf["encoder_dropout"])
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})
        self.norm1, self.norm2 = (nn.LayerNorm(width, float(conf["norm_eps"])) for _ in range(2))

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """``(B, E + S, d)``, additive ``bias (B, H, E + S, E + S)`` -> ``(B, E + S, d)``."""
        split = self.attn["qkv"](states).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        share = self.attention_dropout if self.training else 0.0
        read = F.scaled_dot_product_attention(
            split[0], split[1], split[2], attn_mask=bias.to(split.dtype), dropout_p=share
        )
        seen = self.attn["proj"](read.transpose(1, 2).flatten(-2))
        states = self.norm1(states + F.dropout(seen, self.dropout, self.training))
        inner = self.mlp["fc2"](F.gelu(self.mlp["fc1"](states)))
        found: Tensor = self.norm2(states + F.dropout(inner, self.dropout, self.training))
        return found


class Emotion2vecNetwork(nn.Module):
    """Samples to hidden states; its parameters are named as in the files, without what only pretraining uses.

    Args:
        conf: ``model_conf`` of ``config.yaml``.
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        super().__init__()
        audio, width = conf["modalities"]["audio"], conf["embed_dim"]
        self.convolutions = convolutions(audio["feature_encoder_spec"])
        channels = [1, *(out for out, _, _ in self.convolutions)]
        self.hear = nn.ModuleList(
            nn.Conv1d(before, out, kernel, stride, bias=False)
            for (before, _), (out, kernel, stride) in zip(pairwise(channels), self.convolutions, strict=True)
        )
        self.hear_norms = nn.ModuleList(nn.LayerNorm(out) for out in channels[1:])
        self.project_norm, self.project = nn.LayerNorm(channels[-1]), nn.Linear(channels[-1], width)
        kernel = max(3, audio["conv_pos_width"] // audio["conv_pos_depth"])
        self.places = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=audio["conv_pos_groups"])
            for _ in range(audio["conv_pos_depth"])
        )
        self.extra_tokens = nn.Parameter(torch.zeros(1, audio["num_extra_tokens"], width))
        self.alibi_scale = nn.Parameter(torch.ones(1, 1, audio["num_alibi_heads"], 1, 1))
        self.norm = nn.LayerNorm(width, float(conf["norm_eps"]))
        self.blocks = nn.ModuleList(Block(conf) for _ in range(audio["prenet_depth"] + conf["depth"]))
        self.register_buffer("slopes", torch.tensor(slopes(audio["num_alibi_heads"])), persistent=False)

    def steps(self, samples: int) -> int:
        """Frames of a sound of so many samples."""
        for _, kernel, stride in self.convolutions:
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def forward(self, waves: Tensor, mask: Tensor) -> list[Tensor]:
        """Samples ``(B, samples)``, real frames ``(B, S)`` bool -> L states ``(B, S, d)``."""
        real = mask[:, None].to(waves.dtype)  # (B, 1, S)
        heard = waves[:, None]
        for layer, norm in zip(self.hear, self.hear_norms, strict=True):
            heard = F.gelu(norm(layer(heard).transpose(1, 2)).transpose(1, 2))
        sound = self.project(self.project_norm(heard.transpose(1, 2))).transpose(1, 2) * real  # (B, d, S)
        places = sound
        for layer in self.places:
            found = layer(places)[..., : sound.shape[-1]].transpose(1, 2)
            places = F.gelu(F.layer_norm(found, found.shape[-1:])).transpose(1, 2) * real
        front = self.extra_tokens.expand(len(waves), -1, -1)
        states = [self.norm(torch.cat([front, (sound + places).transpose(1, 2)], 1))]
        bias = self._bias(mask, front.shape[1])
        for block in self.blocks:
            states.append(block(states[-1], bias))
        return [one[:, front.shape[1] :] for one in states]

    def _bias(self, mask: Tensor, extra: int) -> Tensor:
        """What attention adds: distance times a slope between frames, nothing to the tokens, no look at padding."""
        place = torch.arange(mask.shape[1], device=mask.device)
        slopes: Any = self.slopes
        fall = -(place[None] - place[:, None]).abs() * slopes[:, None, None]  # (H, S, S)
        scaled = fall[None] * self.alibi_scale.clamp_min(0)[0]  # (1, H, S, S)
        padded = F.pad(scaled, (extra, 0, extra, 0))
        unseen = F.pad(~mask, (extra, 0))[:, None, None]  # (B, 1, 1, E + S)
        return padded.masked_fill(unseen, -torch.inf)


class Emotion2vecBackbone(SpeechBackbone):
    """emotion2vec behind the contract of backbones; make it with `load`.

    Args:
        network: The network.
        normalise: Whether each sound is brought to mean 0 and variance 1.
        sha256: Hash of the weights.
    """

    name = KIND
    adapted = ("qkv", "proj", "fc1", "fc2")

    def __init__(self, network: Emotion2vecNetwork, *, normalise: bool, sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self.own, self.normalise = network, normalise
        self.levels, self.width = len(network.blocks) + 1, network.norm.normalized_shape[0]

    def steps(self, samples: int) -> int:
        """Frames of a sound of so many samples."""
        return self.own.steps(samples)

    def prepare(self, raw: Sequence[np.ndarray]) -> Waves:
        """Sounds, float in [-1, 1); raises InputError for one that is empty or too short for one frame."""
        return speech.waves(raw, self.steps, normalise=self.normalise)

    def forward(self, inputs: Waves) -> States:
        """States of frames: values ``(B, S, L, d)``."""
        own = inputs.to(self.device)
        lengths = torch.tensor([self.steps(count) for count in own.samples.tolist()], device=self.device)
        mask = torch.arange(int(lengths.max()), device=self.device) < lengths[:, None]
        return States(torch.stack(self.own(own.values, mask), 2), mask)

    def layers(self) -> Sequence[nn.Module]:
        """The blocks, those of the prenet first."""
        return list(self.own.blocks)

    def front_end(self) -> Sequence[nn.Module]:
        """The convolutions over samples."""
        return [self.own.hear, self.own.hear_norms]


def slopes(heads: int) -> list[float]:
    """How fast the attention of each head falls with distance (Press et al. 2022)."""
    below = 2 ** math.floor(math.log2(heads))
    first = [2.0 ** (-8 * (place + 1) / below) for place in range(below)]
    return first + slopes(2 * below)[::2][: heads - below] if below < heads else first


def convolutions(text: str) -> list[tuple[int, int, int]]:
    """Channels, kernel and stride of each convolution, from words such as "[(512, 10, 5)] + [(512, 3, 2)] * 4"."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
            first, second = value(node.left), value(node.right)
            return first + second if isinstance(node.op, ast.Add) else first * second
        return ast.literal_eval(node)

    return [(int(out), int(kernel), int(stride)) for out, kernel, stride in value(ast.parse(text, mode="eval").body)]


def fits(folder: Path) -> bool:
    """Whether a folder is laid out as those of emotion2vec are."""
    path = folder / CONFIG
    return path.exists() and KIND in path.read_text(encoding="utf-8").casefold()


def configured(folder: Path) -> dict[str, Any]:
    """``model_conf`` of a folder.

    Raises:
        InputError: It does not say how sound is normalised.
        WeightError: It is damaged, or describes a network that is built otherwise.
    """
    import yaml

    try:
        conf = dict(yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))["model_conf"])
        if conf["layer_norm_first"] or conf["modalities"]["audio"]["learned_alibi_scale_per_layer"]:
            raise ValueError("blocks that normalise first, or a scale for each layer")
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise WeightError(f"{folder / CONFIG} is not that of emotion2vec ({error}); copy it again") from error
    if "normalize" not in conf:
        raise InputError(
            f"{folder / CONFIG} has no model_conf.normalize; copy it from where the model comes from: it says at which "
            "scale the network reads sound"
        )
    return conf


def described(name: str, folder: Path) -> Described:
    """The sizes of the encoder in a folder; raises as ``configured``, and WeightError without weights."""
    conf = configured(folder)
    levels = 1 + int(conf["modalities"]["audio"]["prenet_depth"]) + int(conf["depth"])
    sha256 = key(KIND, file_hash(_weights(folder)))
    return Described(name, KIND, levels, int(conf["embed_dim"]), sha256, folder)


def _weights(folder: Path) -> Path:
    found = sorted(folder.glob("*.pt"))
    if not found:
        raise WeightError(f"{folder} has no *.pt; copy the weights there")
    return found[0]


def load(found: Described, *, device: str = "cpu") -> Emotion2vecBackbone:
    """The network of a folder, in evaluation mode; raises WeightError where its weights are others or damaged."""
    folder = found.folder or Path()
    conf = configured(folder)
    network = Emotion2vecNetwork(conf)
    try:
        stored = torch.load(_weights(folder), map_location="cpu", weights_only=True)
        prenet = int(conf["modalities"]["audio"]["prenet_depth"])
        network.load_state_dict(renamed(stored.get("model", stored), prenet=prenet))
    except Exception as error:  # unpickling a damaged file may raise anything
        raise WeightError(f"{folder} does not hold the weights of its {CONFIG} ({error}); copy it again") from error
    made = Emotion2vecBackbone(network, normalise=bool(conf["normalize"]), sha256=found.sha256)
    return made.to(resolve(device)).eval()


def renamed(stored: Mapping[str, Tensor], *, prenet: int) -> dict[str, Tensor]:
    """Tensors of a file by the names of `Emotion2vecNetwork`.

    Args:
        stored: As in the file, also below ``d2v_model.``.
        prenet: Blocks of the context encoder, which come before the others.
    """
    found = {}
    for name, tensor in stored.items():
        plain = name.removeprefix("d2v_model.").removeprefix(_ENCODER)
        if not plain.startswith(_LEFT_OUT):
            inside = name.removeprefix("d2v_model.").startswith(_ENCODER)
            found[_own_name(plain, prenet=prenet, inside=inside)] = tensor
    return found


def _own_name(plain: str, *, prenet: int, inside: bool) -> str:
    parts = plain.split(".")
    if parts[0] == "local_encoder":  # conv_layers.N.0 is the convolution, conv_layers.N.2.1 its norm
        return f"{'hear' if parts[3] == '0' else 'hear_norms'}.{parts[2]}.{parts[-1]}"
    if parts[0] == "project_features":
        return f"{'project_norm' if parts[1] == '1' else 'project'}.{parts[-1]}"
    if parts[0] == "relative_positional_encoder":  # the first of the sequence only transposes
        return f"places.{int(parts[1]) - 1}.{parts[-1]}"
    if parts[0] == "context_encoder":
        return ".".join(parts[1:])
    if parts[0] == "blocks" and not inside:
        return ".".join(["blocks", str(int(parts[1]) + prenet), *parts[2:]])
    return plain
