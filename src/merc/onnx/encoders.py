"""The encoders that can be exported, as modules whose graphs follow any number of tokens, frames and pictures.

Symbols: n items, L tokens, U utterances, S states in time, d numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc import weights
from merc.backbones import mpnet
from merc.backbones.lora import Adapters
from merc.backbones.mpnet_dialogue import BEFORE, LONGEST, WINDOW, Reading, opened
from merc.backbones.mpnet_windows import contextual
from merc.errors import InputError
from merc.features import expression
from merc.features.encoder import ENCODERS
from merc.features.tuned_text import TunedText, shipped
from merc.heads.head import spoken_head
from merc.nn import campplus, whisper
from merc.nn.facenet import CELLS, DIMENSION, EXPRESSION, SIDE, FaceNet
from merc.onnx.encoder import Axis, ExportedEncoder
from merc.runtime.spectra import BINS

CONVERSATION = "conversation-encoder"
"""The encoder of words as ``merc analyze`` reads them: that of the late fusion's card, with numbered speakers."""
LONGEST_TURN = WINDOW - BEFORE
"""Tokens of an utterance that ``merc analyze`` reads."""

_TOKENS = Axis("tokens", (1, "L"), "int64", "numbers of the tokenizer's vocabulary")
_LENGTHS = {1: 2, 2: 9, 3: 40}  # tokens of the examples
_FRAMES = {1: 20, 2: 101, 3: 333}  # hundredths of a second


class Conversation(nn.Module):
    """``tokens (1, L)``, ``owners (1, L)`` of a window to the means of its utterances' tokens ``(1, U, 768)``."""

    def __init__(self, network: Any, context: str) -> None:
        super().__init__()
        self.network, self.context = network, context

    def forward(self, tokens: Tensor, owners: Tensor) -> Tensor:
        """Read a window; its opening token has the owner -1."""
        states = contextual(self.network, tokens, owners, context=self.context)  # (1, L, 768)
        numbers = torch.arange(owners.max() + 1)  # type: ignore[call-overload]  # a number in the graph
        belongs = (owners[:, None] == numbers[None, :, None]).to(states.dtype)  # (1, U, L)
        means: Tensor = belongs @ states / belongs.sum(-1, keepdim=True).clamp_min(1.0)
        return means


class Sentence(nn.Module):
    """``tokens (1, L)`` of a text to the mean of their states, of length one: ``(1, 768)``."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """Read a text, its two special tokens included."""
        states = contextual(self.network, tokens, torch.zeros_like(tokens), context="both")
        return F.normalize(states.mean(1), dim=-1)


class Statistics(nn.Module):
    """``mels (1, 80, frames)`` to mean and standard deviation over time of hidden layers, end to end ``(1, d)``.

    Args:
        network: The encoder.
        first: The first state that is read.
        layers: Layers that run.
    """

    def __init__(self, network: whisper.WhisperNetwork, *, first: int, layers: int) -> None:
        super().__init__()
        self.network, self.first, self.layers = network, first, layers

    def forward(self, mels: Tensor) -> Tensor:
        """Read a sound."""
        states = self.network(mels, layers=self.layers)[:, self.first :]  # (1, states, S, 512)
        return torch.stack([states.mean(2), states.std(2, correction=0)], 2).flatten(1)


class Speaker(nn.Module):
    """``bins (n, frames, 80)`` minus their mean over time to embeddings ``(n, 192)``."""

    def __init__(self, network: campplus.CamPlus) -> None:
        super().__init__()
        self.network = network

    def forward(self, bins: Tensor) -> Tensor:
        """Read sounds of one length, of three states or more."""
        states = self.network.states(bins)  # (n, 512, S)
        mean = states.mean(-1, keepdim=True)
        variance = (states - mean).square().sum(-1) / (states.shape[-1] - 1)
        return self.network.projected(torch.cat([mean.squeeze(2), variance.sqrt()], 1))


class Faces(nn.Module):
    """``pictures (n, 160, 160, 3)`` uint8 to what FaceNet sees: "cells", "embedding" or "expression" ``(n, d)``."""

    def __init__(self, network: FaceNet, output: str) -> None:
        super().__init__()
        self.network, self.output = network, output

    def forward(self, pictures: Tensor) -> Tensor:
        """Read upright pictures."""
        middle = self.network.middle_maps(pictures)
        if self.output == "cells":
            return self.network.pooled(middle)
        return self.network.outputs_of(middle)[self.output == "expression"]


def _tokens(size: int) -> tuple[Tensor]:
    random = torch.Generator().manual_seed(size)
    return (torch.randint(5, 30_000, (1, _LENGTHS[size]), generator=random),)


def _window(size: int) -> tuple[Tensor, Tensor]:
    (tokens,) = _tokens(size)
    owners = torch.arange(tokens.shape[1]) // 9  # utterances of nine tokens
    owners[0] = -1
    return tokens, owners[None]


def _mels(size: int) -> tuple[Tensor]:
    return (torch.randn(1, BINS, _FRAMES[size], generator=torch.Generator().manual_seed(size)),)


def _bins(size: int) -> tuple[Tensor]:
    return (torch.randn(size, _FRAMES[size], BINS, generator=torch.Generator().manual_seed(size)) * 3,)


def _pictures(size: int) -> tuple[Tensor]:
    shape, random = (size, SIDE, SIDE, 3), torch.Generator().manual_seed(size)
    return (torch.randint(256, shape, generator=random, dtype=torch.uint8),)


def _of_conversations(name: str, encoder: TunedText, *, naming: str, longest: int) -> ExportedEncoder:
    """MPNet with the adapters of an encoder."""
    values, read = opened(encoder.path)
    reading = Reading(**read)
    return ExportedEncoder(
        name=name,
        module=Conversation(mpnet.pretrained(Adapters(values, source=encoder.path)), reading.context),
        inputs=(_TOKENS, Axis("owners", (1, "L"), "int64", "utterance of each token from 0; -1: it opens the window")),
        output=(1, "U", 768),
        example=_window,
        reads="conversation",
        description=encoder.describe(),
        licence=encoder.licence,
        settings={
            "speakers": naming,
            "context": reading.context,
            "longest": longest,
            "window": WINDOW,
            "before": BEFORE,
        },
        files=_tokenizer(),
    )


def _tokenizer() -> dict[str, Any]:
    return {"tokenizer.json": weights.path("mpnet") / "tokenizer.json"}


def _analysed() -> ExportedEncoder:
    """The encoder that the card of the late fusion names, as an analysis uses it."""
    head = spoken_head()
    if head is None:
        raise InputError(f"{CONVERSATION}: the card of the late fusion names no encoder; export mpnet")
    return _of_conversations(CONVERSATION, TunedText(head.path), naming="number", longest=LONGEST_TURN)


def _tuned(name: str) -> ExportedEncoder:
    """A shipped encoder, as ``merc prepare`` uses it."""
    encoder = TunedText(shipped()[name])
    return _of_conversations(name, encoder, naming=encoder.reading.speakers, longest=LONGEST)


def _sentences(name: str) -> ExportedEncoder:
    encoder = ENCODERS[name](precision="float32")
    return ExportedEncoder(
        name=name,
        module=Sentence(mpnet.pretrained()),
        inputs=(_TOKENS,),
        output=(1, 768),
        example=_tokens,
        reads="text",
        description=encoder.describe(),
        licence=encoder.licence,
        settings={"longest": mpnet.MAX_TOKENS},
        files=_tokenizer(),
    )


def _statistics(name: str, *, first: int, layers: int) -> ExportedEncoder:
    encoder = ENCODERS[name]()
    return ExportedEncoder(
        name=name,
        module=Statistics(whisper.load(), first=first, layers=layers),
        inputs=(Axis("mels", (1, BINS, "F"), "float32", "log-mel spectrogram of Whisper, 10 ms each"),),
        output=(1, encoder.width),
        example=_mels,
        reads="sound",
        description=encoder.describe(),
        licence=encoder.licence,
        settings={"rate": expression.RATE, "shortest": expression.RATE // 5, "longest": 30 * expression.RATE},
    )


def _speaker(name: str) -> ExportedEncoder:
    encoder = ENCODERS[name]()
    return ExportedEncoder(
        name=name,
        module=Speaker(campplus.load()),
        inputs=(Axis("bins", ("n", "F", BINS), "float32", "log filter banks of Kaldi minus their mean, 10 ms each"),),
        output=("n", encoder.width),
        example=_bins,
        reads="voice",
        description=encoder.describe(),
        licence=encoder.licence,
        settings={"rate": expression.RATE, "multiple": 10, "shortest": campplus.SHORTEST, "longest": 1000},
    )


def _faces(name: str, *, output: str, width: int) -> ExportedEncoder:
    encoder = ENCODERS[name]()
    return ExportedEncoder(
        name=name,
        module=Faces(FaceNet.load(bfloat16=False), output),
        inputs=(Axis("pictures", ("n", SIDE, SIDE, 3), "uint8", "RGB; cut as merc.features.face does"),),
        output=("n", width),
        example=_pictures,
        reads="face",
        description=encoder.describe(),
        licence=encoder.licence,
        settings={"crop": encoder.crop},
    )


_MAKERS: Mapping[str, Callable[[str], ExportedEncoder]] = {
    CONVERSATION: lambda name: _analysed(),
    "mpnet": _sentences,
    "whisper-base-middle": partial(_statistics, first=1, layers=expression.LAYERS),
    "whisper-base-statistics": partial(_statistics, first=0, layers=whisper.LAYERS),
    "campplus": _speaker,
    "facenet-cells": partial(_faces, output="cells", width=CELLS),
    "facenet": partial(_faces, output="embedding", width=DIMENSION),
    "facenet-expression": partial(_faces, output="expression", width=EXPRESSION),
}


def names() -> tuple[str, ...]:
    """Encoders that can be exported: that of ``merc analyze`` for words, and names of ``merc prepare``."""
    return (*_MAKERS, *shipped())


def exported(name: str) -> ExportedEncoder:
    """An encoder by its name.

    Raises:
        InputError: For one that cannot be exported.
        WeightError: For a weight that is absent.
    """
    if name in shipped():
        return _tuned(name)
    if name not in _MAKERS:
        raise InputError(f"encoder '{name}' cannot be exported; expected one of {', '.join(names())}")
    return _MAKERS[name](name)
