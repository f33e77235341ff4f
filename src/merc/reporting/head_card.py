"""The page of a card: Markdown, made from its record alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def page(record: dict[str, Any]) -> str:
    """The card of a head as Markdown."""
    parts = [
        f"# {record['title']}",
        f"{record['use']}\n\nPredicts a label for an expression: {', '.join(record['labels'])}. It does not say how "
        "somebody feels. Not for use at work or in education (EU AI Act), nor to decide about people.",
        f"**Licence of the weights:** {record['licence']}.",
        _facts(record),
        "## Data",
        *(_corpus(name, corpus) for name, corpus in record["data"].items()),
        "### Samples used",
        _counts(record),
        f"**Split.** {record['split']}",
        "## Training",
        _options(record),
        _ablation(record),
        "## Results on the test part",
        "Value and 95 % bootstrap interval. The shipped seed was chosen on the validation part; the test part was not "
        "used to choose anything.",
        _results(record["test"]),
        _recalls(record["test"]),
        _confusion(record),
        _seeds(record),
        _calibration(record),
    ]
    if "cross_corpus" in record:
        parts += ["## Across corpora", _crossed(record["cross_corpus"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def interval(figure: Sequence[float] | None) -> str:
    """A figure with its interval, as in ``.612 [.590, .634]``; a dash where no item has the class."""
    if figure is None:
        return "–"
    return f"{figure[0]:.3f} [{figure[1]:.3f}, {figure[2]:.3f}]"


def _facts(record: dict[str, Any]) -> str:
    encoder, weights = record["encoder"], record["weights"]
    options = ", ".join(f"{name} {value}" for name, value in encoder.items() if name not in ("encoder", "sha256"))
    return table(
        ("", ""),
        [
            ("encoder, frozen", f"{encoder['encoder']} ({options})"),
            ("encoder's SHA-256", f"`{encoder['sha256']}`"),
            ("head", f"`{weights['file']}`, {weights['parameters']:,} parameters, {weights['bytes']:,} bytes"),
            ("head's SHA-256", f"`{weights['sha256']}`"),
        ],
    )


def _corpus(name: str, corpus: dict[str, Any]) -> str:
    kept = [f"{label} → {target}" for label, target in corpus["map"].items() if target]
    dropped = [label for label, target in corpus["map"].items() if not target]
    lines = [
        f"**{name}**: {corpus['title']}, {corpus['source']}. Licence: {corpus['licence']}.",
        f"- Map: {', '.join(kept)}"
        + (f"; dropped: {', '.join(dropped)}" if dropped else "")
        + f". Why: {corpus['why']}.",
        f"- Known defects: {'; '.join(corpus['defects'])}.",
    ]
    if corpus["removed"]:
        lines.append("- Left out: " + "; ".join(f"{n:,} {reason}" for reason, n in corpus["removed"].items()) + ".")
    return "\n".join(lines)


def _counts(record: dict[str, Any]) -> str:
    rows = []
    for name, corpus in record["data"].items():
        for part, counts in corpus["counts"].items():
            rows.append((name, part, *counts.values(), sum(counts.values())))
    for part in next(iter(record["data"].values()))["counts"]:
        sums = [sum(c["counts"][part][label] for c in record["data"].values()) for label in record["labels"]]
        rows.append(("**all**", part, *sums, sum(sums)))
    return table(("corpus", "part", *record["labels"], "sum"), rows)


def _options(record: dict[str, Any]) -> str:
    options = ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in record["options"].items())
    return (
        "Linear, batch normalisation, ReLU, dropout, twice, then linear; Adam on cross-entropy weighted by class; the "
        "learning rate falls to a tenth on a plateau; stopped early, always by the macro F1 of the validation part. "
        f"Inputs are standardised by the training part. Options: {options}."
    )


def _said(value: object) -> str:
    """A number, or several joined by "and", alike for a tuple and for the list that JSON makes of it."""
    return " and ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _ablation(record: dict[str, Any]) -> str:
    rows = [(r["change"], f"{r['validation_macro_f1']:.3f}", f"{r['sd']:.3f}", r["n"]) for r in record["ablation"]]
    return "Changes of one option at a time, on the **validation** part:\n\n" + table(
        ("change", "macro F1", "sd", "seeds"), rows
    )


def _results(test: dict[str, Any]) -> str:
    names = ("accuracy", "macro_f1", "weighted_f1", "unweighted_recall")
    rows = [("all", test["overall"]), *test["by_corpus"].items()]
    lines = [(who, f["items"], *(interval(f[n]) for n in names), f"{f['ece']:.3f}") for who, f in rows]
    return table(("corpus", "items", *(n.replace("_", " ") for n in names), "ECE"), lines)


def _recalls(test: dict[str, Any]) -> str:
    overall = test["overall"]
    names = list(test["by_corpus"])
    rows = [
        (
            label,
            overall["support"][label],
            interval(figure),
            *(interval(test["by_corpus"][n]["recall"][label]) for n in names),
        )
        for label, figure in overall["recall"].items()
    ]
    return "Recall by class:\n\n" + table(("class", "items", "all", *names), rows)


def _confusion(record: dict[str, Any]) -> str:
    rows = [(f"**{label}**", *row) for label, row in zip(record["labels"], record["test"]["confusion"], strict=True)]
    return "Annotated classes in rows, predicted in columns:\n\n" + table(("", *record["labels"]), rows)


def _seeds(record: dict[str, Any]) -> str:
    names = [name for name in record["test"]["seeds"][0] if name not in ("seed", "epoch")]
    rows: list[tuple[object, ...]] = [
        (
            f"{r['seed']}{' (shipped)' if r['seed'] == record['shipped_seed'] else ''}",
            r["epoch"],
            *(f"{r[n]:.3f}" for n in names),
        )
        for r in record["test"]["seeds"]
    ]
    spread = record["over_seeds"]
    rows.append(("mean ± sd", "", *(f"{spread[n]['mean']:.3f} ± {spread[n]['sd']:.3f}" for n in names)))
    return table(("seed", "epoch", *(n.replace("_", " ") for n in names)), rows)


def _calibration(record: dict[str, Any]) -> str:
    overall, fitted = record["test"]["overall"], record["calibration"]
    return (
        f"**Calibration.** Temperature {fitted['temperature']:.3f}, fitted on the {fitted['fitted_on']}. Expected "
        f"calibration error on the test part: {overall['ece_before_temperature']:.3f} before, "
        f"{overall['ece']:.3f} after."
    )


def _crossed(crossed: dict[str, Any]) -> str:
    names = ("accuracy", "macro_f1", "unweighted_recall")
    rows = [
        (
            who,
            ", ".join(f["trained_on"]),
            f["training_items"],
            f["items"],
            *(interval(f[n]) for n in names),
            f["log_loss"],
        )
        for who, f in crossed["by_corpus"].items()
    ]
    head = ("left out", "trained on", "training items", "items", *(n.replace("_", " ") for n in names), "log loss")
    return (
        "Trained without one corpus, tested on the whole of it: nearer to what a new recording meets than the figures "
        f"above. Chance is 1/7, log loss 1.946.\n\n{table(head, rows)}\n\nFrom these, the trust in late fusion: "
        f"**{crossed['trust']:.3f}**, the power of the evidence that fits the left-out corpora best (log loss "
        f"{crossed['log_loss']['ignored']:.3f} without the head, {crossed['log_loss']['trusted']:.3f} with this trust, "
        f"{crossed['log_loss']['at_its_word']:.3f} at its word)."
    )


def _trust(record: dict[str, Any], modality: str) -> str:
    """Where the weight of voice or face comes from, in a sentence."""
    own = record[modality]
    return (
        f"{modality.capitalize()}: **{own['weight']:.3f}**, from {own['trust_left_out']:.3f} on corpora left out, "
        f"where the head gains {own['gain_left_out']:.3f} nats over the prior, and {own['gain_in_conversation']:.3f} "
        f"nats that MELD's {'voice attributes' if modality == 'voice' else 'action units'} gain on dev."
    )


def fusion_page(record: dict[str, Any]) -> str:
    """The card of the fusion as Markdown."""
    text, test, abstention = record["text"], record["test"], record["abstention"]
    names = ("accuracy", "macro_f1", "weighted_f1", "unweighted_recall")
    figures = [
        (when, *(interval(test[key][n]) for n in names), f"{test[key]['ece']:.3f}", f"{test[key]['log_loss']:.3f}")
        for when, key in (
            ("as trained on written texts", "before"),
            ("temperature and bias from conversation", "scaled"),
            (f"as shipped: {text['form']}", "after"),
        )
    ]
    pairs = [
        (f"{r['threshold']:.2f}", f"{r['coverage']:.3f}", "–" if r["accuracy"] is None else f"{r['accuracy']:.3f}")
        for r in abstention["dev"]
    ]
    rivals = ", ".join(f"{name} {loss:.3f}" for name, loss in text["rivals_on_dev"].items())
    parts = [
        f"# {record['title'].capitalize()}",
        "log p(y) = log p_text(y) + Σ trust (log p_head(y) − log prior_head(y)) + const, over voice and face; "
        "where there are no words, the prior of conversation stands in for the text.",
        f"**Text.** Shipped form: {text['form']}, fitted on {text['fitted_on']}; log loss on dev: {rivals}. With "
        f"temperature {text['temperature']:.3f} and the biases below, the head is moved to conversation without "
        f"learning from its words.{_layer(text['layer'])}{_reader(text.get('encoder'))}",
        f"**Trust.** {_trust(record, 'voice')} {_trust(record, 'face')} The corpora left out are acted or posed, so "
        "theirs is an upper bound; coarse attributes of MELD's voices and faces, often of the wrong person, give a "
        "lower one. The trust is half-way between the two on a logarithmic scale: a judgement, not a fit.",
        table(
            ("label", "prior, conversation", "bias, text", "prior, voice", "prior, face", "recall, MELD test"),
            _label_rows(record),
        ),
        f"## {test['corpus']}",
        "The first row is out of domain: the head has not been trained on MELD; "
        f"{test['twins']['utterances']} of {test['after']['items']} test utterances have the words of a training text, "
        f"{test['twins']['of_five_words_or_more']} of them five words or more. The last row has learnt from MELD's "
        "training part wherever its form is a layer or an encoder. Intervals resample dialogues; this part chose "
        f"nothing. Known defects of the corpus: {'; '.join(record['data']['meld']['defects'])}.",
        table(("text head", *(n.replace("_", " ") for n in names), "ECE", "log loss"), figures),
        *_elsewhere(record.get("elsewhere")),
        "## Abstention",
        f"Threshold **{abstention['threshold']:.2f}**: {abstention['rule']}.",
        table(("confidence at least", "coverage", "accuracy of those kept"), pairs),
    ]
    return "\n\n".join(parts) + "\n"


def _label_rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """Priors, biases and recall of each label."""
    return [
        (
            label,
            f"{record['prior'][label]:.3f}",
            f"{record['text']['bias'][label]:+.3f}",
            f"{record['voice']['prior'][label]:.3f}",
            f"{record['face']['prior'][label]:.3f}",
            interval(record["test"]["after"]["recall"][label]),
        )
        for label in record["labels"]
    ]


def _layer(layer: dict[str, Any] | None) -> str:
    if layer is None:
        return ""
    return (
        f" The layer (`{layer['file']}`, {layer['parameters']:,} parameters, SHA-256 `{layer['sha256']}`) reads the "
        f"head's emotion vector and the embedding. Licence: {layer['licence']}."
    )


def _reader(encoder: dict[str, Any] | None) -> str:
    if encoder is None:
        return ""
    return (
        f" The encoder (`{encoder['name']}`, SHA-256 `{encoder['sha256']}`) reads an utterance behind what was said "
        "before it, speakers told by number; two layers that were trained with it give the logits, whose temperature "
        f"{encoder['temperature']:.3f} is fitted on dev, since it knows the training utterances by heart; dev chose "
        f"its epoch too. Licence: {encoder['licence']}."
    )


def _elsewhere(found: dict[str, Any] | None) -> list[str]:
    """What becomes of each form on a corpus that none of them has met."""
    if found is None:
        return []
    rows = [(name, f"{own['accuracy']:.3f}", f"{own['log_loss']:.3f}") for name, own in found["forms"].items()]
    return [
        f"## {found['corpus']}, text alone",
        f"None of the forms has met this corpus: {found['items']:,} utterances of four classes (excited counts as "
        "joy), and the probabilities of their four labels alone, scaled to 1. Chance is 1/4, log loss 1.386.",
        table(("text head", "accuracy", "log loss"), rows),
    ]
