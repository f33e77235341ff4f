"""Which texts may be learned from: those of training parts, and none that a held-out text repeats."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.errors import InputError, UnknownName
from merc.recipes import request
from merc.recipes.pretraining.texts import learned
from tests.recipes import made_meld


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    request.read.cache_clear()
    yield


def test_texts_of_the_training_part_alone_are_read(tmp_path: Path) -> None:
    (found,) = learned(["meld-7"], made_meld.tree(tmp_path))
    assert len(found.texts) == made_meld.SIZES["train"] * made_meld.TURNS and found.twins == 0
    assert all(" in train " in text for text in found.texts)
    assert found.part == {"protocol": "meld-7", "fold": "official", "seed": 0} and found.corpus == "meld"


def test_a_training_text_that_a_held_out_one_repeats_is_left_out_where_it_is_long(tmp_path: Path) -> None:
    path = made_meld.tree(tmp_path) / "meld" / "train_sent_emo.csv"
    rows = list(csv.reader(path.open(encoding="utf-8")))
    rows[1][0], rows[2][0], rows[3][0] = "It is 3 in TEST 2!", "it is 3 in test", "It is 3 in dev 2."
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    (found,) = learned(["meld-7"], tmp_path)
    assert found.twins == 2 and found.texts[0] == "it is 3 in test"


def test_two_protocols_of_one_corpus_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several are of corpus 'meld', and one may teach what the other holds out"):
        learned(["meld-7", "meld-sentiment"], tmp_path)
    with pytest.raises(UnknownName, match="unknown protocol 'meld7'"):
        learned(["meld7"], tmp_path)
