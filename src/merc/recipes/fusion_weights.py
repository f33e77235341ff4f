"""Trust in voice and face in conversation, measured on MELD's derived table; and the card of the fusion.

The trust that a head earns on left-out corpora is an upper bound: those corpora are acted, posed or chosen for their
clear expressions. Without recordings of annotated conversation, MELD's derived table gives a lower one: how much its 17
facial action units and its 6 attributes of the voice, both coarse and often of the wrong person, improve on the prior.
The head's trust in conversation is taken half-way between the two on a logarithmic scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import file_hash, replacing
from merc.corpora import CORPORA, Item
from merc.errors import InputError, require
from merc.evaluation.calibration import fit_temperature, log_loss
from merc.heads.head import Head
from merc.heads.late_fusion import Levels, mixed
from merc.heads.mlp import Weights
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.recipes.conversational import PLANTED_KINDS, WITHOUT_WORDS, Clips, FittedTrust, Heard, Talk, fit_levels, plant
from merc.recipes.voice_head import LeftOut
from merc.reporting import cards

TABLE = "meld_utterances_multimodal.parquet"
_PREFIX = {"voice": "aud_", "face": "AU"}
_STRENGTH = 0.01  # of the logistic regression: the columns are few, the classes uneven


def conversational_trust(folder: Path, modality: str, crossed: Mapping[str, float]) -> dict[str, float]:
    """The trust in a head in conversation, and the gains that it follows from.

    ``weight`` is ``trust * sqrt(gain in conversation / gain on left-out corpora)``, gains in nats of log loss over the
    prior.

    Args:
        folder: Of MELD.
        modality: "voice" or "face".
        crossed: The figures of the head's "cross_corpus" results.

    Raises:
        InputError: where the derived table is missing or lacks the columns of the modality.
    """
    gain = _gain(folder / TABLE, _PREFIX[modality])
    own = crossed["log_loss_ignored"] - crossed["log_loss_trusted"]
    share = float(np.clip(gain / own, 0, 1)) if own > 0 else 0.0
    return {
        "weight": round(crossed["trust"] * share**0.5, 4),
        "trust_left_out": crossed["trust"],
        "gain_left_out": round(own, 4),
        "gain_in_conversation": round(gain, 4),
    }


PLANTINGS = 3
"""Plantings of each dialogue, kind and corpus."""


def voice_levels(talks: Sequence[Talk], voices: Mapping[str, LeftOut], prior: np.ndarray) -> FittedTrust:
    """How far voices count beside words, on every second dialogue and every second actor of each corpus.

    The other halves are left for measuring (``bench/calibration.py``). Kinds and corpora count alike.

    Args:
        talks: Dialogues with the posteriors of their words.
        voices: Corpora, each with a head that was fitted without it.
        prior: ``(7,)`` of the labels in conversation.
    """
    parts = [
        heard(talks[::2], one, kind, prior, seeds=PLANTINGS, half=0)
        for one in voices.values()
        for kind in PLANTED_KINDS
    ]
    together = Heard(
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.voices for part in parts]),
        np.concatenate([part.classes for part in parts]),
        tuple((number, name) for number, part in enumerate(parts) for name in part.speakers),
        np.concatenate([part.shares / part.shares.sum() for part in parts]),
    )
    return fit_levels(together, prior)


def temperature_without_words(
    talks: Sequence[Talk], voices: Mapping[str, LeftOut], prior: np.ndarray, trust: cards.Trust
) -> float:
    """The temperature of voices over the prior alone, on the halves of ``voice_levels``; other arguments as there.

    Args:
        trust: In the voice, as it will be used.
    """
    levels = Levels(trust.levels or ((trust.weight, 1.0),), trust.agreement or 0.0)
    parts = [heard(talks[::2], one, WITHOUT_WORDS, prior, seeds=PLANTINGS, half=0) for one in voices.values()]
    fused = [mixed(part.words, part.voices, part.speakers, np.log(prior), levels) for part in parts]
    logits = np.log(np.maximum(np.concatenate(fused), 1e-12))
    return round(fit_temperature(logits, np.concatenate([part.classes for part in parts])), 4)


def talks(items: Sequence[Item], words: np.ndarray) -> list[Talk]:
    """The dialogues of utterances in reading order, with the posteriors ``(n, 7)`` of their words."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item.group or item.id, []).append(place)
    return [
        Talk(
            tuple(items[place].speaker for place in own),
            np.array([EKMAN7.index(items[place].labels[0]) for place in own]),
            words[own],
        )
        for own in places.values()
    ]


def trust(data: Path, head: Head | VoiceHead, fitted: FittedTrust | None = None) -> cards.Trust:
    """The voice's as fitted, or as it earned it; the face's between two bounds, as nobody talks in its corpora."""
    section = "conversation" if isinstance(head, VoiceHead) else "cross_corpus"
    figures = next(one for one in head.card["results"] if one["name"] == section)["figures"]
    found: dict[str, Any] = dict(conversational_trust(data / CORPORA["meld"].folder, head.name, figures))
    if fitted is None:
        earned = {"weight": found["trust_left_out"]} if isinstance(head, VoiceHead) else {}
        return cards.Trust(**found | earned, prior=head.card["prior"])
    return cards.Trust(
        **found | {"weight": round(fitted.single, 4)},
        prior=head.card["prior"],
        levels=tuple((trust, round(share, 4)) for trust, share in fitted.levels.shares),
        agreement=round(fitted.levels.agreement, 4),
    )


def heard(talks: Sequence[Talk], voices: LeftOut, kind: str, prior: np.ndarray, *, seeds: int, half: int) -> Heard:
    """The utterances with a voice of dialogues in which the actors of one half of a corpus are planted."""
    own = np.flatnonzero(np.isin(voices.people, np.unique(voices.people)[half::2]))
    clips, found = Clips(voices.classes[own], voices.people[own]), []
    for seed in range(seeds):
        for number, one in enumerate(plant(talks, clips, kind, prior=prior, seed=seed)):
            there = one.clips >= 0
            people = [str(person) for person, has in zip(one.people, there, strict=True) if has]
            said = voices.judged(own[one.clips[there]], people)
            words = np.where(np.isnan(one.words), prior, one.words)[there]
            speakers = tuple((seed, number, person) for person in people)
            found.append((np.log(np.maximum(words, 1e-6)), said, one.classes[there], speakers))
    words, said, classes = (np.concatenate([one[n] for one in found]) for n in range(3))
    evidence = np.log(np.maximum(said, 1e-6)) - np.log(voices.prior)
    return Heard(words, evidence, classes, tuple(s for one in found for s in one[3]), np.ones(len(classes)))


def layer(name: str, weights: Weights | None, folder: Path, *, licence: str) -> cards.Component | None:
    """Write the layer of a text form beside the card of the fusion; without one, an earlier file is deleted."""
    from safetensors.numpy import save_file

    path = folder / "fusion.safetensors"
    if weights is None:
        path.unlink(missing_ok=True)
        return None
    with replacing(path) as temporary:
        save_file(weights, temporary)
    return cards.Component(
        title=f"{name} over the text head's emotion vector and the embedding, trained on meld",
        licence=f"{licence}; meld: {CORPORA['meld'].licence}",
        sha256=file_hash(path),
        file=path.name,
        bytes=path.stat().st_size,
        parameters=int(sum(tensor.size for tensor in weights.values())),
    )


def _gain(table: Path, prefix: str) -> float:
    """Nats by which the columns with a prefix improve on the prior: fitted on MELD's train, measured on its dev."""
    require("polars", "sklearn", extra="train", what="the late fusion needs {}")
    import polars as pl
    from sklearn.linear_model import LogisticRegression

    if not table.exists():
        raise InputError(f"{table} is missing: the fusion needs MELD's table of action units and voice attributes")
    rows = pl.read_parquet(table)
    columns = [name for name in rows.columns if name.startswith(prefix) and rows[name].dtype.is_numeric()]
    if not columns:
        raise InputError(f"{table}: no numeric column begins with '{prefix}'; it has {', '.join(rows.columns)}")
    rows = rows.drop_nulls(columns).filter(~pl.any_horizontal(pl.col(columns).is_nan()))
    parts = {split: rows.filter(pl.col("split") == split) for split in ("train", "dev")}
    classes = {split: np.array([EKMAN7.index(name) for name in part["Emotion"]]) for split, part in parts.items()}
    values = {split: part.select(columns).to_numpy() for split, part in parts.items()}
    mean, deviation = values["train"].mean(0), values["train"].std(0)
    scaled = {split: _curved((x - mean) / np.where(deviation > 0, deviation, 1)) for split, x in values.items()}
    fitted = LogisticRegression(C=_STRENGTH, max_iter=500).fit(scaled["train"], classes["train"])
    prior = np.bincount(classes["train"], minlength=len(EKMAN7)) / len(classes["train"])
    before = log_loss(np.tile(prior, (len(classes["dev"]), 1)), classes["dev"])
    return before - log_loss(fitted.predict_proba(scaled["dev"]), classes["dev"])


def _curved(values: np.ndarray) -> np.ndarray:
    """The values with their squares, so that a middle level may differ from both ends."""
    return np.concatenate([values, values**2], axis=1)


def fusion_card(
    settings: cards.Fusion,
    results: Sequence[cards.Results],
    options: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, int]],
) -> cards.ModelCard:
    """The card of the fusion from what was fitted, and the utterances of each label by part of MELD."""
    sources = (cards.Source.of("meld", mapped=False),)
    return cards.ModelCard(
        name="fusion",
        title="Late fusion of the text, voice and face heads in conversation",
        summary="Weighs what text, voice and face say of an utterance in a recorded conversation, in English.",
        licence=cards.terms(sources),
        labels=EKMAN7,
        data=cards.Data(
            sources,
            "The official split: the text form is fitted on train, chosen on dev, measured on test. Trust in voice and "
            "face is from corpora that their heads were not trained on.",
            tuple(cards.Samples("meld", split, dict(of)) for split, of in counts.items()),
        ),
        training=cards.Training("Temperature, bias and logistic regression by maximum likelihood.", dict(options)),
        results=tuple(results),
        fusion=settings,
    )


def dev_results(losses: Mapping[str, float]) -> cards.Results:
    """The log loss of each text form on MELD's dev part, which chooses."""
    rows = tuple(cards.Measurement(name, {"log_loss": round(loss, 4)}) for name, loss in losses.items())
    return cards.Results("forms", "Text forms on MELD dev", "The form with the smallest log loss is shipped.", rows)


def test_results(rows: Sequence[cards.Measurement], twins: Mapping[str, int]) -> cards.Results:
    """The text forms on MELD's test part; ``twins`` counts utterances with the words of a training text."""
    return cards.Results(
        name="test",
        heading=f"{CORPORA['meld'].title}, official test, text alone",
        note="The first row is out of domain: the head was not trained on MELD; "
        f"{twins['utterances']} of {rows[0].items} test utterances have the words of a training text, "
        f"{twins['of_five_words_or_more']} of them five words or more. The last row was trained on MELD's training "
        "part wherever its form is a layer or an encoder. Intervals resample dialogues; this part chose nothing.",
        rows=tuple(rows),
        figures=dict(twins),
    )


def abstention_results(pairs: Sequence[Mapping[str, float | None]]) -> cards.Results:
    """Coverage and accuracy of the utterances kept, by threshold."""
    rows = []
    for pair in pairs:
        figures = {
            name: round(value, 4)
            for name in ("coverage", "accuracy")
            if (value := pair[name]) is not None and not np.isnan(value)
        }
        rows.append(cards.Measurement(f"{pair['threshold']:.2f}", dict(figures)))
    note = "By confidence threshold: share of MELD's dev utterances that are kept, and accuracy on them, text alone."
    return cards.Results("abstention", "Abstention", note, tuple(rows))


def elsewhere_results(items: int, figures: Mapping[str, Mapping[str, float]]) -> cards.Results:
    """The text forms on IEMOCAP."""
    return cards.Results(
        name="iemocap",
        heading=f"{CORPORA['iemocap'].title}, text alone",
        note=f"No form was trained on this corpus: {items:,} utterances of four classes (excited counts as joy), and "
        "the probabilities of their four labels alone, scaled to 1. Chance is 1/4, log loss 1.386.",
        rows=tuple(cards.Measurement(name, dict(own), items) for name, own in figures.items()),
    )
