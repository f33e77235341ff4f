"""The card of an encoder that was tuned on dialogues: Markdown, made from its record alone."""

from __future__ import annotations

from typing import Any

from merc import weights
from merc.cache import file_hash
from merc.corpora import CORPORA
from merc.evaluation.protocol import PROTOCOLS
from merc.paths import SHIPPED_ENCODERS
from merc.recipes.card import licence
from merc.reporting.head_card import table

_SEES = {
    "none": "An utterance is read alone.",
    "past": "An utterance is read behind what was said before it; nothing later is seen.",
    "both": "An utterance is read with what was said before and after it: it cannot be used while somebody speaks.",
}
_TOLD = {
    "name": "The speaker's name stands before the words.",
    "letter": "A letter stands before the words for each speaker, in the order of appearance.",
    "none": "Who speaks is not told.",
}


def dialogue_card(record: dict[str, Any], *, name: str) -> str:
    """The card of the adapters ``name`` from what ``merc tune`` wrote into ``tuned.json``."""
    options, reads = record["options"], record["reading"]
    corpus = CORPORA[PROTOCOLS[reads["protocol"]].corpus]
    plain = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in options.items() if key != "threads")
    before = _named(record["start"]) if record["start"] else ""
    start = f" It began with {before}." if before else ""
    terms = f" The terms of {before}, with which it began, hold too." if before else ""
    parts = [
        f"# {name}: MPNet, tuned on {corpus.title}",
        "Low-rank adapters over a sentence encoder: each utterance of a dialogue becomes 768 numbers, from which a "
        "system predicts a label for an expression. It does not say how somebody feels. Not for use at work or in "
        "education (EU AI Act), nor to decide about people.",
        f"**Licence of the weights:** {licence([corpus.name])}.{terms} SHA-256 `{record['sha256']}`, over "
        f"mpnet `{weights.WEIGHTS['mpnet'].sha256}`.",
        f"**Data.** Training part of protocol {reads['protocol']}, fold {reads['fold']}; the epoch was chosen on its "
        "validation part. Test dialogues were neither read nor measured. Systems that are validated or tested on "
        "these training dialogues are refused its vectors.",
        f"**Reads.** {_SEES[reads['context']]} {_TOLD[reads['speakers']]}",
        "**Recipe.** AdamW, weight decay .01, cross-entropy of two linear layers on the mean of an utterance's tokens; "
        f"{plain}.{start}",
        "Weighted F1 of those two layers on the validation part, in percent, by epoch: "
        + ", ".join(
            f"{100 * one:.1f}{' (chosen)' if n == record['epoch'] else ''}" for n, one in enumerate(record["history"])
        )
        + ".",
        table(
            ("class", "F1 on the validation part"), [(one, f"{100 * f1:.1f}") for one, f1 in record["by_class"].items()]
        ),
        "Figures of systems on these vectors, on the test part, are in docs/results.md.",
    ]
    return "\n\n".join(parts) + "\n"


def _named(sha256: str) -> str:
    """Adapters by the start of their hash, and by name where they come with merc."""
    names = [f"`{path.stem}`, " for path in SHIPPED_ENCODERS.glob("*.safetensors") if file_hash(path) == sha256]
    return f"the adapters {''.join(names)}`{sha256[:12]}…`"
