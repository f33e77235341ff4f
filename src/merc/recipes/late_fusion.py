"""How the heads are weighed against each other in conversation: fitted on MELD's words and on corpora left out.

With y a label and x the logits of the text head, p_t(y) = softmax(x / T + b) is fitted on the training utterances of
MELD, which moves the head from balanced written messages to speech in which half of the utterances are neutral. A
linear layer over the emotion vector and the embedding, fitted on the same utterances, is its rival, and so is the
encoder that was tuned on them and reads an utterance behind what was said before it, with two layers of its own; the
smaller log loss on MELD's dev part decides. IEMOCAP, which none of them has met, shows what becomes of each elsewhere.
Voice and face cannot be fitted there without the recordings, so each comes with its own prior, and with a trust between
what it earned on corpora it had not seen and what voices and faces tell in conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merc import weights
from merc.cache import Cache, file_hash, key, replacing
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS, CORPORA, READERS, Item
from merc.errors import InputError
from merc.evaluation.calibration import coverage, fit_bias, fit_temperature, log_loss, softmax
from merc.evaluation.classes import iemocap4
from merc.features.of_items import TextVectors, features
from merc.heads.head import Head, SpokenHead, joined
from merc.heads.mlp import Weights
from merc.labels import EKMAN7
from merc.recipes.card import FORMAT, Card
from merc.recipes.fusion_weights import conversational_trust
from merc.recipes.head_options import AdaptOptions
from merc.recipes.heads import measured
from merc.recipes.samples import normalised, select_texts

_MELD = CORPORA["meld"]
_THRESHOLDS = [round(0.05 * step, 2) for step in range(4, 19)]
_STRENGTHS = (0.0003, 0.001, 0.003)  # of logistic regression; chosen on dev
READER = "meld-warm"
"""The encoder that reads conversations, of those that come with merc."""
_FOUR = {"angry": "anger", "happy": "joy", "neutral": "neutral", "sad": "sadness"}
_NEVER = 20.0  # bias of a class that the training utterances do not have
_STAGES = ("before", "scaled", "after")
_COVERAGE = 0.8  # a threshold that keeps four of five utterances: below, a reader sees more gaps than labels


@dataclass(frozen=True, slots=True)
class Utterances:
    """One part of a corpus: embeddings ``(n, 768)``, logits of the text head ``(n, 7)`` and of the encoder that reads
    the conversation, ``spoken (n, 7)``, emotion vectors, class numbers.
    """

    items: list[Item]
    embeddings: np.ndarray
    logits: np.ndarray
    emotions: np.ndarray
    spoken: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, slots=True)
class Form:
    """One way from a text to probabilities: the head's logits or the ``spoken`` ones, calibrated, or a ``layer``."""

    name: str
    temperature: float = 1.0
    bias: np.ndarray = field(default_factory=lambda: np.zeros(len(EKMAN7)))
    layer: Weights | None = None
    spoken: bool = False

    def probabilities(self, part: Utterances) -> np.ndarray:
        """Probabilities ``(n, 7)`` of the utterances of a part."""
        if self.spoken:
            return softmax(part.spoken / self.temperature)
        if self.layer is None:
            return softmax(part.logits / self.temperature + self.bias)
        return softmax(joined(part.emotions, part.embeddings) @ self.layer["weight"].T + self.layer["bias"])


def fit_fusion(
    data: Path,
    heads: Path,
    options: AdaptOptions,
    *,
    cache: Cache | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> Card:
    """Fit the fusion from the heads in a folder and MELD's tables below ``data``; its layer is written to that folder.

    Raises InputError for missing tables, WeightError for a missing head, OutputError where nothing can be written.
    """
    text, voice, face = (Head.load(name, folder=heads, conversation=False) for name in ("text", "voice", "face"))
    parts = _parts(data, text, options, cache, progress)
    scaled, rivals = _forms(parts["train"], parts["dev"])
    losses = {form.name: log_loss(form.probabilities(parts["dev"]), parts["dev"].classes) for form in rivals}
    best = min(rivals, key=lambda form: losses[form.name])
    own = Form("as trained", text.temperature)
    train = parts["train"].classes
    record = {
        "format": FORMAT,
        "name": "fusion",
        "title": "late fusion of the text, voice and face heads in conversation",
        "labels": list(EKMAN7),
        "heads": {name: file_hash(heads / f"{name}.safetensors") for name in ("text", "voice", "face")},
        "data": {"meld": _corpus(parts)},
        "prior": _named(np.bincount(train, minlength=len(EKMAN7)) / len(train)),
        "text": {
            **_shipped(best, heads, text.card["licence"]),
            "temperature": round(scaled.temperature, 6),
            "bias": _named(scaled.bias),
            "fitted_on": f"{_MELD.title}: train; form chosen on dev",
            "rivals_on_dev": {name: round(loss, 4) for name, loss in losses.items()},
        },
        **{
            head.name: conversational_trust(data / _MELD.folder, head.name, head.card["cross_corpus"])
            | {"prior": head.card["prior"]}
            for head in (voice, face)
        },
        "abstention": _abstention(best, parts["dev"]),
        "test": {
            "corpus": f"{_MELD.title}, official test, text alone",
            **{
                form: _measured(how, parts["test"], options)
                for form, how in zip(_STAGES, (own, scaled, best), strict=True)
            },
            "twins": _twins(data, parts["test"].items, options),
        },
        "elsewhere": _elsewhere(data, text, (scaled, *rivals[2:]), cache=cache, progress=progress),
    }
    return FusionCard("fusion", record)


def _shipped(form: Form, folder: Path, licence: str) -> dict[str, Any]:
    """The form that ships, with the file of its layer or the encoder that it reads."""
    return {"form": form.name, "layer": _written(form, folder, licence), "encoder": _encoder(form, licence)}


def _corpus(parts: dict[str, Utterances]) -> dict[str, Any]:
    return {
        "title": _MELD.title,
        "source": _MELD.source,
        "licence": _MELD.licence,
        "noncommercial": _MELD.noncommercial,
        "defects": list(_MELD.defects),
        "counts": {split: _counted(part) for split, part in parts.items()},
    }


def _abstention(form: Form, dev: Utterances) -> dict[str, Any]:
    pairs = coverage(form.probabilities(dev), dev.classes, _THRESHOLDS)
    return {
        "threshold": max(row["threshold"] for row in pairs if row["coverage"] >= _COVERAGE),
        "rule": f"the largest threshold that keeps {_COVERAGE:.0%} of the utterances of MELD dev, text alone",
        "dev": [_rounded(row) for row in pairs],
    }


def _parts(
    data: Path,
    text: Head,
    options: AdaptOptions,
    cache: Cache | None,
    progress: Callable[[str, float, float], None] | None,
) -> dict[str, Utterances]:
    root = data / _MELD.folder
    items = READERS["meld"](root)
    parts = {split: [item for item in items if item.split == split] for split in _MELD.splits}
    if empty := [split for split, own in parts.items() if not own]:
        raise InputError(f"MELD below {root}: no utterance in {empty[0]}; expected the three official tables")
    vectors = features(items, TextVectors(options.threads), cache=cache, progress=progress)
    logits = spoken_logits(CONVERSATIONS["meld"](root), cache=cache, progress=progress)
    places = {item.id: number for number, item in enumerate(items)}
    return {
        split: _read(own, vectors[[places[item.id] for item in own]], text, logits, [item.labels[0] for item in own])
        for split, own in parts.items()
    }


def _read(
    items: list[Item], vectors: np.ndarray, text: Head, logits: Mapping[str, np.ndarray], labels: Sequence[str]
) -> Utterances:
    classes = np.array([EKMAN7.index(label) for label in labels], dtype=np.int64)
    spoken = np.stack([logits[item.id] for item in items])
    return Utterances(items, vectors, text.logits(vectors), text.emotion_vector(vectors), spoken, classes)


def spoken_logits(
    conversations: Sequence[Conversation],
    *,
    cache: Cache | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> dict[str, np.ndarray]:
    """By utterance what the encoder tuned on conversations says of it, logits ``(7,)``; speakers are told by number."""
    head = _spoken_head()
    vectors = spoken_vectors(conversations, head, cache=cache, progress=progress)
    return dict(zip(vectors, head.logits(np.stack(list(vectors.values()))), strict=True))


def spoken_vectors(
    conversations: Sequence[Conversation],
    head: SpokenHead,
    *,
    cache: Cache | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> dict[str, np.ndarray]:
    """By utterance the vector ``(768,)`` of the head's encoder, made once for the same words."""
    from merc.backbones.mpnet_dialogue import DialogueEncoder, numbered

    told = [numbered(one) for one in conversations]
    ids = [turn.id for one in told for turn in one]

    def make() -> dict[str, np.ndarray]:
        found = DialogueEncoder(head.path).encode(told, progress=progress)
        return {"vectors": np.stack([found[name] for name in ids])}

    said = [[(turn.speaker, turn.text) for turn in one] for one in told]
    name = key("spoken", head.sha256, weights.WEIGHTS["mpnet"].sha256, ids, said)
    return dict(zip(ids, (cache or Cache()).arrays(name, make)["vectors"], strict=True))


def _spoken_head() -> SpokenHead:
    """The encoder's head before its temperature is known."""
    from merc.paths import SHIPPED_ENCODERS

    path = SHIPPED_ENCODERS / f"{READER}.safetensors"
    return SpokenHead(path, sha256=file_hash(path), temperature=1.0)


def _encoder(form: Form, licence: str) -> dict[str, Any] | None:
    if not form.spoken:
        return None
    return {
        "name": READER,
        "title": f"{READER}: MPNet tuned on MELD's training dialogues, and two layers",
        "licence": f"{licence}; meld: {_MELD.licence}",
        "sha256": _spoken_head().sha256,
        "temperature": round(form.temperature, 6),
    }


def _forms(train: Utterances, dev: Utterances) -> tuple[Form, list[Form]]:
    """Temperature and bias, and all rivals with them, fitted on the training utterances.

    The encoder has learned those by heart, so its temperature is fitted on dev.
    """
    scaled = Form("temperature and bias", *fit_bias(train.logits, train.classes))
    alone = Form("temperature alone", fit_temperature(train.logits, train.classes))
    spoken = Form("encoder tuned on conversations", fit_temperature(dev.spoken, dev.classes), spoken=True)
    return scaled, [alone, scaled, *(_layered(train, strength) for strength in _STRENGTHS), spoken]


def _elsewhere(
    data: Path,
    text: Head,
    forms: Sequence[Form],
    *,
    cache: Cache | None,
    progress: Callable[[str, float, float], None] | None,
) -> dict[str, Any] | None:
    """Each form on a corpus that none has met, among four labels; None where the corpus is not there."""
    root = data / CORPORA["iemocap"].folder
    if not root.exists():
        return None
    conversations = CONVERSATIONS["iemocap"](root)
    known = {turn.id: _FOUR[label] for one in conversations for turn in one if (label := iemocap4(turn)) and turn.text}
    items = [item for item in READERS["iemocap"](root) if item.id in known]
    vectors = features(items, TextVectors(), cache=cache, progress=progress)
    logits = spoken_logits(conversations, cache=cache, progress=progress)
    part = _read(items, vectors, text, logits, [known[item.id] for item in items])
    columns = [EKMAN7.index(label) for label in _FOUR.values()]
    true = np.array([columns.index(number) for number in part.classes])
    told = {}
    for form in forms:
        found = form.probabilities(part)[:, columns]
        found /= found.sum(1, keepdims=True)
        figures = {"accuracy": float((found.argmax(1) == true).mean()), "log_loss": log_loss(found, true)}
        told[form.name] = {name: round(value, 4) for name, value in figures.items()}
    return {"corpus": CORPORA["iemocap"].title, "items": len(items), "forms": told}


def _layered(train: Utterances, strength: float) -> Form:
    """A linear layer by regularised logistic regression; standardisation is folded into it."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    inputs = joined(train.emotions, train.embeddings)
    mean, deviation = inputs.mean(0), inputs.std(0)
    deviation = np.where(deviation > 0, deviation, 1)
    with threadpool_limits(limits=1):  # the order of sums, and with it the last bits, depends on the threads
        fitted = LogisticRegression(C=strength, max_iter=500).fit((inputs - mean) / deviation, train.classes)
    weight, bias = np.zeros((len(EKMAN7), inputs.shape[1])), np.full(len(EKMAN7), -_NEVER)
    weight[fitted.classes_] = fitted.coef_ / deviation
    bias[fitted.classes_] = fitted.intercept_ - weight[fitted.classes_] @ mean
    layer = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}
    return Form(f"linear layer, C {strength:g}", layer=layer)


def _written(form: Form, folder: Path, licence: str) -> dict[str, Any] | None:
    from safetensors.numpy import save_file

    path = folder / "fusion.safetensors"
    if form.layer is None:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as target:
        save_file(form.layer, target)
    return {
        "title": f"{form.name} over the text head's emotion vector and the embedding, trained on meld",
        "licence": f"{licence}; meld: {_MELD.licence}",
        "file": path.name,
        "sha256": file_hash(path),
        "bytes": path.stat().st_size,
        "parameters": int(sum(tensor.size for tensor in form.layer.values())),
    }


def _measured(form: Form, part: Utterances, options: AdaptOptions) -> dict[str, Any]:
    dialogues = [item.group or item.id for item in part.items]
    return measured(form.probabilities(part), part.classes, options, groups=dialogues)


def _twins(data: Path, items: list[Item], options: AdaptOptions) -> dict[str, int]:
    """How many test utterances have the words of a text that the head was trained on."""
    seen = {normalised(s.item.text or "") for s in select_texts(data, options).samples if s.part == "train"}
    words = [normalised(item.text or "") for item in items]
    twins = [text for text in words if text in seen]
    return {"utterances": len(twins), "of_five_words_or_more": sum(len(text.split()) >= 5 for text in twins)}


def _counted(part: Utterances) -> dict[str, int]:
    counts = np.bincount(part.classes, minlength=len(EKMAN7))
    return {label: int(count) for label, count in zip(EKMAN7, counts, strict=True)}


def _named(values: np.ndarray) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(EKMAN7, values, strict=True)}


def _rounded(row: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else round(value, 4) for name, value in row.items()}


class FusionCard(Card):
    """The card of the fusion, with its own page."""

    def markdown(self) -> str:
        """The card as a page."""
        from merc.reporting.head_card import fusion_page

        return fusion_page(self.record)
