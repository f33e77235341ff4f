"""Fine-tuned text encoders as features: vectors of utterances in their dialogue, with what the encoders learned from.

An encoder that was trained on dialogues must not give features to a fold that validates or tests on them: see
`merc.training.material.refuse_in_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import paths, reading
from merc.cache import Cache, file_hash, key
from merc.conversation import Conversation
from merc.errors import FormatError, InputError
from merc.features.encoder import Encoder
from merc.features.feature import Feature
from merc.progress import Progress

if TYPE_CHECKING:
    from merc.backbones.mpnet_dialogue import DialogueEncoder, Reading

TOKENS = "-tokens"
"""Suffix of an encoder's name: the state of each token instead of one vector per utterance."""


def shipped() -> dict[str, Path]:
    """The fine-tuned encoders shipped with merc, by name."""
    return {path.stem: path for path in sorted(paths.SHIPPED_ENCODERS.glob("*.safetensors"))}


class TunedText(Encoder):
    """MPNet with the adapters of a file, which reads utterances in the context of their conversation.

    Args:
        path: File of adapters.
        tokens: Whether the state of each token is returned instead of one vector per utterance.
        device: Where it runs; see `merc.nn.device.resolve`.
        threads: CPU threads for torch while it encodes.
    """

    modality = "text"
    input = "dialogue"
    shape = (768,)
    weights = ("mpnet",)

    def __init__(self, path: Path, *, tokens: bool = False, device: str = "cpu", threads: int = 1) -> None:
        self.path = path
        self.name = f"{path.stem}{TOKENS if tokens else ''}"
        self.sequence = self.half = tokens
        title = self.card.get("title", "MPNet with adapters, without a card")
        self.summary = f"{title}{': the state of each token' if tokens else ''}."
        super().__init__(device=device, threads=threads)

    @cached_property
    def card(self) -> dict[str, Any]:
        """The card beside the file; empty where there is none."""
        path = self.path.with_suffix(".json")
        try:
            return reading.json_object(path) if path.exists() else {}
        except reading.Unreadable as error:
            raise FormatError(
                f"{path}: {error}; expected the card that 'merc train' wrote beside {self.path.name}"
            ) from error

    @property
    def licence(self) -> str:
        """The terms of MPNet and of the adapters, by their card."""
        return f"{super().licence}; adapters: {self.card.get('licence', 'unknown, they have no card')}"

    @cached_property
    def reading(self) -> Reading:
        """How the adapters read dialogues, and on what they were trained."""
        from merc.backbones.mpnet_dialogue import Reading, opened

        return Reading(**opened(self.path)[1])

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Hashes of the file and of MPNet's weights."""
        from merc.weights import WEIGHTS

        return {"sha256": file_hash(self.path), "base": WEIGHTS["mpnet"].sha256}

    def describe(self) -> dict[str, Any]:
        """File, hashes, width, output, and the protocol, fold and seed on whose training part it was trained."""
        learned = {name: getattr(self.reading, name) for name in ("protocol", "fold", "seed")}
        output = {"output": "tokens"} if self.sequence else {}
        return {"encoder": self.path.stem, **self.hashes, "width": self.width, **output, **learned}

    @cached_property
    def _encoder(self) -> DialogueEncoder:
        from merc.backbones import mpnet_dialogue

        return mpnet_dialogue.DialogueEncoder(self.path, threads=self.threads, device=self.device)

    def encode(self, batch: Sequence[Conversation], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Encode conversations: one array per utterance, in reading order.

        Args:
            batch: Conversations; utterances without words are read as an ellipsis.
            progress: Called with a stage, the utterances done and all utterances.

        Returns:
            ``(768,)`` float32 each, or for tokens ``(tokens, 768)`` float16.

        Raises:
            WeightError: the weight 'mpnet' is absent.
        """
        encode = self._encoder.encode_tokens if self.sequence else self._encoder.encode
        found = encode(batch, progress=progress)
        return [found[turn.id] for one in batch for turn in one]


def encoded(
    path: Path,
    conversations: Sequence[Conversation],
    *,
    tokens: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Feature:
    """The vector of every utterance in its dialogue, or the states of its tokens; cached for the same words."""
    encoder = TunedText(path, tokens=tokens, device=device)

    def make() -> dict[str, np.ndarray]:
        rows = encoder.encode(conversations, progress=progress)
        if not tokens:
            return {"vectors": np.stack(rows)}
        return {"vectors": np.concatenate(rows), "ends": np.cumsum([len(row) for row in rows])}

    ids = [turn.id for one in conversations for turn in one]
    words = [[(turn.speaker, turn.text) for turn in one] for one in conversations]
    made = encoder.hashes
    found = Cache().arrays(key("tuned tokens" if tokens else "tuned text", made, ids, words), make)
    values = np.split(found["vectors"], found["ends"][:-1]) if tokens else found["vectors"]
    reading = encoder.reading
    return Feature(
        encoder.name,
        found["vectors"].shape[1],
        {name: row.astype(np.float32) for name, row in zip(ids, values, strict=True)},
        key(made, TOKENS) if tokens else made["sha256"],
        encoder={**made, "protocol": reading.protocol, "fold": reading.fold, "seed": reading.seed},
    )


def beside(features: Sequence[Feature]) -> Feature:
    """Several vectors of an utterance concatenated; absent where any of them is absent.

    Raises InputError for a sequence, whose steps are not those of another.
    """
    if len(features) == 1:
        return features[0]
    _refuse_sequences(features)
    content = key([one.sha256 for one in features])
    return Feature(
        "+".join(one.source for one in features),
        sum(one.width for one in features),
        _concatenated([one.rows for one in features]),
        content,
        tuple(chain.from_iterable(one.notes for one in features)),
        {"parts": list(chain.from_iterable(trained_on(one.encoder) for one in features)), "sha256": content},
    )


def _refuse_sequences(features: Sequence[Feature]) -> None:
    for one in features:
        if one.sequence:
            raise InputError(f"features {one.source} are sequences and cannot be concatenated; name one source alone")


def _concatenated(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The vectors of utterances that all have, end to end."""
    ids = [name for name in rows[0] if all(name in one for one in rows)]
    return {name: np.concatenate([one[name] for one in rows], -1) for name in ids}


def averaged(features: Sequence[Feature]) -> Feature:
    """The mean direction of several vectors of an utterance, for encoders that were fine-tuned from one start.

    Absent where any of them is absent. Raises InputError for a sequence, and for vectors of different widths.
    """
    if len(features) == 1:
        return features[0]
    joined = beside(features)
    if unlike := [f"{one.source} ({one.width})" for one in features if one.width != features[0].width]:
        raise InputError(f"no mean of {features[0].source} ({features[0].width}) and {unlike[0]}: they differ in width")
    rows = {}
    for name in joined.rows:
        vectors = np.stack([one.rows[name] for one in features])
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        rows[name] = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).mean(0)
    return replace(
        joined,
        source="~".join(one.source for one in features),
        width=features[0].width,
        rows=rows,
        sha256=key("mean", joined.sha256),
    )


def trained_on(encoder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Protocol, fold and seed of each encoder behind a feature; the protocol is empty where it learned no dialogues."""
    if "parts" in encoder:
        return [dict(one) for one in encoder["parts"]]
    return [{name: encoder.get(name, usual) for name, usual in (("protocol", ""), ("fold", ""), ("seed", 0))}]
