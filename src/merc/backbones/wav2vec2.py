"""Self-supervised speech encoders in the hub's layout, by one loader: wav2vec 2.0, HuBERT, WavLM, data2vec-audio.

A folder holds ``config.json``, ``preprocessor_config.json`` and weights. Sounds go through the convolutions one at a
time, as the group normalisation of the base models would otherwise read the padding of a batch, and attention masks
padding: the states of a sound do not depend on its batch mates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones import speech
from merc.backbones.backbone import States
from merc.backbones.speech import Described, SpeechBackbone, Waves
from merc.cache import file_hash, key
from merc.errors import InputError, WeightError
from merc.nn.device import resolve

KINDS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
"""Model types of the hub that are read."""


class Wav2Vec2Backbone(SpeechBackbone):
    """A network of one of ``KINDS`` behind the contract of backbones; make it with `load`.

    Args:
        network: The model of transformers.
        normalise: Whether each sound is brought to mean 0 and variance 1, as ``preprocessor_config.json`` says.
        sha256: Hash of the weights.
    """

    name = "wav2vec2"
    adapted: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj")

    def __init__(self, network: Any, *, normalise: bool, sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self.normalise = normalise
        if network.config.model_type == "wavlm":  # reads the matrices of its attention past the adapters on them
            self.adapted = ("intermediate_dense", "output_dense")
        self.levels, self.width = network.config.num_hidden_layers + 1, network.config.hidden_size
        self._real: Tensor | None = None
        for layer in getattr(network.encoder.pos_conv_embed, "layers", ()):  # of data2vec-audio, one behind the other
            layer.register_forward_pre_hook(self._without_padding)

    def _without_padding(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Zeros behind the end of each sound, as a convolution sees where the sound is alone."""
        return inputs if self._real is None else (inputs[0] * self._real[:, None].to(inputs[0].dtype),)

    def steps(self, samples: int) -> int:
        """Frames of a sound of so many samples."""
        network: Any = self.network
        return max(int(network._get_feat_extract_output_lengths(samples)), 0)

    def prepare(self, raw: Sequence[np.ndarray]) -> Waves:
        """Sounds, float in [-1, 1); raises InputError for one that is empty or too short for one frame."""
        return speech.waves(raw, self.steps, normalise=self.normalise)

    def forward(self, inputs: Waves) -> States:
        """States of frames: values ``(B, S, L, d)``."""
        own, network = inputs.to(self.device), self._any
        front = network.feature_extractor
        front._requires_grad = any(one.requires_grad for one in front.parameters())  # else it asks for a gradient
        heard = [
            front(wave[None, :count])[0].transpose(0, 1)  # (frames, channels)
            for wave, count in zip(own.values, own.samples.tolist(), strict=True)
        ]
        lengths = torch.tensor([len(one) for one in heard], device=self.device)
        sound = nn.utils.rnn.pad_sequence(heard, batch_first=True)  # (B, S, channels)
        mask = torch.arange(sound.shape[1], device=self.device) < lengths[:, None]
        projected = network.feature_projection(sound)
        first = projected[0] if isinstance(projected, tuple) else projected  # HuBERT gives the states alone
        return States(torch.stack(self._encoded(first, mask), 2), mask)

    def _encoded(self, first: Tensor, mask: Tensor) -> list[Tensor]:
        """The input of the first layer, the output of each, and of the encoder in place of the last: ``(B, S, d)``."""
        seen: list[Tensor] = []
        layers = self.layers()
        hooks = [layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))]
        hooks += [
            layer.register_forward_hook(lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out))
            for layer in layers
        ]
        self._real = mask
        try:
            last = self._any.encoder(first, attention_mask=mask, return_dict=True).last_hidden_state
        finally:
            self._real = None
            for hook in hooks:
                hook.remove()
        return [*seen[:-1], last]

    @property
    def _any(self) -> Any:
        return self.network

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        return list(self._any.encoder.layers)

    def front_end(self) -> Sequence[nn.Module]:
        """The convolutions over samples."""
        return [self._any.feature_extractor]


def described(name: str, folder: Path) -> Described:
    """The sizes of the encoder in a folder.

    Raises:
        InputError: It has no preprocessor configuration, or one of another rate.
        WeightError: It holds no network of ``KINDS``.
    """
    config = _json(folder, "config.json", "is not a speech encoder in the hub's layout: name another folder")
    if config.get("model_type") not in KINDS:
        raise WeightError(f"{folder} holds a model of type {config.get('model_type')}: expected {', '.join(KINDS)}")
    preprocessor(folder)
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    if not weights:
        raise WeightError(f"{folder} has no *.safetensors or pytorch_model.bin; copy the weights there")
    sha256 = key("speech encoder", [file_hash(path) for path in weights])
    kind, levels = str(config["model_type"]), int(config.get("num_hidden_layers", 12)) + 1
    return Described(name, kind, levels, int(config.get("hidden_size", 768)), sha256, folder)


def preprocessor(folder: Path) -> dict[str, Any]:
    """What a folder says of the sound it wants; raises InputError where it says nothing, or another rate."""
    found = _json(
        folder,
        "preprocessor_config.json",
        "copy it from where the model comes from: it says at which rate and scale the network reads sound",
    )
    speech.refuse_rate(int(found.get("sampling_rate", speech.RATE)), f"the speech encoder in {folder}")
    return found


def _json(folder: Path, name: str, hint: str) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{folder} has no {name}; {hint}") from None
    except ValueError as error:
        raise WeightError(f"{folder / name} is damaged ({error}); copy it again") from error


def load(found: Described, *, device: str = "cpu") -> Wav2Vec2Backbone:
    """The network of a folder, in evaluation mode; raises WeightError where its weights are others or damaged."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(found.folder, local_files_only=True)
    config.apply_spec_augment, config.layerdrop = False, 0.0  # what is masked or skipped is the training's matter
    try:
        network, loaded = AutoModel.from_pretrained(
            found.folder, config=config, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightError(f"{found.folder} cannot be read as {found.kind} ({error}); copy it again") from error
    if missing := sorted(set(loaded["missing_keys"]) - {"masked_spec_embed"}):
        raise WeightError(f"{found.folder}: its weights lack {missing[0]}; copy it again")
    normalise = bool(preprocessor(found.folder or Path()).get("do_normalize", True))
    made = Wav2Vec2Backbone(network, normalise=normalise, sha256=found.sha256)
    return made.to(resolve(device)).eval()
