"""Shared texts are counted, shared speakers refused."""

from __future__ import annotations

import pytest

from merc.evaluation.leaks import normalised
from merc.evaluation.protocol import PROTOCOLS, ProtocolError
from tests.evaluation.made_corpora import iemocap, meld, relabelled


def test_shared_texts_are_counted() -> None:
    assert normalised("  You’re — WHAT?! ") == "you re what"
    long = "I have never said that"
    conversations = relabelled(meld(), "train/dia0_utt0", text=long)
    conversations = relabelled(conversations, "train/dia0_utt1", text="Oh!")
    conversations = relabelled(conversations, "test/dia1_utt0", text="i have never said  that...")
    conversations = relabelled(conversations, "test/dia0_utt0", text="oh")
    conversations = relabelled(conversations, "test/dia0_utt1", text="...")
    (fold,) = PROTOCOLS["meld-7"].folds(relabelled(conversations, "train/dia1_utt0", text="?"))
    assert (fold.shared.same, fold.shared.long, fold.shared.of) == (2, 1, 14)


def test_a_speaker_on_both_sides_is_named() -> None:
    name = "Ses02F_script00_F000"
    conversations = relabelled(iemocap(), name, speaker="Ses01F")
    with pytest.raises(ProtocolError, match=r"session-1: speaker 'Ses01F' is in (train|valid) and in test"):
        PROTOCOLS["iemocap4-session"].folds(conversations)
