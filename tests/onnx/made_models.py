"""Small models for the tests of the export and of the runtime."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from merc.onnx import encoders
from merc.onnx.encoder import Axis, ExportedEncoder
from merc.onnx.folder import Exported, Input
from merc.onnx.systems import Dense
from merc.systems import SYSTEMS

LABELS = ("joy", "neutral", "sadness")


def concat(**more: object) -> Exported:
    """An untrained system of text and voice; the voice is normalised."""
    torch.manual_seed(0)
    system = SYSTEMS["concat"]({"text": 5, "voice": 3}, len(LABELS)).eval()
    scaling = {"mean": [1.0, 2.0, 3.0], "deviation": [2.0, 1.0, 0.5], "limit": 5.0}
    inputs = [Input("text", 5, needed=True), Input("voice", 3, needed=False, normalisation=scaling)]
    values = {"temperature": 1.5, "bias": (0.1, 0.0, -0.1), **more}
    return Exported(Dense(system), "dialogue", inputs, LABELS, {"name": "concat"}, **values)  # type: ignore[arg-type]


class Counting(nn.Module):
    """A loop over the utterances, whose length a graph cannot follow."""

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(1, T, 3)``: sums so far."""
        sums, total = [], torch.zeros(3)
        for place in range(int(speakers.shape[1])):
            total = total + tensors[0][0, place, :3]
            sums.append(total)
        return torch.stack(sums)[None]


class Failing(nn.Module):
    """A model that torch cannot trace."""

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(1, T, 3)``."""
        raise RuntimeError("the operator 'made_up' does not exist\nand a second line")


WORDS = ["speaker", "1", "2", "3", ":", ".", "it", "is", "so", "good", "bad", "not", "and", "but", "why"]


def tokenizer(folder: Path) -> Path:
    """A tokenizer of a few words, with the special tokens of MPNet."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    numbers = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | {word: 5 + place for place, word in enumerate(WORDS)}
    own = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    own.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


class Random(nn.Module):
    """Vectors as wide as an encoder's, by a random map of means."""

    def __init__(self, wide: int, width: int, reads: str) -> None:
        super().__init__()
        torch.manual_seed(width)
        self.map, self.words, self.reads = nn.Linear(wide, width), nn.Embedding(64, wide), reads

    def forward(self, first: Tensor, owners: Tensor | None = None) -> Tensor:
        """Means of tokens, of a spectrogram or of pictures, mapped."""
        if self.reads == "face":
            return self.map(first.float().flatten(1, 2).mean(1) / 255) * 3
        if self.reads == "sound":
            return self.map(first.mean(2))
        if owners is None:
            return self.map(self.words(first % 64).mean(1))
        belongs = (owners[:, None] == torch.arange(owners.max() + 1)[None, :, None]).float()  # type: ignore[call-overload]
        means: Tensor = self.map(belongs @ self.words(first % 64) / belongs.sum(-1, keepdim=True))
        return means


def random_encoder(name: str, words: Path) -> ExportedEncoder:
    """A small stand-in for an encoder of an analysis, as wide as it."""
    wide, width, reads, axes, example = {
        "conversation-encoder": (8, 768, "conversation", ("tokens", "owners"), encoders._window),
        "mpnet": (8, 768, "text", ("tokens",), encoders._tokens),
        "whisper-base-middle": (80, 5120, "sound", ("mels",), encoders._mels),
        "facenet-cells": (3, 14336, "face", ("pictures",), encoders._pictures),
    }[name]
    free = {"sound": (1, 80, "F"), "face": ("n", 160, 160, 3)}
    settings = {"speakers": "number", "context": "past", "longest": 20, "window": 60, "before": 20}
    return ExportedEncoder(
        name=name,
        module=Random(wide, width, reads),
        inputs=tuple(Axis(one, free.get(reads, (1, "L")), "any", "any") for one in axes),
        output=(1, width),
        example=example,
        reads=reads,
        description={"encoder": name},
        licence=f"terms of {name}",
        settings={**settings, "shortest": 3200} if reads != "sound" else {"shortest": 3200, "longest": 480_000},
        files={"tokenizer.json": words} if reads in ("conversation", "text") else {},
    )
