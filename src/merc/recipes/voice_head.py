"""The voice head: acted speech of three corpora in two languages, encoded, fitted, measured in conversations.

The figure that counts is that of a corpus left out of the fit, in conversations drawn from its utterances
(``merc.recipes.conversational``). TESS is not among the corpora: its licence allows no derivatives, and its two
speakers teach little about others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache, file_hash, replacing
from merc.corpora import Item
from merc.evaluation.calibration import softmax
from merc.features.encoder import Encoder
from merc.features.of_items import OfItems, features, of_items, sounds
from merc.heads.mlp import CLASSES
from merc.heads.voice import NAME, VoiceHead
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.recipes.conversational import KINDS, Earned, conversation_prior, drawn, earned_trust
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import labelled
from merc.recipes.sound_augmentation import augmented
from merc.recipes.voice_training import VoiceOptions, Voices, fit_voice
from merc.reporting import cards

TRAINED_ON = ("ravdess", "savee", "nemo")
ENCODER = "whisper-base-middle"
VARIANTS = ("alone", "half the mean", "as shipped")
"""Each utterance alone; half of the mean of the speaker's utterances taken out; and the head."""
_DRAWS = 4
_KEPT_OUT = (
    "What ships is trained without TESS, whose licence (CC BY-NC-ND 4.0) allows no derivatives and whose two speakers "
    "teach little about others."
)
_METHOD = (
    "Principal components of standardised vectors, then two maps with labels weighted alike: of utterances, by ridge "
    "regression; and of utterances without a share of the mean of a conversation of the same speaker, half of it "
    "neutral, by ridge regression and the mean logits of small networks of one hidden layer. Temperatures and gate by "
    "maximum likelihood on conversations of a corpus that the maps were not fitted on. Each sound is used as it is and "
    "with room, noise, level and codec drawn at random."
)
_SPLIT = (
    "What ships is fitted on all speakers. Its figures are those of heads fitted on the other two corpora in the same "
    "way, on each corpus in turn; options were chosen on every second speaker of each (in the order of their ids)."
)


class _Disturbed:
    """Disturbed copies of the sounds of a corpus as vectors; the disturbance depends on corpus, item and copy alone."""

    def __init__(self, encoder: Encoder, corpus: str, copy: int) -> None:
        self._encoder, self._corpus, self._copy = encoder, corpus, copy
        self.description = {**OfItems(encoder).description, "copy": f"{corpus} {copy}: room, noise, level, codec"}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        made = [augmented(wave, self._random(item)) for item, wave in zip(items, sounds(items), strict=True)]
        return np.asarray(self._encoder.encode(made), np.float32)

    def _random(self, item: Item) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._corpus}/{item.id}/{self._copy}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8]))


@dataclass(frozen=True, slots=True)
class Gathered:
    """The voices of some corpora, what was left out of each by reason, and what encoded them."""

    voices: Voices
    removed: dict[str, dict[str, int]]
    encoder: dict[str, Any]


def gather(
    corpora: Sequence[str],
    data: Path,
    options: VoiceOptions,
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Read and encode corpora below the folder ``data``, each sound as it is and disturbed.

    Raises:
        InputError: for a corpus that is missing or does not follow its layout.
        WeightError: for a missing encoder.
    """
    plain = of_items(ENCODER, threads=options.threads, device=options.device)
    removed: dict[str, dict[str, int]] = {}
    copies: list[list[np.ndarray]] = [[] for _ in range(options.copies + 1)]
    classes, people, names = [], [], []
    for name in corpora:
        left: Counter[str] = Counter()
        found = list(labelled(name, data, left))
        items, removed[name] = [item for item, _ in found], dict(left)
        for number, own in enumerate(copies):
            encoder = _Disturbed(plain.encoder, name, number) if number else plain
            own.append(features(items, encoder, cache=cache, progress=progress))
        classes += [EKMAN7.index(label) for _, label in found]
        people += [str(item.speaker) for item in items]
        names += [name] * len(items)
    arrays = tuple(np.concatenate(own) for own in copies)
    voices = Voices(arrays, np.array(classes), np.array(people), np.array(names))
    return Gathered(voices, removed, plain.description)


@dataclass(frozen=True, slots=True)
class InConversation:
    """The utterances of drawn conversations, by the head and without its knowledge of the speaker.

    ``alone``, ``halved`` and ``shipped`` are probabilities ``(n, 7)``; ``classes``, ``people`` and ``kinds`` ``(n,)``.
    """

    alone: np.ndarray
    halved: np.ndarray
    shipped: np.ndarray
    classes: np.ndarray
    people: np.ndarray
    kinds: np.ndarray

    def by(self, variant: str) -> np.ndarray:
        """The probabilities of a variant of ``VARIANTS``."""
        return dict(zip(VARIANTS, (self.alone, self.halved, self.shipped), strict=True))[variant]


def in_conversation(head: VoiceHead, voices: Voices, *, seed: int = 1) -> InConversation:
    """Judge conversations drawn from the undisturbed utterances of people."""
    vectors, rows = voices.copies[0], []
    for one in drawn(voices.classes, voices.people.tolist(), seed=seed, each=_DRAWS):
        own = vectors[one.rows]
        mean = (own - head.weights["centre"]).mean(0)
        count = len(own)
        rows.append(
            (
                head.probabilities(own, [None] * count),
                head.probabilities(own - mean / 2, [None] * count),
                head.probabilities(own, ["one"] * count),
                voices.classes[one.rows],
                voices.people[one.rows],
                np.repeat(one.kind, count),
            )
        )
    return InConversation(*(np.concatenate(part) for part in zip(*rows, strict=True)))


def left_out(voices: Voices, options: VoiceOptions, *, progress: Progress | None = None) -> dict[str, InConversation]:
    """Each corpus in conversations, by a head that was fitted on the others in the same way."""
    names, found = list(dict.fromkeys(voices.corpora.tolist())), {}
    for number, name in enumerate(names):
        head = fit_voice(voices.at(np.flatnonzero(voices.corpora != name)), options)
        found[name] = in_conversation(head, voices.at(np.flatnonzero(voices.corpora == name)))
        if progress:
            progress("voices left out", number + 1, len(names))
    return found


def counts(one: InConversation, variant: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """How many utterances of each person and label are right, and how many there are: ``(people, 7)`` each."""
    names, numbers = np.unique(one.people, return_inverse=True)
    used = one.kinds == kind
    cells = numbers[used] * CLASSES + one.classes[used]
    right = (one.by(variant).argmax(1) == one.classes)[used]
    shape = (len(names), CLASSES)
    ones = np.ones(len(cells))
    found = [np.bincount(cells, of, len(names) * CLASSES).reshape(shape) for of in (right, ones)]
    return found[0], found[1]


def recall(one: InConversation, variant: str, kind: str) -> float:
    """Unweighted recall over the labels of a corpus."""
    right, there = (table.sum(0) for table in counts(one, variant, kind))
    return float((right[there > 0] / there[there > 0]).mean())


def interval(one: InConversation, variant: str, kind: str, *, resamples: int) -> tuple[float, float, float]:
    """Unweighted recall with a 95 % interval that resamples people."""
    right, there = counts(one, variant, kind)
    drawn_people = np.random.default_rng(0).integers(len(right), size=(resamples, len(right)))
    rights, totals = right[drawn_people].sum(1), there[drawn_people].sum(1)  # (resamples, 7)
    values = np.nanmean(np.where(totals > 0, rights / np.maximum(totals, 1), np.nan), axis=1)
    low, high = np.quantile(values, (0.025, 0.975))
    return round(recall(one, variant, kind), 4), round(float(low), 4), round(float(high), 4)


def trust_of(found: dict[str, InConversation], prior: np.ndarray) -> Earned:
    """The weight in late fusion that the head earned on the corpora left out; ``prior (7,)`` is the head's own."""
    evidence = np.concatenate([np.log(np.maximum(one.shipped, 1e-6)) for one in found.values()])
    classes = np.concatenate([one.classes for one in found.values()])
    kinds = np.concatenate([np.char.add(f"{name} ", one.kinds) for name, one in found.items()])
    return earned_trust(evidence - np.log(prior), classes, kinds.tolist(), conversation_prior())


def prior_of(found: dict[str, InConversation]) -> np.ndarray:
    """What the head believes before it hears anything ``(7,)``: its mean posterior, labels and corpora alike."""
    means = []
    for one in found.values():
        means += [one.shipped[one.classes == label].mean(0) for label in np.unique(one.classes)]
    return np.asarray(softmax(np.log(np.mean(means, axis=0))[None])[0])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One corpus: its head, undisturbed vectors ``(m, d)``, classes and people ``(m,)``, and the head's prior ``(7,)``.

    The prior is what heads believed of the *other* corpora, so that it knows nothing of this one.
    """

    head: VoiceHead
    vectors: np.ndarray
    classes: np.ndarray
    people: np.ndarray
    prior: np.ndarray

    def judged(self, clips: np.ndarray, people: Sequence[str]) -> np.ndarray:
        """Probabilities ``(n, 7)`` of the clips of one conversation, each of its person."""
        return self.head.probabilities(self.vectors[clips], list(people))


def heads_left_out(data: Path, *, progress: Progress | None = None) -> dict[str, LeftOut]:
    """Each corpus of ``TRAINED_ON`` below a folder, with a head fitted on the others by the recipe of what ships."""
    options = VoiceOptions()
    voices = gather(TRAINED_ON, data, options, progress=progress).voices
    parts = {name: voices.at(np.flatnonzero(voices.corpora == name)) for name in TRAINED_ON}
    heads = {name: fit_voice(voices.at(np.flatnonzero(voices.corpora != name)), options) for name in TRAINED_ON}
    believed = {name: in_conversation(heads[name], part) for name, part in parts.items()}
    return {
        name: LeftOut(
            heads[name],
            part.copies[0],
            part.classes,
            part.people,
            prior_of({other: one for other, one in believed.items() if other != name}),
        )
        for name, part in parts.items()
    }


def results(found: dict[str, InConversation], options: VoiceOptions) -> cards.Results:
    """The section of the card on the corpora left out, with the trust that follows."""
    rows = []
    for variant in VARIANTS:
        for name, one in found.items():
            own = {kind: interval(one, variant, kind, resamples=options.resamples) for kind in KINDS}
            rows.append(cards.Measurement(f"{name}, {variant}", own, len(np.unique(one.people))))
        means = {kind: round(float(np.mean([recall(o, variant, kind) for o in found.values()])), 4) for kind in KINDS}
        speakers = sum(len(np.unique(one.people)) for one in found.values())
        rows.append(cards.Measurement(f"mean, {variant}", dict(means), speakers))
    earned = trust_of(found, prior_of(found))
    figures = {
        "trust": round(earned.trust, 4),
        "log_loss_ignored": round(earned.ignored, 4),
        "log_loss_trusted": round(earned.trusted, 4),
        "log_loss_at_1": round(earned.at_1, 4),
    }
    return cards.Results(
        name="conversation",
        heading="Corpora left out, in conversation",
        note="Unweighted recall of heads fitted on the other two corpora, in conversations drawn from the utterances "
        "of each speaker: half of up to 20 neutral; all of one mood; one to five of the first kind. Items are "
        "speakers; intervals resample them. Chance is 1/7, for nemo 1/6.",
        rows=tuple(rows),
        figures=figures,
        conclusion=f"From these, the trust in late fusion: **{earned.trust:.3f}**, the power of the evidence with the "
        "largest likelihood where the prior of conversation stands for the words and each kind of conversation counts "
        f"alike (log loss {earned.ignored:.3f} without the head, {earned.trusted:.3f} with this trust, "
        f"{earned.at_1:.3f} with trust 1).",
    )


def train_voice(options: VoiceOptions, folders: Folders) -> Outcome:
    """Fit, measure and write the head: ``voice.safetensors`` and its card.

    Raises:
        InputError: for missing or malformed corpora.
        WeightError: for a missing encoder.
        OutputError: where ``folders.out`` cannot be written.
    """
    from safetensors.numpy import save_file

    gathered = gather(TRAINED_ON, folders.data, options, progress=folders.progress)
    found = left_out(gathered.voices, options, progress=folders.progress)
    head = fit_voice(gathered.voices, options)
    weights = folders.out / f"{NAME}.safetensors"
    with replacing(weights) as temporary:
        save_file(head.weights, temporary)
    written = cards.WeightFile(weights.name, file_hash(weights), weights.stat().st_size, head.parameters)
    card = _card(gathered, options, found, written)
    card.write(folders.out)
    return Outcome(card)


def _card(
    gathered: Gathered, options: VoiceOptions, found: dict[str, InConversation], weights: cards.WeightFile
) -> cards.ModelCard:
    voices, encoder = gathered.voices, gathered.encoder
    sources = tuple(cards.Source.of(name, gathered.removed[name]) for name in TRAINED_ON)
    counts = {
        name: {label: int(((voices.corpora == name) & (voices.classes == n)).sum()) for n, label in enumerate(EKMAN7)}
        for name in TRAINED_ON
    }
    described = {name: value for name, value in encoder.items() if name not in ("encoder", "sha256")}
    shown = json.loads(json.dumps({name: value for name, value in asdict(options).items() if name != "device"}))
    return cards.ModelCard(
        name=NAME,
        title=f"voice head over {encoder['encoder']}, trained on {', '.join(TRAINED_ON)}",
        summary="Speech of about half a second or more. Trained on acted speech only, in English and Polish.",
        licence=cards.terms(sources),
        labels=EKMAN7,
        data=cards.Data(sources, _SPLIT, tuple(cards.Samples(name, "train", of) for name, of in counts.items())),
        training=cards.Training(_METHOD, shown),
        results=(results(found, options),),
        base=cards.Base(encoder["encoder"], encoder["sha256"], described),
        weights=weights,
        prior={label: round(float(p), 6) for label, p in zip(EKMAN7, prior_of(found), strict=True)},
        notes=(_KEPT_OUT,),
    )


VOICE = Recipe(
    "voice-head",
    "emotion of a voice, against its speaker's other utterances, over Whisper's encoder: RAVDESS, SAVEE, nEMO",
    VoiceOptions,
    train_voice,
    {},
    ("sklearn",),
)
