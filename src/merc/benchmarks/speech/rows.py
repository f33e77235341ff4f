"""The rows of ``merc bench speech``: one entry a row; the first one of a protocol is what the others are compared with.

To add a row, name a system, a protocol and what differs from the system's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merc.systems import Published


@dataclass(frozen=True, slots=True)
class SpeechRow:
    """A row of the table."""

    name: str
    """What the table calls it; one name a protocol."""
    system: str
    """A name from ``merc systems``."""
    protocol: str
    """A name from ``merc protocols``; of dimensions and ranks too."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the system."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Changes of its recipe."""
    features: str | None = None
    """As on the command line; None: the usual ones of the system."""
    modalities: tuple[str, ...] = ("voice",)
    """What it reads."""
    published: Published | None = None
    """The figure of its source; None: what the system's description says of the protocol."""
    note: str = ""
    """What a reader must know, such as that a row is transductive; it is then not compared with published figures."""
    metric: str | None = None
    """Of values: what the row is measured by, such as "kendall_tau"; None: the protocol's metric."""


_MEAN: Mapping[str, Any] = {"aggregator": "mean"}
_FROZEN: Mapping[str, Any] = {"batch": 128}
_OWN: Mapping[str, Any] = {**_FROZEN, "per_speaker": "voice"}
_SEEN = "transductive: each speaker's features are standardised by all utterances of that speaker, test speakers too"
_ALL: Mapping[str, Any] = {"layer": "all", "backend": "mlp", "dropout": 0.5}
_TOP: Mapping[str, Any] = {**_MEAN, "tuning": "top-k", "top": 1, "rate": 0.1}
_TUNED: Mapping[str, Any] = {"batch": 16, "epochs": 3}
_STATISTICS = "voice=whisper-base-statistics"
_STEADY: Mapping[str, Any] = {"batch": 128, "epochs": 10, "patience": 3, "learning_rate": 3e-4}
_PLAIN: Mapping[str, Any] = {"weight": 0.0, "base_options": {"dropout": 0.5}}
_REVERSED: Mapping[str, Any] = {**_PLAIN, "weight": 1.0}
_BY: Mapping[str, Any] = {**_STEADY, "per_speaker": "voice"}


def _grid(protocol: str) -> tuple[SpeechRow, ...]:
    """Card 4: layers, aggregators and back ends over a frozen encoder."""
    rows: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "frozen, sum of layers, mean": (_MEAN, _FROZEN),
        **{f"frozen, layer {n}, mean": ({**_MEAN, "layer": n}, _FROZEN) for n in range(7)},
        "frozen, all layers, mean": ({**_MEAN, "layer": "all"}, _FROZEN),
        "frozen, all layers, mean and sd": ({"layer": "all"}, _FROZEN),
        "frozen, all layers, mean and sd, MLP": (_ALL, _FROZEN),
        "frozen, layer 3, mean and sd": ({"layer": 3}, _FROZEN),
        "frozen, layer 3, mean and sd, MLP": ({"layer": 3, "backend": "mlp", "dropout": 0.5}, _FROZEN),
        "frozen, layer 3, attentive": ({"layer": 3, "aggregator": "attentive"}, {}),
        "frozen, layer 3, ECAPA": ({"layer": 3, "aggregator": "ecapa"}, {}),
    }
    return tuple(SpeechRow(name, "speech", protocol, *chosen) for name, chosen in rows.items())


def _normalised(protocol: str) -> tuple[SpeechRow, ...]:
    """Card 8: the gradient reversed, features by speaker, and both."""
    rows = {
        "statistics, plain": (_PLAIN, _STEADY, ""),
        "statistics, reversed gradient, TAP": (_REVERSED, _STEADY, ""),
        "statistics, reversed gradient, SNP": ({**_REVERSED, "strategy": "snp"}, _STEADY, ""),
        "statistics, by speaker": (_PLAIN, _BY, _SEEN),
        "statistics, reversed gradient, by speaker": (_REVERSED, _BY, _SEEN),
    }
    few = {n: f"transductive: features standardised by {n} utterances of a test speaker" for n in (1, 2, 5, 10)}
    rows |= {f"statistics, {n} known": (_PLAIN, {**_BY, "speaker_known": n}, note) for n, note in few.items()}
    return tuple(
        SpeechRow(name, "speaker_normal", protocol, options, training, _STATISTICS, note=note)
        for name, (options, training, note) in rows.items()
    )


def _styles(features: str, name: str) -> tuple[SpeechRow, ...]:
    """Card 19: a speaker embedding, flat and in two stages."""
    stages = {"flat": {}, "hierarchical": {"hierarchical": True}}
    return tuple(
        SpeechRow(f"{name}, {stage}", "speaker_style", "nemo-speaker", options, features=features)
        for stage, options in stages.items()
    )


_BOTH = ("text", "voice")
_IN_DIALOGUE = "in its dialogue"


def _ranks(protocol: str, modalities: tuple[str, ...], features: str | None = None) -> list[SpeechRow]:
    """RankList against the other losses of the same scorer."""
    losses = ("ranklist", "ranknet", "listnet", "listmle", "ccc", "mse")
    return [
        SpeechRow(loss, "ranklist", protocol, {"loss": loss}, features=features, modalities=modalities)
        for loss in losses
    ]


_WORDS = "voice=whisper-base-50hz,text=words"
_ALIGNED: Mapping[str, Any] = {"words": True, "frames": 5, "frame_width": 64, "state": 48, "attention_width": 32}
_SHORT: Mapping[str, Any] = {"epochs": 15, "patience": 3, "learning_rate": 2e-3}
_SPOKEN = "voice=whisper-base-50hz,text=mpnet-words"
_EMBEDDED = "voice=campplus,text=mpnet-words"
_BLOCK: Mapping[str, Any] = {"text_width": 128}
_STATIC = 1500  # frames of 20 ms: more than any utterance has, so that their mean is one vector
_FEW: Mapping[str, Any] = {"epochs": 15, "patience": 3, "learning_rate": 1e-3}


def _words(name: str, modalities: tuple[str, ...] = _BOTH, **options: Any) -> SpeechRow:
    return SpeechRow(name, "word_alignment", "nemo-speaker", {**_ALIGNED, **options}, _SHORT, _WORDS, modalities)


def _mamba(name: str, features: str = _SPOKEN, **options: Any) -> SpeechRow:
    return SpeechRow(f"Mamba, words and {name}", "mamba", "nemo-speaker", {**_BLOCK, **options}, _FEW, features, _BOTH)


ROWS: tuple[SpeechRow, ...] = (
    *_grid("speech4"),
    SpeechRow("by speaker, sum of layers, mean", "speech", "speech4", _MEAN, _OWN, note=_SEEN),
    SpeechRow("by speaker, all layers, mean and sd, MLP", "speech", "speech4", _ALL, _OWN, note=_SEEN),
    *_grid("ravdess-speaker"),
    SpeechRow("last layer tuned, sum of layers, mean", "speech", "ravdess-speaker", _TOP, _TUNED),
    SpeechRow("bridge tokens", "bridge_tokens", "iemocap-dimensions:speaker", modalities=_BOTH),
    SpeechRow("concatenation", "concat", "iemocap-dimensions:speaker", modalities=_BOTH),
    SpeechRow(f"Mamba, {_IN_DIALOGUE}", "mamba_dialogue", "iemocap-dimensions:speaker", modalities=_BOTH),
    *_ranks("iemocap-ranks", _BOTH),
    *_ranks("meld-sentiment", ("text",)),
    *_ranks("valence-cross:meld", ("text",), "text=mpnet"),
    *_ranks("valence-cross:iemocap", ("text",), "text=mpnet"),
    *_normalised("speech-cross"),
    *_normalised("speech4"),
    *_styles("voice=campplus", "CAM++"),
    *_styles("voice=runs/style-encoder/{corpus}:style", "style tokens"),
    _words("pooled speech and words, without alignment", fusion="concat"),
    _words("speech aligned to words"),
    _words("speech alone", ("voice",)),
    _words("words alone", ("text",)),
    _mamba("speaker embedding", _EMBEDDED),
    _mamba("mean of frames", frames=_STATIC),
    _mamba("a frame for each word"),
    _mamba("10 frames a second", along="voice", frames=5),
    _mamba("50 frames a second", along="voice"),
)
"""Every row, in the order of the tables."""
