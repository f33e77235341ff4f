"""Trust in voice and face in conversation, from MELD's derived table."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError
from merc.recipes.fusion_weights import conversational_trust
from tests.recipes.made_up import attributes

CROSSED = {"trust": 0.25, "log_loss_ignored": 1.9, "log_loss_trusted": 1.8}


def test_trust_in_conversation_is_that_on_left_out_corpora_only_where_attributes_tell_as_much(tmp_path: Path) -> None:
    attributes(tmp_path, 40)
    assert conversational_trust(tmp_path, "face", CROSSED)["weight"] == 0.25
    attributes(tmp_path, 40, told=False)
    found = conversational_trust(tmp_path, "voice", CROSSED)
    assert found["gain_in_conversation"] < 0.1
    assert found["weight"] < 0.25 * (max(found["gain_in_conversation"], 0) / 0.1) ** 0.5 + 1e-3


def test_trust_in_conversation_needs_the_derived_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"multimodal\.parquet is missing: the fusion needs MELD's table"):
        conversational_trust(tmp_path, "face", CROSSED)
