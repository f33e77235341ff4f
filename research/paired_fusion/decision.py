"""Which fusion is shipped, by a rule and not by the figure that looks best, and the page that says why.

The Mamba fusion takes the place of the late fusion only if every condition holds: on words alone it is no worse; with
people drawn as often as tells what voices and faces tell in conversation its weighted F1 is significantly higher and
its log loss no higher; with people drawn regardless of the label it is at most a point worse; and it gives at least as
many utterances of the real recordings their annotated label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merc.evaluation.significance import LEVEL
from merc.reporting.card_page import rows as table

SLACK = 0.01
"""Weighted F1 by which it may be below the late fusion where people are drawn regardless of the label."""
_ALL = "text+voice+face"


def decision(rows: Sequence[Mapping[str, Any]], clips: Mapping[str, Any] | None) -> dict[str, Any]:
    """Whether the Mamba fusion is shipped: the conditions, each with both figures and whether it holds.

    ``rows`` are those of ``compare.comparison``; ``clips`` holds ``late`` and ``mamba``, each with the number
    of ``right`` labels, or is None where no recording could be judged, and then nothing is shipped.
    """
    by_name = {(row["drawn"], "+".join(row["modalities"])): row for row in rows}
    alone, spoken = by_name["nobody", "text"], by_name["as in conversation", _ALL]
    unrelated = by_name["regardless of the label", _ALL]
    difference, _, _, p = spoken["difference"]
    conditions = [
        _condition("words alone: weighted F1 not lower", alone, "weighted_f1", alone["difference"][0] >= 0),
        _condition(
            f"as in conversation: weighted F1 higher, p < {LEVEL:g}",
            spoken,
            "weighted_f1",
            difference > 0 and p < LEVEL,
        ),
        _condition(
            "as in conversation: log loss not higher",
            spoken,
            "log_loss",
            spoken["mamba"]["log_loss"] <= spoken["late"]["log_loss"],
        ),
        _condition(
            f"people regardless of the label: weighted F1 not lower by more than {SLACK:g}",
            unrelated,
            "weighted_f1",
            unrelated["difference"][0] >= -SLACK,
        ),
    ]
    if clips is not None:
        right = {who: clips[who]["right"] for who in ("late", "mamba")}
        conditions.append(
            {"what": "real recordings: no fewer right labels", **right, "holds": right["mamba"] >= right["late"]}
        )
    return {
        "conditions": conditions,
        "clips_judged": clips is not None,
        "shipped": "mamba" if clips is not None and all(one["holds"] for one in conditions) else "late",
    }


def _condition(what: str, row: Mapping[str, Any], figure: str, holds: bool) -> dict[str, Any]:
    return {"what": what, "late": row["late"][figure], "mamba": row["mamba"][figure], "holds": bool(holds)}


def mamba_page(record: Mapping[str, Any]) -> str:
    """The card of the Mamba fusion as Markdown."""
    options, weights = record["options"], record["weights"]
    parts = [
        f"# {record['title']}",
        "No recording with words, voice, face and labels has trained this fusion. Its words are those of MELD's "
        "training part; the voice and the face beside them are those of **other people**, drawn by label from acted "
        "voices (RAVDESS, TESS, SAVEE) and from pictures (RAF-DB, CK+), anew in every epoch. Such people show a label "
        "far more clearly than people who talk to each other, so a fusion trained on them trusts voices and faces more "
        "than conversation deserves; the comparison below measures how much.",
        f"**Licence of the weights:** {record['licence']}. `{weights['file']}`, {weights['parameters']:,} parameters, "
        f"{weights['bytes']:,} bytes, SHA-256 `{weights['sha256']}`: made by `python -m research.paired_fusion`, part "
        "of the package only where the decision says so.",
        *_decided(record),
        "## People",
        _people(record),
        "## Comparison on the half of MELD dev that chose nothing",
        "Means over three draws of people (and three seeds of the Mamba fusion); the difference with its 95 % interval "
        "and p by paired bootstrap over dialogues.",
        _comparison(record["comparison"]),
        "## Ways of training",
        "Seed 0 of each; weighted F1 on the same half. Chosen among the first four, by the other half alone: "
        f"{options['reads']}, people by {options['pairing']} (figure: mean weighted F1 of words alone and of all three "
        "as in conversation). Vectors are in-sample, from heads trained on these people; evidence is "
        "out-of-fold.",
        _ways(record["ways"]),
        "## Training",
        ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in options.items())
        + f"; temperature {record['temperature']:.3f}; seeds "
        + ", ".join(f"{one['seed']} (epoch {one['epoch']}, {one['chosen_by']:.3f})" for one in record["seeds"])
        + f"; seed {record['shipped_seed']} is kept.",
    ]
    return "\n\n".join(parts) + "\n"


def _said(value: Any) -> str:
    """A value of an option; several of them look the same before and after they were written as JSON."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _decided(record: Mapping[str, Any]) -> list[str]:
    if "decision" not in record:
        return []
    found = record["decision"]
    rows = [
        (one["what"], f"{one['late']:.3g}", f"{one['mamba']:.3g}", "yes" if one["holds"] else "**no**")
        for one in found["conditions"]
    ]
    text = ["## Decision", f"Shipped: the **{found['shipped']} fusion**. All conditions have to hold."]
    text.append(table(("condition", "late", "Mamba", "holds"), rows))
    if not found["clips_judged"]:
        return [*text, "No real recording was there to be judged, so nothing new is shipped."]
    clips = record["clips"]
    rows = [(one["annotated"], one["seen"], one["late"], one["mamba"]) for one in clips["utterances"]]
    summary = [
        (
            who,
            f"{clips[name]['right']} of {len(rows)}",
            f"{clips[name]['log_loss']:.3f}",
            f"{clips[name]['right_words_alone']} of {len(rows)}",
        )
        for who, name in (("late", "late"), ("Mamba", "mamba"))
    ]
    text += [
        f"## Real recordings: the clips of MELD's {clips['dialogue']}",
        "Their words are in the half of dev that chose nothing. Each clip is analysed with its official words.",
        table(("fusion", "right", "log loss", "right, words alone"), summary),
        table(("annotated", "modalities", "late", "Mamba"), rows),
    ]
    return text


def _people(record: Mapping[str, Any]) -> str:
    rows = [
        (
            part,
            name,
            one["people"],
            f"{one['told_by_shipped_head']:.3f}",
            f"{one['told_by_head_that_has_not_met_them']:.3f}",
            f"{one['quality']:.2f}",
        )
        for part, people in record["people"].items()
        for name, one in people.items()
    ]
    shares = "; ".join(
        f"{who}: " + ", ".join(f"{name} {share:.2f}" for name, share in faith.items())
        for who, faith in record["faith"].items()
    )
    nats = " and ".join(f"{value:.3f} of the {name}" for name, value in record["nats"].items())
    head = ("part", "modality", "people", "recall of the shipped head", "out-of-fold recall", "quality")
    return (
        table(head, rows)
        + f"\n\nPeople as in conversation are drawn by the label in the share at which they tell as many nats as the "
        f"late fusion's trust supposes ({nats}), else by the label of another utterance: {shares}."
    )


def _comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row in rows:
        difference, low, high, p = row["difference"]
        lines.append(
            (
                row["drawn"],
                "+".join(row["modalities"]),
                *(f"{row[who][n]:.3f}" for n in ("weighted_f1", "ece", "log_loss") for who in ("late", "mamba")),
                f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]",
                f"{p:.3f}",
            )
        )
    figures = [f"{n}, {who}" for n in ("weighted F1", "ECE", "log loss") for who in ("late", "Mamba")]
    return table(("people drawn", "modalities", *figures, "difference of F1", "p"), lines)


def _ways(ways: Sequence[Mapping[str, Any]]) -> str:
    names = list(ways[0]["weighted_f1"])
    rows = [
        (
            f"{way['reads']}, by {way['pairing']}" + "".join(f", without {what}" for what in way["without"]),
            f"{way['score']:.3f}",
            *(f"{way['weighted_f1'][name]:.3f}" for name in names),
            f"{way['clips']['right']} ({way['clips']['log_loss']:.3f})" if "clips" in way else "–",
        )
        for way in ways
    ]
    return table(("reads, people", "chosen by", *names, "real recordings: right (log loss)"), rows)
