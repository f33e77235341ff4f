"""Vectors of tuned sentence encoders as features, and the refusal of an encoder that has learned what is tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc.cache import Cache, file_hash, key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.training.features import Feature

if TYPE_CHECKING:
    from merc.encoders.reader import Reading

Progress = Callable[[str, float, float], None]


def shipped() -> dict[str, Path]:
    """The tuned encoders that come with merc, by name."""
    from merc.encoders.reader import SHIPPED

    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def encoded(
    path: Path, conversations: Sequence[Conversation], *, progress: Progress | None = None, threads: int = 1
) -> Feature:
    """The vector of every utterance in its dialogue, made once for the same adapters and words."""
    from merc import weights
    from merc.encoders.reader import DialogueEncoder, Reading, opened

    def make() -> dict[str, np.ndarray]:
        found = DialogueEncoder(path, threads=threads).encode(conversations, progress=progress)
        return {"vectors": np.stack([found[name] for name in ids])}

    ids = [turn.id for one in conversations for turn in one]
    said = [[(turn.speaker, turn.text) for turn in one] for one in conversations]
    made = {"sha256": file_hash(path), "base": weights.WEIGHTS["mpnet"].sha256}
    vectors = Cache().arrays(key("tuned text", made, ids, said), make)["vectors"]
    feature = Feature.of(ids, vectors, source=path.stem, sha256=made["sha256"])
    reading: Reading = Reading(**opened(path)[1])
    learned = {"protocol": reading.protocol, "fold": reading.fold}
    return Feature(feature.source, feature.width, feature.rows, feature.sha256, encoder={**made, **learned})


def beside(features: Sequence[Feature]) -> Feature:
    """Several vectors of an utterance as one: where any is absent, so is the whole."""
    if len(features) == 1:
        return features[0]
    ids = [name for name in features[0].rows if all(name in one.rows for one in features)]
    rows = {name: np.concatenate([one.rows[name] for one in features], -1) for name in ids}
    learned = [dict(part) for one in features for part in _learned(one.encoder)]
    return Feature(
        "+".join(one.source for one in features),
        sum(one.width for one in features),
        rows,
        key([one.sha256 for one in features]),
        tuple(note for one in features for note in one.notes),
        {"parts": learned, "sha256": key([one.sha256 for one in features])},
    )


def refuse_seen(
    features: Mapping[str, Feature], fold: Fold, conversations: Sequence[Conversation], *, corpus: str
) -> None:
    """Raise InputError where an encoder was tuned on dialogues of this corpus that the fold validates or tests on."""
    held = {*fold.valid.conversations, *fold.test.conversations}
    for modality, feature in features.items():
        for part in _learned(feature.encoder):
            if not part["protocol"] or PROTOCOLS[part["protocol"]].corpus != corpus:
                continue
            known = {one.name: one for one in PROTOCOLS[part["protocol"]].folds(conversations)}
            seen = set(known[part["fold"]].train.conversations) & held if part["fold"] in known else set()
            if seen:
                raise InputError(
                    f"{modality} features {feature.source}: their encoder was tuned on the training part of "
                    f"{part['protocol']}, fold {part['fold']}; {len(seen)} of its dialogues are held out here, first "
                    f"'{min(seen)}'; tune an encoder for this fold with 'merc tune'"
                )


def _learned(encoder: Mapping[str, object]) -> list[dict[str, str]]:
    parts = encoder.get("parts")
    if isinstance(parts, list):
        return [dict(one) for one in parts]
    return [{"protocol": str(encoder.get("protocol") or ""), "fold": str(encoder.get("fold") or "")}]
