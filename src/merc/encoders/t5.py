"""A pretrained T5 from the model hub, for systems that generate their labels.

It is fetched only when asked for; where the hub cannot be reached such a system runs on a small T5 that is randomly
initialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merc.errors import WeightError

_FILES = ("*.json", "*.safetensors", "*.model")


def load(name: str = "t5-base", *, local_only: bool = False) -> tuple[Any, Any]:
    """The model (transformers.T5ForConditionalGeneration, evaluation mode) and its tokenizer.

    ``name``: of a repository on the hub, or a folder. ``local_only``: only what was fetched before. Raises WeightError
    where it is not here and cannot be fetched, or is no T5.
    """
    from pathlib import Path

    from transformers import AutoTokenizer, T5ForConditionalGeneration

    folder = name if Path(name).is_dir() else _fetched(name, local_only=local_only)
    try:
        model = T5ForConditionalGeneration.from_pretrained(folder, local_files_only=True)
        return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise WeightError(
            f"{folder} holds no T5 with its tokenizer ({error}); name another, such as t5-base"
        ) from error


def _fetched(name: str, *, local_only: bool) -> str:
    """The folder of a model of the hub, fetched where it is not here."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return snapshot_download(name, allow_patterns=list(_FILES), local_files_only=local_only)
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise WeightError(
            f"the T5 '{name}' is not here and the hub did not give it ({type(error).__name__}); connect to the hub, "
            "give the folder of a T5 instead, or leave the name out for a small one that is randomly initialised"
        ) from error


def token_sequences(tokenizer: Any, texts: Sequence[Sequence[str]]) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """For each class its label texts as tokens with the end token: what a generator is held to."""
    return tuple(tuple(tuple(tokenizer(text).input_ids) for text in each) for each in texts)
