"""Vectors of tuned sentence encoders as features, and the refusal of an encoder that has learned what is tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import Cache, file_hash, key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.features.feature import Feature
from merc.progress import Progress

if TYPE_CHECKING:
    from merc.backbones.mpnet_dialogue import Reading


TOKENS = "-tokens"
"""Behind the name of an encoder: the state of each token instead of one vector an utterance."""


def shipped() -> dict[str, Path]:
    """The tuned encoders that come with merc, by name."""
    from merc.paths import SHIPPED_ENCODERS

    return {path.stem: path for path in sorted(SHIPPED_ENCODERS.glob("*.safetensors"))}


def encoded(
    path: Path, conversations: Sequence[Conversation], *, tokens: bool = False, progress: Progress | None = None
) -> Feature:
    """The vector of every utterance in its dialogue, or the states of its tokens; made once for the same words."""
    from merc import weights
    from merc.backbones.mpnet_dialogue import DialogueEncoder, Reading, opened

    def make() -> dict[str, np.ndarray]:
        encoder = DialogueEncoder(path)
        found = (encoder.encode_tokens if tokens else encoder.encode)(conversations, progress=progress)
        rows = [found[name] for name in ids]
        if not tokens:
            return {"vectors": np.stack(rows)}
        return {"vectors": np.concatenate(rows), "ends": np.cumsum([len(row) for row in rows])}

    ids = [turn.id for one in conversations for turn in one]
    said = [[(turn.speaker, turn.text) for turn in one] for one in conversations]
    made = {"sha256": file_hash(path), "base": weights.WEIGHTS["mpnet"].sha256}
    found = Cache().arrays(key("tuned tokens" if tokens else "tuned text", made, ids, said), make)
    values = np.split(found["vectors"], found["ends"][:-1]) if tokens else found["vectors"]
    reading: Reading = Reading(**opened(path)[1])
    return Feature(
        f"{path.stem}{TOKENS if tokens else ''}",
        found["vectors"].shape[1],
        {name: row.astype(np.float32) for name, row in zip(ids, values, strict=True)},
        key(made, TOKENS) if tokens else made["sha256"],
        encoder={**made, "protocol": reading.protocol, "fold": reading.fold, "seed": reading.seed},
    )


def beside(features: Sequence[Feature]) -> Feature:
    """Several vectors of an utterance as one: where any is absent, so is the whole.

    Raises InputError for a sequence, whose steps are not those of another.
    """
    if len(features) == 1:
        return features[0]
    if long := [one.source for one in features if any(row.ndim > 1 for row in one.rows.values())]:
        raise InputError(f"features {long[0]} are sequences and cannot stand beside others; name one source alone")
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


def averaged(features: Sequence[Feature]) -> Feature:
    """The mean direction of several vectors of an utterance, for encoders that were tuned from one start.

    Where any is absent, so is the mean. Raises InputError for a sequence, and for vectors of different widths.
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


def refuse_seen(
    features: Mapping[str, Feature], fold: Fold, conversations: Sequence[Conversation], *, corpus: str
) -> None:
    """Raise InputError where an encoder was tuned on dialogues of this corpus that the fold validates or tests on."""
    held = {*fold.valid.conversations, *fold.test.conversations}
    for modality, feature in features.items():
        for part in _learned(feature.encoder):
            if not part["protocol"] or PROTOCOLS[part["protocol"]].corpus != corpus:
                continue
            known = {one.name: one for one in PROTOCOLS[part["protocol"]].folds(conversations, seed=part["seed"])}
            seen = set(known[part["fold"]].train.conversations) & held if part["fold"] in known else set()
            if seen:
                learned = f"{part['protocol']}, fold {part['fold']}, seed {part['seed']}"
                raise InputError(
                    f"{modality} features {feature.source}: their encoder was tuned on the training part of {learned}; "
                    f"{len(seen)} of its dialogues are held out here, first '{min(seen)}'; tune an encoder for this "
                    "fold and seed with 'merc tune'"
                )


def _learned(encoder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Protocol, fold and seed of each encoder behind a feature; an empty protocol where it learned no dialogues."""
    if "parts" in encoder:
        return [dict(one) for one in encoder["parts"]]
    return [{name: encoder.get(name, usual) for name, usual in (("protocol", ""), ("fold", ""), ("seed", 0))}]
