"""Small random networks of the kinds that backbones load, and a check that nothing is made on the default device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch


@contextmanager
def other_default_device() -> Iterator[None]:
    """Tensors that are made without a device lie on "meta" inside: using one beside real numbers fails."""
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(before)  # None leaves torch 2.6 without any


def mpnet(layers: int = 2):  # type: ignore[no-untyped-def]
    """MPNet with 32 numbers a state."""
    from transformers import MPNetConfig, MPNetModel

    torch.manual_seed(0)
    config = MPNetConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    return MPNetModel(config, add_pooling_layer=False).eval()


class Letters:
    """A tokenizer: a number for each letter."""

    pad_token_id = 1

    def __call__(self, texts, *, truncation: bool = True, max_length: int = 512):  # type: ignore[no-untyped-def]
        rows = [[0, *(5 + ord(sign) % 50 for sign in text), 2][:max_length] for text in texts]
        return {"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]}

    def pad(self, rows, *, return_tensors: str):  # type: ignore[no-untyped-def]
        assert return_tensors == "np"
        longest = max(map(len, rows["input_ids"]))
        mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows["input_ids"]])
        return {
            "input_ids": np.array([row + [1] * (longest - len(row)) for row in rows["input_ids"]]),
            "attention_mask": mask,
        }


def whisper():  # type: ignore[no-untyped-def]
    """The encoder of Whisper with random numbers, and log-mels of a sound."""
    from merc.nn.whisper import WhisperNetwork

    torch.manual_seed(0)

    def mels(wave: np.ndarray, *, padding: int) -> np.ndarray:
        assert padding == 0
        return np.abs(np.random.default_rng(len(wave)).normal(size=(80, len(wave) // 160))).astype(np.float32)

    return WhisperNetwork().eval(), mels


SPEECH = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")


def speech_folder(folder: Path, kind: str = "wav2vec2", *, rate: int = 16_000, width: int = 16) -> Path:
    """A tiny, randomly initialised speech encoder in a folder of the hub's layout: 40 frames a second."""
    import transformers

    prefix = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio"}[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{prefix}Config")(
        hidden_size=width,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_kernel=(40, 20),
        conv_stride=(20, 20),
        num_conv_pos_embeddings=5,
        num_conv_pos_embedding_groups=2,
        conv_pos_kernel_size=5,
        vocab_size=8,
    )
    getattr(transformers, f"{prefix}Model")(config).save_pretrained(folder)
    text = json.dumps({"sampling_rate": rate, "do_normalize": True, "feature_size": 1})
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
    return folder


EMOTION2VEC = """
model: Emotion2vec
model_conf:
    depth: 2
    num_heads: 3
    norm_eps: 1e-05
    encoder_dropout: 0.1
    attention_dropout: 0.1
    embed_dim: 24
    mlp_ratio: 2.0
    layer_norm_first: false
    normalize: true
    modalities:
        audio:
            prenet_depth: 1
            num_extra_tokens: 2
            learned_alibi_scale_per_layer: false
            num_alibi_heads: 3
            feature_encoder_spec: '[(8, 40, 20)] + [(8, 4, 2)] * 2'
            conv_pos_width: 6
            conv_pos_groups: 2
            conv_pos_depth: 2
"""


def emotion2vec_folder(folder: Path, *, prefix: str = "") -> Path:
    """A tiny, randomly initialised emotion2vec laid out as its authors do."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(EMOTION2VEC, encoding="utf-8")
    random = torch.Generator().manual_seed(0)

    def made(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=random)

    audio = "modality_encoders.AUDIO."
    tensors = {f"{audio}extra_tokens": made(1, 2, 24), f"{audio}alibi_scale": torch.full((1, 1, 3, 1, 1), 0.5)}
    for layer, (before, kernel) in enumerate(((1, 40), (8, 4), (8, 4))):
        tensors[f"{audio}local_encoder.conv_layers.{layer}.0.weight"] = made(8, before, kernel)
        tensors |= norm(f"{audio}local_encoder.conv_layers.{layer}.2.1", 8)
    tensors |= norm(f"{audio}project_features.1", 8) | linear(f"{audio}project_features.2", 8, 24, made)
    for layer in (1, 2):
        tensors[f"{audio}relative_positional_encoder.{layer}.0.weight"] = made(24, 12, 3)
        tensors[f"{audio}relative_positional_encoder.{layer}.0.bias"] = made(24)
    tensors |= norm(f"{audio}context_encoder.norm", 24)
    for block in (f"{audio}context_encoder.blocks.0", "blocks.0", "blocks.1"):
        tensors |= norm(f"{block}.norm1", 24) | norm(f"{block}.norm2", 24)
        tensors |= linear(f"{block}.attn.qkv", 24, 72, made) | linear(f"{block}.attn.proj", 24, 24, made)
        tensors |= linear(f"{block}.mlp.fc1", 24, 48, made) | linear(f"{block}.mlp.fc2", 48, 24, made)
    tensors |= linear(f"{audio}decoder.proj", 24, 24, made) | {"_ema": made(1)}  # of pretraining alone
    torch.save({"model": {f"{prefix}{name}": one for name, one in tensors.items()}}, folder / "model.pt")
    return folder


def norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.full((width,), 1.1), f"{name}.bias": torch.full((width,), 0.1)}


def linear(name: str, before: int, behind: int, made) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    return {f"{name}.weight": made(behind, before), f"{name}.bias": made(behind)}
