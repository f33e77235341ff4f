"""Rows of real utterances: packed and unpacked, entered by modality, normalised even when there is one."""

import pytest
import torch

from merc.errors import InputError
from merc.features.alignment import align
from merc.nn.rows import ModalityEntry, RowNorm, Rows, frames_of_tokens, pack, unpack

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


def packed(*lengths):
    """Rows of these many steps, numbered from 0."""
    total = sum(sum(row) for row in lengths)
    return Rows(torch.arange(total, dtype=torch.float32)[:, None], torch.tensor(lengths))


def test_vectors_are_means_of_steps_and_zeros_where_absent():
    rows = packed([2, 0, 1], [3, 1, 0])
    assert rows.vectors()[..., 0].tolist() == [[0.5, 0.0, 2.0], [4.0, 6.0, 0.0]]
    assert rows.present.tolist() == [[True, False, True], [True, True, False]]


def test_steps_are_padded_to_the_longest_utterance_in_the_order_of_the_dialogues():
    values, mask = packed([2, 0], [1, 3]).steps()
    assert values[..., 0].tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 0], [3, 4, 5]]
    assert mask.sum(1).tolist() == [2, 0, 1, 3]


def test_vectors_and_steps_are_packed_and_unpacked():
    vectors, present = torch.randn(2, 3, 4), MASK
    rows = Rows.of_vectors(vectors, present)
    assert torch.equal(rows.vectors(), vectors * present[..., None])
    values, mask = torch.randn(6, 5, 4), torch.arange(5)[None] < torch.tensor([3, 5, 0, 1, 2, 4])[:, None]
    again, where = Rows.of_steps(values, mask, shape=(2, 3)).steps()
    assert torch.equal(where, mask) and torch.equal(again, values * mask[..., None])


def test_rows_of_no_utterance_have_one_empty_step():
    values, mask = Rows(torch.zeros(0, 4), torch.zeros(2, 1, dtype=torch.int64)).steps()
    assert values.shape == (2, 1, 4) and not mask.any()


def test_what_is_kept_of_rows_stays_in_its_order():
    kept = packed([2, 1], [0, 2]).where(torch.tensor([[False, True], [True, True]]))
    assert kept.values[:, 0].tolist() == [2, 3, 4]
    assert kept.lengths.tolist() == [[0, 1], [0, 2]]


def test_slower_rows_are_means_of_as_many_steps_and_of_what_is_left():
    rows = Rows(torch.arange(10.0)[:, None], torch.tensor([[7, 0], [2, 1]])).slower(3)
    assert rows.lengths.tolist() == [[3, 0], [1, 1]]
    assert rows.values.flatten().tolist() == [1.0, 4.0, 6.0, 7.5, 9.0]
    assert rows.slower(1) is rows
    nothing = Rows(torch.zeros(0, 2), torch.tensor([[0]])).slower(4)
    assert nothing.values.shape == (0, 2) and nothing.lengths.tolist() == [[0]]


def test_long_utterances_become_means_of_contiguous_chunks():
    rows = packed([7, 0], [2, 3]).chunks(3)
    assert rows.lengths.tolist() == [[3, 0], [2, 3]]
    assert rows.values[:, 0].tolist() == [1.0, 3.5, 5.5, 7.0, 8.0, 9.0, 10.0, 11.0]
    counts = torch.cartesian_prod(torch.arange(1, 30), torch.arange(1, 9))
    for tokens, most in counts.tolist():
        values = packed([tokens])
        owner = torch.tensor(align(tokens, min(tokens, most)))
        wanted = [values.values[owner == piece].mean() for piece in range(min(tokens, most))]
        assert torch.allclose(values.chunks(most).values[:, 0], torch.stack(wanted)), (tokens, most)


def test_token_numbers_and_sound_have_steps_but_no_mean():
    tokens = Rows(torch.tensor([4, 7, 9]), torch.tensor([[2, 1]]))
    values, mask = tokens.steps()
    assert values.tolist() == [[4, 7], [9, 0]] and mask.tolist() == [[True, True], [True, False]]
    for rows in (tokens, Rows(torch.zeros(3), torch.tensor([[2, 1]]))):
        with pytest.raises(InputError, match="have no mean vector; read them with"):
            rows.vectors()


def test_lengths_that_are_not_those_of_the_values_are_refused():
    with pytest.raises(InputError, match="lengths sum to 3, but there are 4 rows"):
        Rows(torch.zeros(4, 2), torch.tensor([[2, 1]]))
    with pytest.raises(InputError, match=r"lengths of shape \(3,\); expected \(dialogues, utterances\)"):
        Rows(torch.zeros(3, 2), torch.ones(3, dtype=torch.int64))


def test_the_frame_of_each_token_is_the_one_of_the_tested_rule():
    counts = torch.cartesian_prod(torch.arange(1, 40), torch.arange(1, 20))
    found = frames_of_tokens(*counts.T)
    for row, (tokens, frames) in zip(found, counts.tolist(), strict=True):
        assert row[:tokens].tolist() == align(tokens, frames).tolist(), (tokens, frames)
