"""The page of a tuned encoder: Markdown, made from its record alone."""

from __future__ import annotations

from typing import Any

from merc.reporting.head_card import interval, table


def tuned_page(record: dict[str, Any]) -> str:
    """The card of a tuned encoder as Markdown."""
    kept, test = record["weights"], record["test"]
    options = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in record["options"].items())
    parts = [
        f"# {record['title']}",
        f"**{record['stamp']}.** Predicts a label for an expression: {', '.join(record['labels'])}. It does not say "
        "how somebody feels. Not for use at work or in education (EU AI Act), nor to decide about people.",
        f"**Licence of the weights:** {record['licence']}. File `{kept['file']}`, {kept['bytes']:,} bytes, SHA-256 "
        f"`{kept['sha256']}`, over {record['encoder']['encoder']} `{record['encoder']['sha256']}`.",
        "## Texts",
        _texts(record),
        _overlap(record),
        "## Training",
        "AdamW with weight decay .01 on cross-entropy weighted by class, batches of like length, products in bfloat16 "
        f"where the processor has them; epoch {record['epoch']} has the least loss on the validation part. Options: "
        f"{options}.{_start(record)}",
        table(
            ("epoch", "validation loss", "accuracy", "macro F1"),
            [(n, *(f"{row[m]:.3f}" for m in ("loss", "accuracy", "macro_f1"))) for n, row in _epochs(record)],
        ),
        "## Results on the test part",
        "Value and 95 % bootstrap interval over texts. The test part chose nothing.",
        _results(test),
        _noise(test),
        _classes(test),
        "Annotated classes in rows, predicted in columns:",
        table(
            ("", *record["labels"]),
            [(f"**{label}**", *row) for label, row in zip(record["labels"], test["confusion"], strict=True)],
        ),
        f"**Calibration.** Temperature {record['temperature']:.3f}, fitted on the validation part. Expected "
        f"calibration error on the test part: {test['overall']['ece_before_temperature']:.3f} before, "
        f"{test['overall']['ece']:.3f} after.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _start(record: dict[str, Any]) -> str:
    """What the tuning went on from, where it did."""
    if "start" not in record:
        return ""
    return f" It began with `{record['start']['file']}` of another tuning, SHA-256 `{record['start']['sha256']}`."


def _epochs(record: dict[str, Any]) -> list[tuple[int, dict[str, float]]]:
    return list(enumerate(record["validation"]))


def _texts(record: dict[str, Any]) -> str:
    texts = record["texts"]
    rows: list[tuple[object, ...]] = []
    for part, counts in texts["by_part"].items():
        for what in ("items", "texts"):
            values = [counts[label][what] for label in record["labels"]]
            rows.append((part, "items" if what == "items" else "distinct texts", *values, sum(values)))
    values = [texts["distinct_in_corpora"][label] for label in record["labels"]]
    rows.append(("all five corpora", "distinct texts", *values, sum(values)))
    return table(("part", "counted", *record["labels"], "sum"), rows)


def _overlap(record: dict[str, Any]) -> str:
    shared = record["texts"]["overlap"]
    total = record["test"]["overall"]["items"]
    return (
        f"Test utterances whose text is in the training part too: **{shared['items']:,} of {total:,} "
        f"({100 * shared['share']:.1f} %)**."
    )


def _results(test: dict[str, Any]) -> str:
    names = ("accuracy", "macro_f1", "weighted_f1", "unweighted_recall")
    rows = [("all", test["overall"]), *test["by_corpus"].items()]
    for key, who in (
        ("without_noisy", "all without CrowdFlower"),
        ("new", "texts that training has not"),
        ("shared", "texts that training has too"),
    ):
        if key in test:
            rows.insert(1, (who, test[key]))
    lines = [(who, f["items"], *(interval(f[n]) for n in names), f"{f['ece']:.3f}") for who, f in rows]
    return table(("corpus", "items", *(n.replace("_", " ") for n in names), "ECE"), lines)


def _noise(test: dict[str, Any]) -> str:
    if "noise_costs" not in test:
        return ""
    costs = test["noise_costs"]
    return (
        "With CrowdFlower's test items left out, the same encoder has "
        f"{100 * costs['accuracy']:+.1f} points of accuracy and {100 * costs['macro_f1']:+.1f} of macro F1."
    )


def _classes(test: dict[str, Any]) -> str:
    names = list(test["by_corpus"])
    rows = [
        (
            label,
            test["overall"]["support"][label],
            interval(figure),
            *(interval(test["by_corpus"][n]["recall"][label]) for n in names),
        )
        for label, figure in test["overall"]["recall"].items()
    ]
    return "Recall by class:\n\n" + table(("class", "items", "all", *names), rows)
