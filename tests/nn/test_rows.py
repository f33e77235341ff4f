"""Rows of real utterances: packed and unpacked, entered by modality, normalised even when there is one."""

import pytest
import torch

from merc.errors import InputError
from merc.nn.rows import ModalityEntry, RowNorm, pack, unpack

MASK = torch.tensor([[True, True, False], [True, True, True]])


def test_packing_and_back_leaves_zeros_in_padding():
    values = torch.randn(2, 3, 4)
    rows = pack(values, MASK)
    assert rows.shape == (5, 4)
    assert torch.equal(unpack(rows, MASK), values * MASK[..., None])


def test_one_row_is_normalised_by_the_running_figures():
    norm = RowNorm(3)
    norm.running_mean += 2.0
    row = torch.randn(1, 3)
    torch.testing.assert_close(norm.train()(row), norm.eval()(row))
    many = norm.train()(torch.randn(50, 3) * 4 + 1)
    torch.testing.assert_close(many.mean(0), torch.zeros(3), atol=1e-5, rtol=0)


def test_absent_values_are_not_looked_at():
    entry = ModalityEntry({"text": 5, "voice": 2}, 4)
    features = {"text": torch.randn(2, 3, 5), "voice": torch.full((2, 3, 2), float("nan"))}
    found = entry(features, {"text": MASK, "voice": torch.zeros_like(MASK)})
    assert not found["voice"].any() and not found["text"][~MASK].any()
    assert found["text"].shape == (2, 3, 4)
    assert sorted(entry.by_modality()) == ["text", "voice"]


def test_missing_modality_is_named():
    with pytest.raises(InputError, match="the batch has no modality 'voice'; it has text"):
        ModalityEntry({"voice": 2}, 4)({"text": torch.randn(1, 1, 2)}, {"text": MASK[:1, :1]})
    with pytest.raises(InputError, match="no modality to read"):
        ModalityEntry({}, 4)
