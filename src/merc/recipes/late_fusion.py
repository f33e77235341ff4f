"""Late fusion: how voice and face are weighed against text, fitted on MELD's words and on left-out corpora.

With y a label and x the logits of the text head, p_t(y) = softmax(x / T + b) is fitted on the training utterances of
MELD, which adapts the head from balanced written messages to speech, half of which is neutral. Two other forms compete:
a linear layer over emotion vector and embedding, fitted on the same utterances, and the encoder that was fine-tuned on
them and reads an utterance in its context, with two layers of its own. The smaller log loss on MELD's dev part decides.
IEMOCAP, on which none of them was trained, shows how each transfers. Voice and face cannot be fitted there without the
recordings, so each has its own prior. The voice has the trust that it earned on corpora that its head was not trained
on, or by request levels of it, fitted on MELD's dev dialogues with such voices; the face has one between what it earned
on left-out corpora and how much faces tell in conversation. A fit by scipy and scikit-learn, without the training loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc import weights
from merc.cache import Cache, file_hash, key
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS, CORPORA, READERS, Item
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import coverage, fit_bias, fit_temperature, log_loss, softmax
from merc.evaluation.classes import iemocap4
from merc.features.of_items import features, of_items
from merc.heads.head import Head, SpokenHead, joined
from merc.heads.mlp import Weights
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7, IEMOCAP4, common_name
from merc.options import at_least
from merc.paths import SHIPPED, SHIPPED_ENCODERS
from merc.progress import Progress
from merc.recipes import fusion_weights as sections
from merc.recipes.conversational import conversation_prior
from merc.recipes.measuring import measured
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import twins
from merc.recipes.voice_head import heads_left_out
from merc.reporting import cards

_MELD = CORPORA["meld"]
_THRESHOLDS = [round(0.05 * step, 2) for step in range(4, 19)]
_STRENGTHS = (0.0003, 0.001, 0.003)  # of logistic regression; chosen on dev
READER = "meld-warm"
"""The shipped encoder that reads conversations."""
_FOUR = {label: common_name(label) for label in IEMOCAP4}
_NEVER = 20.0  # bias of a class that the training utterances do not have
_STAGES = ("as trained on written texts", "temperature and bias from conversation", "as shipped")
_COVERAGE = 0.8  # a threshold that keeps four of five utterances: below, a reader sees more gaps than labels


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """Options of the fit; raises InputError for a value that cannot be used."""

    heads: str = ""
    """Folder of the three heads; empty: the shipped ones."""
    levels: bool = False
    """Let the trust in each speaker's voice depend on how it goes with the words, fitted on MELD's dev dialogues with
    planted voices, some of which tell nothing; otherwise all voices have the trust that the voice head earned."""
    calibrated: bool = False
    """Fit the temperature of utterances without words on MELD's dev dialogues with planted voices; otherwise 1."""
    only_trust: bool = False
    """Keep text form and threshold of the card in the folder of heads; take the trust from the cards of the heads."""
    resamples: int = 1000
    """Bootstrap samples behind each 95 % interval."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "cpu"
    """Of the encoders."""

    def __post_init__(self) -> None:
        at_least(1, resamples=self.resamples, threads=self.threads)


@dataclass(frozen=True, slots=True)
class Utterances:
    """One part of a corpus.

    ``embeddings (n, 768)``, ``logits (n, 7)`` of the text head, ``emotions (n, 128)``, ``classes (n,)``, and in
    ``spoken (n, 7)`` the logits of the encoder that reads conversations.
    """

    items: list[Item]
    embeddings: np.ndarray
    logits: np.ndarray
    emotions: np.ndarray
    spoken: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the text posterior: calibrated logits of the head or the ``spoken`` ones, or a ``layer``."""

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


def fit_fusion(options: FusionOptions, folders: Folders, *, cache: Cache | None = None) -> Outcome:
    """Fit the fusion from the heads in a folder and MELD's tables; write its card, and its layer where it has one.

    Raises:
        InputError: for missing tables.
        WeightError: for a missing head.
        OutputError: where nothing can be written.
    """
    data, place = folders.data, Path(options.heads) if options.heads else SHIPPED
    text, face = (Head.load(name, folder=place, conversation=False) for name in ("text", "face"))
    voice = VoiceHead.load(place)
    if options.only_trust:
        return _trusted_anew(place, folders, voice, face, options)
    reader = Reader(options, cache or Cache(), folders.progress)
    parts = _parts(data, text, reader)
    scaled, rivals = _forms(parts["train"], parts["dev"])
    losses = {form.name: log_loss(form.probabilities(parts["dev"]), parts["dev"].classes) for form in rivals}
    best = min(rivals, key=lambda form: losses[form.name])
    stages = (Form("as trained", text.temperature), scaled, best)
    rows = [_measured(name, form, parts["test"], options) for name, form in zip(_STAGES, stages, strict=True)]
    threshold, kept = _abstention(best, parts["dev"])
    train = parts["train"].classes
    dev = (parts["dev"].items, best.probabilities(parts["dev"]))
    voiced, temperature = _voices(folders, voice, dev, options)
    settings = cards.Fusion(
        heads=_hashes(place),
        prior=_by_label(np.bincount(train, minlength=len(EKMAN7)) / len(train)),
        text=_text_form(best, scaled, folders.out, licence=text.card["licence"]),
        voice=voiced,
        face=sections.trust(data, face),
        abstention=threshold,
        temperature_without_words=temperature,
    )
    results = (
        sections.dev_results(losses),
        sections.test_results(rows, twins(data, parts["test"].items, text.card["training"]["options"])),
        *_elsewhere(data, text, (scaled, *rivals[2:]), reader=reader),
        kept,
    )
    card = sections.fusion_card(
        settings, results, _without_folder(options), {split: _counted(part) for split, part in parts.items()}
    )
    card.write(folders.out)
    return Outcome(card)


def _text_form(best: Form, scaled: Form, out: Path, *, licence: str) -> cards.TextForm:
    """How words are read at use: the chosen form, beside the temperature and bias of the scaled one."""
    return cards.TextForm(
        form=best.name,
        fitted_on=f"{_MELD.title}: train; form chosen on dev",
        temperature=round(scaled.temperature, 6),
        bias=_by_label(scaled.bias),
        layer=sections.layer(best.name, best.layer, out, licence=licence),
        encoder=_encoder(best, licence),
    )


def _trusted_anew(place: Path, folders: Folders, voice: VoiceHead, face: Head, options: FusionOptions) -> Outcome:
    """The card of a folder with the trust and the hashes of the voice and face heads that are there now.

    Raises InputError where there is no card, WeightError where its text head is another one.
    """
    data = folders.data
    card = cards.ModelCard.read(place / "fusion.json")
    hashes = _hashes(place)
    if card.fusion is None or card.fusion.heads["text"] != hashes["text"]:
        raise WeightError(
            f"{place / 'fusion.json'} was fitted to another text head than {place / 'text.safetensors'}: leave out "
            "only_trust"
        )
    dev = _dev_words(folders, card.fusion.text) if options.levels or options.calibrated else None
    voiced, temperature = _voices(folders, voice, dev, options)
    settings = replace(card.fusion, heads=hashes, voice=voiced, face=sections.trust(data, face))
    changed = replace(card, fusion=replace(settings, temperature_without_words=temperature))
    changed.write(folders.out)
    return Outcome(changed)


def _dev_words(folders: Folders, text: cards.TextForm) -> tuple[list[Item], np.ndarray]:
    """The utterances of MELD's dev part, and what the encoder of a card reads from their words ``(n, 7)``."""
    if text.encoder is None:
        raise InputError("the fusion reads no words in conversation: leave out only_trust, or levels and calibrated")
    root = folders.data / _MELD.folder
    dev = [one for one in CONVERSATIONS["meld"](root) if one.meta["split"] == "dev"]
    logits = spoken_logits(dev, progress=folders.progress)
    items = [item for item in READERS["meld"](root) if item.id in logits]
    return items, softmax(np.stack([logits[item.id] for item in items]) / (text.encoder.temperature or 1.0))


def _hashes(place: Path) -> dict[str, str]:
    return {name: file_hash(place / f"{name}.safetensors") for name in ("text", "voice", "face")}


def _without_folder(options: FusionOptions) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(options).items()
        if name not in ("heads", "levels", "calibrated", "only_trust")
    }


def _voices(
    folders: Folders, voice: VoiceHead, dev: tuple[Sequence[Item], np.ndarray] | None, options: FusionOptions
) -> tuple[cards.Trust, float]:
    """The trust in voices and the temperature without words; fitted ones with the words ``(n, 7)`` of MELD's dev."""
    if dev is None or not (options.levels or options.calibrated):
        return sections.trust(folders.data, voice), 1.0
    prior, talks = conversation_prior(), sections.talks(*dev)
    voices = heads_left_out(folders.data, progress=folders.progress)
    found = sections.trust(folders.data, voice, sections.voice_levels(talks, voices, prior) if options.levels else None)
    flat = sections.temperature_without_words(talks, voices, prior, found) if options.calibrated else 1.0
    return found, flat


def _abstention(form: Form, dev: Utterances) -> tuple[cards.Abstention, cards.Results]:
    pairs = coverage(form.probabilities(dev), dev.classes, _THRESHOLDS)
    threshold = max(row["threshold"] for row in pairs if row["coverage"] >= _COVERAGE)
    rule = f"the largest threshold that keeps {_COVERAGE:.0%} of the utterances of MELD dev, text alone"
    return cards.Abstention(threshold, rule), sections.abstention_results(pairs)


@dataclass(frozen=True, slots=True)
class Reader:
    """What encodes utterances: options, cache, progress."""

    options: FusionOptions
    cache: Cache
    progress: Progress | None = None

    def embeddings(self, items: Sequence[Item]) -> np.ndarray:
        """Vectors ``(n, 768)`` of each text alone."""
        encoder = of_items("text", threads=self.options.threads, device=self.options.device)
        return features(items, encoder, cache=self.cache, progress=self.progress)

    def spoken(self, conversations: Sequence[Conversation]) -> dict[str, np.ndarray]:
        """Logits ``(7,)`` by utterance of the encoder that reads conversations."""
        return spoken_logits(conversations, cache=self.cache, progress=self.progress)


def _parts(data: Path, text: Head, reader: Reader) -> dict[str, Utterances]:
    root = data / _MELD.folder
    items = READERS["meld"](root)
    parts = {split: [item for item in items if item.split == split] for split in _MELD.splits}
    if empty := [split for split, own in parts.items() if not own]:
        raise InputError(f"MELD below {root}: no utterance in {empty[0]}; expected the three official tables")
    vectors = reader.embeddings(items)
    logits = reader.spoken(CONVERSATIONS["meld"](root))
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
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Logits ``(7,)`` by utterance of the encoder fine-tuned on conversations, with anonymised speaker ids."""
    head = _spoken_head()
    vectors = spoken_vectors(conversations, head, cache=cache, progress=progress)
    return dict(zip(vectors, head.logits(np.stack(list(vectors.values()))), strict=True))


def spoken_vectors(
    conversations: Sequence[Conversation],
    head: SpokenHead,
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Vectors ``(768,)`` by utterance of the head's encoder, cached by speakers and words."""
    from merc.backbones.mpnet_dialogue import DialogueEncoder, numbered

    anonymous = [numbered(one) for one in conversations]
    ids = [turn.id for one in anonymous for turn in one]

    def make() -> dict[str, np.ndarray]:
        found = DialogueEncoder(head.path).encode(anonymous, progress=progress)
        return {"vectors": np.stack([found[name] for name in ids])}

    texts = [[(turn.speaker, turn.text) for turn in one] for one in anonymous]
    name = key("spoken", head.sha256, weights.WEIGHTS["mpnet"].sha256, ids, texts)
    return dict(zip(ids, (cache or Cache()).arrays(name, make)["vectors"], strict=True))


def _spoken_head() -> SpokenHead:
    """The encoder's head before its temperature is known."""
    path = SHIPPED_ENCODERS / f"{READER}.safetensors"
    return SpokenHead(path, sha256=file_hash(path), temperature=1.0)


def _encoder(form: Form, licence: str) -> cards.Component | None:
    if not form.spoken:
        return None
    return cards.Component(
        title=f"{READER}: MPNet fine-tuned on MELD's training dialogues, and two layers",
        licence=f"{licence}; meld: {_MELD.licence}",
        sha256=_spoken_head().sha256,
        name=READER,
        temperature=round(form.temperature, 6),
    )


def _forms(train: Utterances, dev: Utterances) -> tuple[Form, list[Form]]:
    """Temperature and bias, and all forms that compete, fitted on the training utterances.

    The encoder knows those by heart, so its temperature is fitted on dev.
    """
    scaled = Form("temperature and bias", *fit_bias(train.logits, train.classes))
    alone = Form("temperature alone", fit_temperature(train.logits, train.classes))
    spoken = Form("encoder tuned on conversations", fit_temperature(dev.spoken, dev.classes), spoken=True)
    return scaled, [alone, scaled, *(_layered(train, strength) for strength in _STRENGTHS), spoken]


def _elsewhere(data: Path, text: Head, forms: Sequence[Form], *, reader: Reader) -> list[cards.Results]:
    """Each form on a corpus that none was trained on, among four labels; nothing where the corpus is not there."""
    root = data / CORPORA["iemocap"].folder
    if not root.exists():
        return []
    conversations = CONVERSATIONS["iemocap"](root)
    known = {turn.id: _FOUR[label] for one in conversations for turn in one if (label := iemocap4(turn)) and turn.text}
    items = [item for item in READERS["iemocap"](root) if item.id in known]
    labels = [known[item.id] for item in items]
    part = _read(items, reader.embeddings(items), text, reader.spoken(conversations), labels)
    columns = [EKMAN7.index(label) for label in _FOUR.values()]
    true = np.array([columns.index(number) for number in part.classes])
    figures: dict[str, dict[str, float]] = {}
    for form in forms:
        found = form.probabilities(part)[:, columns]
        found /= found.sum(1, keepdims=True)
        values = {"accuracy": float((found.argmax(1) == true).mean()), "log_loss": log_loss(found, true)}
        figures[form.name] = {name: round(value, 4) for name, value in values.items()}
    return [sections.elsewhere_results(len(items), figures)]


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


def _measured(name: str, form: Form, part: Utterances, options: FusionOptions) -> cards.Measurement:
    dialogues = [item.group or item.id for item in part.items]
    return measured(name, form.probabilities(part), part.classes, groups=dialogues, resamples=options.resamples)


def _counted(part: Utterances) -> dict[str, int]:
    counts = np.bincount(part.classes, minlength=len(EKMAN7))
    return {label: int(count) for label, count in zip(EKMAN7, counts, strict=True)}


def _by_label(values: np.ndarray) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(EKMAN7, values, strict=True)}


LATE_FUSION = Recipe(
    "late-fusion",
    "weights of text, voice and face in conversation, from the three heads and MELD",
    FusionOptions,
    fit_fusion,
    {},
    ("polars", "sklearn"),
)
