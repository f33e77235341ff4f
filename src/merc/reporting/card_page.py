"""The one printer of model cards: Markdown from a ``ModelCard``, section by section; empty sections are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from merc.reporting.cards import Base, Change, Component, Data, Figure, Fusion, ModelCard, Results, Training
from merc.reporting.markdown import joined, table

_NOTICE = (
    "Predicts a label for an expression: {labels}. It does not say how somebody feels. Not for use at work or in "
    "education (EU AI Act), nor to decide about people."
)
_WORDS = {
    "ece": "ECE",
    "ece_before_temperature": "ECE before calibration",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "validation_macro_f1": "validation macro F1",
    "test_macro_f1": "test macro F1",
}


def page(card: ModelCard) -> str:
    """A card as Markdown."""
    start = card.training.start
    also = f" The terms of `{start.file}` (`{start.sha256[:12]}…`), with which it began, hold too." if start else ""
    parts = [
        f"# {card.title}",
        f"{card.summary}\n\n{_NOTICE.format(labels=', '.join(card.labels))}",
        f"**Licence of the weights:** {card.licence}.{also}",
        _files(card),
        _fusion(card.fusion) if card.fusion else "",
        *_data(card.data, card.labels),
        *_training(card.training),
        *(part for results in card.results for part in _results(results, card.labels)),
        _calibration(card),
        *card.notes,
    ]
    return joined(parts) + "\n"


def interval(figure: Figure | None) -> str:
    """A figure, with its interval where it has one, as in ``0.612 [0.590, 0.634]``; a dash where there is none."""
    if figure is None:
        return "–"
    if isinstance(figure, int | float):
        return f"{figure:.3f}"
    return f"{figure[0]:.3f} [{figure[1]:.3f}, {figure[2]:.3f}]"


def rows(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    """A Markdown table of values."""
    return table([[str(cell) for cell in line] for line in (head, *lines)])


def _word(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))


def _value(value: object) -> str:
    """A number, or several joined by "and", alike for a tuple and for the list that JSON makes of it."""
    return " and ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _options(options: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in options.items())


def _files(card: ModelCard) -> str:
    lines: list[tuple[str, str]] = []
    if card.base:
        lines += _base(card.base)
    if card.weights:
        size = f"{card.weights.bytes:,} bytes"
        if card.weights.parameters is not None:
            size = f"{card.weights.parameters:,} parameters, {size}"
        lines += [("weights", f"`{card.weights.file}`, {size}"), ("SHA-256 of the weights", f"`{card.weights.sha256}`")]
    return rows(("", ""), lines) if lines else ""


def _base(base: Base) -> list[tuple[str, str]]:
    options = f" ({_options(base.options)})" if base.options else ""
    return [(f"encoder, {base.mode}", f"{base.name}{options}"), ("SHA-256 of the encoder", f"`{base.sha256}`")]


def _data(data: Data, labels: Sequence[str]) -> list[str]:
    parts = ["## Data"]
    for one in data.sources:
        lines = [f"**{one.name}**: {one.title}, {one.source}. Licence: {one.licence}."]
        if one.labels:
            kept = ", ".join(f"{label} → {target}" for label, target in one.labels.items() if target)
            dropped = ", ".join(label for label, target in one.labels.items() if not target)
            lines.append(f"- Labels: {kept}{f'; dropped: {dropped}' if dropped else ''}. Why: {one.why}.")
        if one.defects:
            lines.append(f"- Known defects: {'; '.join(one.defects)}.")
        if one.removed:
            lines.append("- Left out: " + "; ".join(f"{n:,} {reason}" for reason, n in one.removed.items()) + ".")
        parts.append("\n".join(lines))
    if data.samples:
        parts += ["### Samples", _samples(data, labels)]
    parts.append(f"**Split.** {data.split}")
    if data.shared:
        parts.append(
            f"Test items whose text is in the training part too: **{data.shared.items:,} of {data.shared.of:,} "
            f"({100 * data.shared.share:.1f} %)**."
        )
    return parts


def _samples(data: Data, labels: Sequence[str]) -> str:
    """Counts of each label, and, for several corpora, their sums."""
    names = list(data.samples[0].counts)
    order = [label for label in labels if label in names] or names
    counted = [(one.of, one.part, [one.counts[label] for label in order]) for one in data.samples]
    if {one.of for one in data.samples} == {one.name for one in data.sources} and len(data.sources) > 1:
        for part in dict.fromkeys(one.part for one in data.samples):
            own = [one.counts for one in data.samples if one.part == part]
            counted.append(("**all**", part, [sum(counts[label] for counts in own) for label in order]))
    return rows(("of", "part", *order, "sum"), [(of, part, *counts, sum(counts)) for of, part, counts in counted])


def _training(training: Training) -> list[str]:
    start = training.start
    began = f" Trained from `{start.file}`, SHA-256 `{start.sha256}`." if start else ""
    options = f" Options: {_options(training.options)}." if training.options else ""
    return [
        "## Training",
        f"{training.method}{options}{began}",
        _history(training),
        _ablation(training.ablation),
        _seeds(training),
    ]


def _history(training: Training) -> str:
    if not training.history:
        return ""
    names = list(training.history[0])
    lines = [
        (f"{n}{' (chosen)' if n == training.best_epoch else ''}", *(interval(one[name]) for name in names))
        for n, one in enumerate(training.history, 1)
    ]
    return "Figures on the validation part:\n\n" + rows(("epoch", *map(_word, names)), lines)


def _ablation(ablation: Sequence[Change]) -> str:
    if not ablation:
        return ""
    lines = [(one.change, interval(one.macro_f1), interval(one.sd), one.seeds) for one in ablation]
    head = ("change", "macro F1", "sd", "seeds")
    return "Changes of one option at a time, on the **validation** part:\n\n" + rows(head, lines)


def _seeds(training: Training) -> str:
    if not training.seeds:
        return ""
    names = list(training.seeds[0].figures)
    lines: list[tuple[object, ...]] = [
        (
            f"{one.seed}{' (shipped)' if one.seed == training.shipped_seed else ''}",
            one.epoch,
            *(interval(one.figures[name]) for name in names),
        )
        for one in training.seeds
    ]
    lines.append(("mean ± sd", "", *(_spread([one.figures[name] for one in training.seeds]) for name in names)))
    return rows(("seed", "epoch", *map(_word, names)), lines)


def _spread(values: Sequence[float]) -> str:
    mean = round(float(np.mean(values)), 4)
    return f"{mean:.3f} ± {round(float(np.std(values, ddof=min(1, len(values) - 1))), 4):.3f}"


def _results(results: Results, labels: Sequence[str]) -> list[str]:
    figures = list(dict.fromkeys(name for one in results.rows for name in one.figures))
    facts = list(dict.fromkeys(name for one in results.rows for name in one.facts))
    counted = any(one.items is not None for one in results.rows)
    head = ["", *(["items"] if counted else []), *facts, *map(_word, figures)]
    lines = [
        [
            one.name,
            *([one.items] if counted else []),
            *(one.facts.get(name, "–") for name in facts),
            *(interval(one.figures.get(name)) for name in figures),
        ]
        for one in results.rows
    ]
    parts = [f"## {results.heading}", results.note, rows(head, lines), _by_class(results)]
    if results.confusion:
        matrix = [(f"**{label}**", *row) for label, row in zip(labels, results.confusion, strict=True)]
        parts.append("Annotated classes in rows, predicted in columns:\n\n" + rows(("", *labels), matrix))
    return [*parts, results.conclusion]


def _by_class(results: Results) -> str:
    found = [one for one in results.rows if one.by_class]
    if not found:
        return ""
    counted = bool(found[0].support)
    lines = [
        (label, *([found[0].support[label]] if counted else []), *(interval(one.by_class[label]) for one in found))
        for label in found[0].by_class
    ]
    title = results.by_class[0].upper() + results.by_class[1:]
    head = ("class", *(["items"] if counted else []), *(one.name for one in found))
    return f"{title} by class:\n\n" + rows(head, lines)


def _calibration(card: ModelCard) -> str:
    fitted = card.calibration
    if fitted is None:
        return ""
    return (
        f"**Calibration.** Temperature {fitted.temperature:.3f}, fitted on the {fitted.fitted_on}. Expected "
        f"calibration error on the test part: {fitted.ece_before:.3f} before, {fitted.ece_after:.3f} after."
    )


def _fusion(fusion: Fusion) -> str:
    text = fusion.text
    label_rows = [
        (
            label,
            f"{fusion.prior[label]:.3f}",
            f"{text.bias[label]:+.3f}",
            f"{fusion.voice.prior[label]:.3f}",
            f"{fusion.face.prior[label]:.3f}",
        )
        for label in fusion.prior
    ]
    parts = [
        "## Fusion",
        "log p(y) = log p_text(y) + Σ trust (log p_head(y) − log prior_head(y)) + const, over voice and face; without "
        f"words, the prior of conversation takes the place of the text.{_flattened(fusion)}{_levels(fusion)}",
        f"**Text.** Shipped form: {text.form}, fitted on {text.fitted_on}. Temperature {text.temperature:.3f} and the "
        "biases below adapt the text head to conversation without learning from its words."
        f"{_component(text.layer)}{_component(text.encoder)}",
        f"**Trust.** {_trust(fusion, 'voice')} {_trust(fusion, 'face')} That of the voice has the largest likelihood "
        "in conversations drawn from the corpora left out: mostly neutral, of few utterances, or of one mood. Nobody "
        "talks in the corpora of faces, which are posed, so theirs is an upper bound; coarse attributes of MELD's "
        "faces, often of the wrong person, give a lower one, and the trust is half-way between the two on a "
        "logarithmic scale: a judgement, not a fit.",
        rows(("label", "prior, conversation", "bias, text", "prior, voice", "prior, face"), label_rows),
        f"**Abstention.** Threshold **{fusion.abstention.threshold:.2f}**: {fusion.abstention.rule}.",
    ]
    return joined(parts)


def _flattened(fusion: Fusion) -> str:
    """What happens to the posterior of utterances without words."""
    if fusion.temperature_without_words == 1:
        return ""
    return (
        f" That posterior has the temperature {fusion.temperature_without_words:.3f}, fitted on dialogues of MELD dev "
        "with planted voices and no words."
    )


def _levels(fusion: Fusion) -> str:
    """How far a speaker's voice counts."""
    voice = fusion.voice
    if not voice.levels or voice.agreement is None:
        return ""
    shares = ", ".join(f"{trust:g} with probability {share:.3f}" for trust, share in voice.levels)
    return (
        f" The trust in a speaker's voice is {shares}, before the speaker's utterances tell: each level gains "
        f"{voice.agreement:.3f} times the nats by which the words foretell the voice better than the prior does. It is "
        "fitted on dialogues of MELD dev with planted voices, some of which tell nothing; the single trust below is "
        "for comparison."
    )


def _trust(fusion: Fusion, modality: str) -> str:
    own = fusion.voice if modality == "voice" else fusion.face
    return (
        f"{modality.capitalize()}: **{own.weight:.3f}**, from {own.trust_left_out:.3f} on corpora left out, where the "
        f"head gains {own.gain_left_out:.3f} nats over the prior, and {own.gain_in_conversation:.3f} nats that MELD's "
        f"{'voice attributes' if modality == 'voice' else 'action units'} gain on dev."
    )


def _component(part: Component | None) -> str:
    if part is None:
        return ""
    if part.temperature is None:
        return (
            f" The layer (`{part.file}`, {part.parameters:,} parameters, SHA-256 `{part.sha256}`) reads the emotion "
            f"vector of the head and the embedding. Licence: {part.licence}."
        )
    return (
        f" The encoder (`{part.name}`, SHA-256 `{part.sha256}`) reads an utterance in the context of those before it, "
        "with anonymised speaker ids; two layers that were trained with it give the logits. Their temperature "
        f"{part.temperature:.3f} is fitted on dev, as the encoder knows the training utterances by heart; dev chose "
        f"its epoch too. Licence: {part.licence}."
    )
