"""A pretrained T5 from the model hub, for systems that read words and generate their labels.

It is fetched on first use; where the hub cannot be reached such a system runs on a small T5 that is randomly
initialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones.backbone import Backbone, Inputs, States
from merc.cache import file_hash, key
from merc.errors import WeightError
from merc.nn.device import resolve

_FILES = ("*.json", "*.safetensors", "*.model")


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a T5 before its weights are read: its configuration, its tokenizer, the hash of its weights."""

    folder: Path
    config: Any
    tokenizer: Any
    sha256: str


def load(name: str = "t5-base", *, local_only: bool = False) -> tuple[Any, Any]:
    """The model (transformers.T5ForConditionalGeneration, evaluation mode) and its tokenizer.

    ``name``: of a repository on the hub, or a folder. ``local_only``: only what was fetched before. Raises WeightError
    where it is not available and cannot be fetched, or is not a T5.
    """
    from transformers import T5ForConditionalGeneration

    known = described(name, local_only=local_only)
    try:
        model, found = T5ForConditionalGeneration.from_pretrained(
            known.folder, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _no_t5(known.folder, str(error)) from error
    if missing := sorted(found["missing_keys"]):
        raise _no_t5(known.folder, f"its weights lack {missing[0]}")
    return model.eval(), known.tokenizer


@lru_cache(maxsize=4)
def described(name: str, *, local_only: bool = False) -> Described:
    """The sizes and the tokenizer of a T5, read once a process; ``name`` and errors as for ``load``."""
    from safetensors import SafetensorError, safe_open
    from transformers import AutoConfig, AutoTokenizer

    folder = Path(name) if Path(name).is_dir() else Path(_fetched(name, local_only=local_only))
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        weights = sorted(folder.glob("*.safetensors"))
        for path in weights:
            with safe_open(path, framework="numpy"):
                pass  # a file that was cut is refused here
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _no_t5(folder, str(error)) from error
    if config.model_type != "t5" or not weights:
        raise _no_t5(folder, "no *.safetensors" if not weights else f"a model of type {config.model_type}")
    return Described(folder, config, tokenizer, key("t5", [file_hash(path) for path in weights]))


def _no_t5(folder: Path, reason: str) -> WeightError:
    return WeightError(f"{folder} holds no T5 with its tokenizer ({reason}); name another, such as t5-base")


def _fetched(name: str, *, local_only: bool) -> str:
    """The folder of a model of the hub, fetched where it is not available."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return snapshot_download(name, allow_patterns=list(_FILES), local_files_only=local_only)
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise WeightError(
            f"the T5 '{name}' is not available and could not be fetched from the hub ({type(error).__name__}); "
            "connect to the hub, name the folder of a T5, or leave the name out for a small, randomly initialised one"
        ) from error


def token_sequences(tokenizer: Any, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Each text as tokens without the end token."""
    return tuple(tuple(tokenizer(text, add_special_tokens=False).input_ids) for text in texts)


def token_rows(tokenizer: Any, texts: Sequence[str], *, longest: int) -> tuple[np.ndarray, int]:
    """Texts as rows of token numbers ``(n, K)``, 0 behind the last, and how many were cut at ``longest`` tokens."""
    found = [list(tokenizer(text).input_ids) for text in texts]
    width = min(longest, max(map(len, found), default=1))
    rows = np.zeros((len(found), width), dtype=np.int64)
    for row, tokens in zip(rows, found, strict=True):
        row[: len(tokens)] = tokens[:width]
    return rows, sum(len(tokens) > longest for tokens in found)


@dataclass(frozen=True, slots=True)
class Words(Inputs):
    """Token numbers of texts ``(B, S)`` int64, and ``mask (B, S)`` bool of the real ones."""

    numbers: Tensor
    mask: Tensor


class T5Encoder(Backbone[str]):
    """The encoder of a T5 behind the contract of backbones; make it with `pretrained`.

    Args:
        network: transformers' T5ForConditionalGeneration or T5EncoderModel.
        tokenizer: Its tokenizer.
        longest: Most tokens of a text; the rest of a longer one is cut off.
        sha256: Hash of the weights.
    """

    name = "t5"
    adapted = ("q", "k", "v", "o")

    def __init__(self, network: Any, tokenizer: Any, *, longest: int = 512, sha256: str = "") -> None:
        super().__init__(network.get_encoder(), sha256=sha256)
        self.tokenizer, self.longest = tokenizer, longest

    @classmethod
    def pretrained(cls, name: str = "t5-base", *, local_only: bool = False, device: str = "cpu") -> T5Encoder:
        """A T5 from the model hub or a folder, in evaluation mode; name and errors as for `load`."""
        model, tokenizer = load(name, local_only=local_only)
        made = cls(model, tokenizer, sha256=described(name, local_only=local_only).sha256)
        return made.to(resolve(device)).eval()

    def prepare(self, raw: Sequence[str]) -> Words:
        """Token numbers of texts, padded with 0 to the longest."""
        rows = [list(self.tokenizer(text).input_ids)[: self.longest] for text in raw]
        numbers = np.zeros((len(rows), max(map(len, rows), default=0)), np.int64)
        mask = np.zeros(numbers.shape, bool)
        for row, tokens in enumerate(rows):
            numbers[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
        return Words(torch.from_numpy(numbers), torch.from_numpy(mask))

    def forward(self, inputs: Words) -> States:
        """States of tokens: values ``(B, S, d)``."""
        own = inputs.to(self.device)
        with torch.device(self.device):
            states = self.network(input_ids=own.numbers, attention_mask=own.mask.long()).last_hidden_state
        return States(states, own.mask)

    def layers(self) -> Sequence[nn.Module]:
        """The transformer blocks."""
        found: Any = self.network
        return list(found.block)
