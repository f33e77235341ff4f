"""Classes follow from the corpus's own map or from the published sets of IEMOCAP; what does not count has none."""

from __future__ import annotations

import pytest

from merc.conversation import Utterance
from merc.corpora import CORPORA, Item
from merc.corpora.items import as_conversations
from merc.errors import InputError, ProtocolError
from merc.evaluation.classes import ekman7, iemocap4, iemocap6, iemocap6_majority, plain


def item(corpus: str, *labels: str, defect: str | None = None) -> Utterance:
    (one,) = as_conversations(CORPORA[corpus], [Item("x", labels, defect=defect)])
    return one.utterances[0]


def test_an_item_has_the_class_that_its_corpus_maps_it_to() -> None:
    assert ekman7(item("ravdess", "calm")) == "neutral"
    assert ekman7(item("rafdb", "happiness")) == "joy"
    assert ekman7(item("goemotions", "joy", "love")) == CORPORA["goemotions"].ekman7(Item("x", ("joy", "love")))
    assert ekman7(item("ravdess", "happy", defect="silent")) is None
    with pytest.raises(ProtocolError, match="utterance 'u' is no item of a corpus"):
        ekman7(Utterance("u", label="joy"))


def test_the_sets_of_iemocap() -> None:
    excited, undecided = (
        Utterance("u", label="exc", meta={"label6": "excited"}),
        Utterance("v", meta={"label6": "happy"}),
    )
    assert (plain(excited), iemocap4(excited), iemocap6(excited), iemocap6_majority(excited)) == (
        *("exc", "happy", "excited", "excited"),
    )
    assert (plain(undecided), iemocap4(undecided), iemocap6(undecided)) == (None, None, "happy")
    with pytest.raises(InputError, match="iemocap_utterances.parquet not found next to the release"):
        iemocap6(Utterance("w", label="hap"))
