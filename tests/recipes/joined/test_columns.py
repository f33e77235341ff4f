"""Features of several corpora side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.feature import Feature, LazyRows
from merc.recipes.joined.columns import placed
from tests.features.made_sequences import corpus, numbered, read_store, stored_rows


def feature(name: str, width: int, *, source: str = "", encoder: str = "") -> Feature:
    made = Feature.of([name], np.full((1, width), 2.0), source=source or f"table of {name}")
    return replace(made, encoder={"encoder": encoder} if encoder else {})


def test_tables_of_two_corpora_get_columns_of_their_own() -> None:
    one, other = placed([{"voice": feature("a", 2)}, {"voice": feature("b", 3)}], ["one", "other"])
    assert one["voice"].width == other["voice"].width == 5
    assert one["voice"].rows["a"].tolist() == [2, 2, 0, 0, 0] and other["voice"].rows["b"].tolist() == [0, 0, 2, 2, 2]
    assert one["voice"].notes == ("learned together with other, in one universal label",) and not other["voice"].notes
    assert one["voice"].sha256 != other["voice"].sha256


def test_the_same_encoder_has_the_same_columns_and_a_modality_that_is_lacking_has_no_row() -> None:
    parts = [
        {"text": feature("a", 4, encoder="mpnet"), "face": feature("a", 2)},
        {"text": feature("b", 4, encoder="mpnet")},
    ]
    one, other = placed(parts, ["one", "other"])
    assert one["text"].rows["a"].tolist() == other["text"].rows["b"].tolist() == [2] * 4
    assert one["face"].width == other["face"].width == 2 and not other["face"].rows


def test_sequences_are_placed_when_they_are_read(tmp_path: Path) -> None:
    read = corpus(1)
    stored_rows(tmp_path, "frames", numbered(read, 3))
    frames = read_store(tmp_path, "frames", read)
    one, _ = placed([{"voice": frames}, {"voice": feature("b", 2)}], ["one", "other"])
    assert isinstance(one["voice"].rows, LazyRows) and one["voice"].steps("d0_u0") == 3
    assert one["voice"].rows["d0_u0"].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]


def test_words_beside_vectors_are_refused_and_one_corpus_changes_nothing() -> None:
    own = feature("a", 4)
    with pytest.raises(InputError, match="features of text: 'table of a' are values, 'words' tokens; name an encoder"):
        placed([{"text": own}, {"text": replace(own, source="words", kind="tokens")}], ["one", "other"])
    assert placed([{"text": own}], ["one"]) == [{"text": own}]
