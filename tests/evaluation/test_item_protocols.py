"""Protocols of corpora of one modality: the classes that a corpus has, and its own division or one by person."""

from __future__ import annotations

import pytest

from merc.corpora import CORPORA
from merc.evaluation.item_protocols import ITEM_PROTOCOLS
from merc.evaluation.protocol import default_protocol

ONE_SPEAKER_TOO_FEW = ("tess",)
"""Two speakers cannot be in three parts; TESS is divided together with other corpora."""


@pytest.mark.parametrize(
    "protocol",
    [one for one in ITEM_PROTOCOLS if "+" not in one.corpus and not one.dimensions],
    ids=lambda one: one.name,
)
def test_classes_are_those_that_the_corpus_has(protocol) -> None:
    assert set(protocol.label_set) == set(CORPORA[protocol.corpus].to_ekman7.values()) - {None}


def test_every_corpus_has_a_protocol() -> None:
    for name in CORPORA:
        if name not in ONE_SPEAKER_TOO_FEW:
            assert default_protocol(name).corpus == name
