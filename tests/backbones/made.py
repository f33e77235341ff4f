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
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


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
