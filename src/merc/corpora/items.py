"""Items as conversations: each audio clip, image or text becomes a conversation of one utterance.

Splits, training and evaluation then work for corpora of one modality too.
"""

from __future__ import annotations

from collections.abc import Iterable

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item


def as_conversations(corpus: Corpus, items: Iterable[Item]) -> list[Conversation]:
    """One conversation of one utterance for each item.

    Ids of conversation and utterance are ``CORPUS/ITEM``, speakers ``CORPUS/SPEAKER``, so that corpora can be joined.
    ``meta`` of both has ``corpus``, ``split`` (the official one) and ``cluster``, the unit of splits and resampling:
    the speaker, or else the group, or else the item. ``meta`` of the utterance also has ``item`` (with its source),
    ``media`` (the path if the item is a file, else None) and the ``meta`` of the item. The label is that of the corpus,
    or None if the item has several, none, or a defect. The text is that of the item, of a sound its ``transcript`` in
    ``meta``. The ratings of the corpus are its ``scores``.

    Args:
        corpus: Description of the corpus.
        items: Items as its reader yields them.

    Returns:
        Conversations, those of one cluster after another, clusters in the order of their first item.

    Example:
        >>> from merc.corpora import CORPORA, Item
        >>> (one,) = as_conversations(CORPORA["ravdess"], [Item("03-01-05", ("angry",), speaker="ravdess-01")])
        >>> one.id, one.utterances[0].label, one.meta["cluster"]
        ('ravdess/03-01-05', 'angry', 'ravdess/ravdess-01')
    """
    clusters: dict[str, list[Conversation]] = {}
    for item in items:
        name, cluster = item_id(corpus.name, item), f"{corpus.name}/{item.speaker or item.group or item.id}"
        shared = {"corpus": corpus.name, "split": item.split, "cluster": cluster}
        clusters.setdefault(cluster, []).append(Conversation(name, (_utterance(name, item, shared, corpus),), shared))
    return [one for own in clusters.values() for one in own]


def item_id(corpus: str, item: Item) -> str:
    """The id of an item's utterance: ``CORPUS/ITEM``."""
    return f"{corpus}/{item.id}"


def _utterance(name: str, item: Item, shared: dict[str, str], corpus: Corpus) -> Utterance:
    source = item.source
    path = source.path if source is not None and source.member is None and source.data is None else None
    return Utterance(
        name,
        speaker=f"{shared['corpus']}/{item.speaker}" if item.speaker else None,
        text=item.text or item.meta.get("transcript"),
        scores=_scores(item, corpus),
        label=item.labels[0] if len(item.labels) == 1 and not item.defect else None,
        meta={**item.meta, **shared, "item": item, "media": None if path is None else str(path)},
    )


def _scores(item: Item, corpus: Corpus) -> dict[str, float]:
    """The ratings of an item that lie in their range."""
    rated = {name: item.meta.get(name) for name in corpus.ratings}
    found = {name: float(value) for name, value in rated.items() if value is not None}
    return {name: one for name, one in found.items() if corpus.ratings[name][0] <= one <= corpus.ratings[name][1]}
