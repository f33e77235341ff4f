"""Features out of a store: sequences at access or their means, named by content, with refusals by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.features import stored
from merc.features.feature import LazyRows
from merc.features.store import Store
from tests.features.made_sequences import corpus, numbered, read_store, stored_rows


def test_values_that_are_not_finite_are_named_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = corpus(1)
    stored_rows(tmp_path, "frames", numbered(read, 2))
    feature = read_store(tmp_path, "frames", read)
    monkeypatch.setattr(Store, "rows", lambda *_: np.full((2, 1), np.nan, np.float32))
    with pytest.raises(InputError, match="the values of utterance 'd0_u0' hold NaN or infinity"):
        feature.rows["d0_u0"]


def test_two_stores_of_one_encoder_with_other_values_have_other_hashes(tmp_path: Path) -> None:
    read = corpus(1)
    for name, steps in (("one", 2), ("same", 2), ("other", 3)):
        stored_rows(tmp_path / name, "frames", numbered(read, steps))
    one, same, other = (read_store(tmp_path / name, "frames", read) for name in ("one", "same", "other"))
    assert one.encoder == other.encoder
    assert one.sha256 == same.sha256 != other.sha256


def test_sequences_or_their_means_are_read(tmp_path: Path) -> None:
    read = corpus(2)
    stored_rows(tmp_path, "frames", {**numbered(read, 5), "d0_u1": None})
    frames, means = (read_store(tmp_path, "frames", read, tokens=on) for on in (True, False))
    assert isinstance(frames.rows, LazyRows) and not isinstance(means.rows, LazyRows)
    assert frames.rows["d0_u0"][:, 0].tolist() == [0, 1, 2, 3, 4] and means.rows["d0_u0"].tolist() == [2]
    assert "d0_u1" not in frames.rows and "d0_u1" not in means.rows and frames.steps("d0_u1") == 0
    assert len(frames.rows) == len(means.rows) == 5 and set(frames.rows) == set(means.rows)
    with pytest.raises(KeyError):
        frames.rows["d0_u1"]


def test_an_utterance_that_was_never_prepared_and_a_feature_without_any_vector_are_refused(tmp_path: Path) -> None:
    read = corpus(1)
    stored_rows(tmp_path / "part", "frames", {"d0_u0": np.ones((1, 1)), "d0_u1": np.ones((1, 1))})
    with pytest.raises(InputError, match="1 of 3 utterances of made are not in it, first 'd0_u2'"):
        read_store(tmp_path / "part", "frames", read)
    stored_rows(tmp_path / "none", "frames", {**dict.fromkeys(numbered(read, 1)), "other": np.ones((1, 1))})
    with pytest.raises(InputError, match=r"none of 3 utterances of made has a vector \(3 times: no sound\)"):
        stored.read(tmp_path / "none", "frames", ["d0_u0", "d0_u1", "d0_u2"], corpus="made")


def test_corpora_are_joined_where_one_encoder_made_them(tmp_path: Path) -> None:
    read = corpus(2)
    for name, one in zip(("a", "b"), read, strict=True):
        stored_rows(tmp_path / name, "frames", numbered((one,), 3 if name == "a" else 4))
    for tokens in (True, False):
        parts = [
            read_store(tmp_path / name, "frames", (one,), tokens=tokens) for name, one in zip("ab", read, strict=True)
        ]
        whole = stored.joined(parts)
        assert len(whole.rows) == 6 and set(whole.rows) == {turn.id for one in read for turn in one}
        assert whole.sequence == tokens and whole.source == "a:frames+b:frames"
        assert whole.rows["d1_u0"].tolist() == ([[0], [1], [2], [3]] if tokens else [1.5])
        assert (whole.steps("d0_u0"), whole.steps("d1_u0"), whole.steps("x")) == ((3, 4, 0) if tokens else (1, 1, 0))
        assert whole.sha256 not in {one.sha256 for one in parts} and stored.joined(parts[:1]) is parts[0]
    other = replace(parts[1], encoder={"encoder": "others"})
    with pytest.raises(
        InputError, match="'b:frames' and 'a:frames' were made otherwise .encoder others, expected frames"
    ):
        stored.joined([parts[0], other])
