"""Windows over a dialogue: every utterance is scored once, context is bounded, and masks follow the context."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merc.backbones.mpnet_windows import (
    OUTSIDE,
    closing,
    collate,
    contextual,
    pooled,
    tokenised,
    turn,
    visible,
    windows,
)
from merc.errors import InputError

from .made import Letters, mpnet, other_default_device


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(8, 60), st.integers(0, 40))
def test_every_utterance_is_scored_once_and_windows_are_bounded(lengths: list[int], size: int, context: int) -> None:
    turns = [[10 + number] * length for number, length in enumerate(lengths)]
    made = windows(turns, dialogue=3, size=size, context=context)
    scored = [one.first + place for one in made for place in range(one.scored, one.utterances)]
    assert scored == list(range(len(turns)))
    for one in made:
        before = sum(lengths[one.first : one.first + one.scored])
        assert before <= context and one.dialogue == 3 and one.tokens[0] == 0 and one.owners[0] == -1
        assert len(one.tokens) <= size or one.utterances == one.scored + 1, "only an utterance alone may be longer"
        expected = [number for number in range(one.utterances) for _ in turns[one.first + number]]
        assert list(one.owners[1:]) == expected


def test_what_each_token_attends_to() -> None:
    owners = torch.tensor([[-1, 0, 0, 1, OUTSIDE]])
    past = visible(owners, context="past")[0, 0]
    assert past[3].tolist() == [True, True, True, True, False] and past[1].tolist() == [True, True, True, False, False]
    assert past[0].tolist() == [True, False, False, False, False], "the opening token must not carry later words"
    none = visible(owners, context="none")[0, 0]
    assert none[3].tolist() == [True, False, False, True, False]
    both = visible(owners, context="both")[0, 0]
    assert both[1].tolist() == [True, True, True, True, False] and both[4].tolist()[-1]
    with pytest.raises(InputError, match="context 'future': expected none, past, both"):
        visible(owners, context="future")


def test_later_utterances_do_not_change_earlier_ones_on_any_device() -> None:
    network, short = mpnet(), windows([[7, 8], [9]], context=8)
    longer = windows([[7, 8], [9], [11, 12]], context=8)
    vectors = []
    for chosen in (short, longer):
        with torch.no_grad(), other_default_device():
            tokens, owners = collate(chosen, padding=1)
            with torch.device("cpu"):
                vectors.append(pooled(contextual(network, tokens, owners, context="past"), owners))
    torch.testing.assert_close(vectors[0][0], vectors[1][0, :2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("context", ["none", "past", "both"])
def test_states_without_gradients_are_those_of_the_networks_own_encoder(context: str) -> None:
    network = mpnet()
    tokens, owners = collate(windows([[7, 8], [9], [11, 12]]) + windows([[5, 6]]), padding=1, multiple=8)
    assert tokens.shape[1] % 8 == 0
    trained = contextual(network, tokens, owners, context=context)
    with torch.no_grad():
        read = contextual(network, tokens, owners, context=context)
    real = owners >= 0
    torch.testing.assert_close(read[real], trained[real].detach(), atol=1e-5, rtol=1e-4)


def test_the_mean_of_each_utterance() -> None:
    states = torch.arange(8.0).reshape(1, 4, 2)
    found = pooled(states, torch.tensor([[-1, 0, 0, 1]]))
    np.testing.assert_allclose(found[0], [[3, 4], [6, 7]])


def test_texts_become_tokens_without_the_opening_one() -> None:
    assert turn("hi", "Ann") == "Ann: hi" and turn("hi", None) == "hi"
    (row,) = tokenised(Letters(), ["hi"], longest=9)
    assert len(row) == 3 and row[-1] == 2 and tokenised(Letters(), []) == []
    with pytest.raises(InputError, match="text 1 of 2 is empty: leave out utterances without words"):
        tokenised(Letters(), ["a", " "])


def test_the_closing_window_scores_the_last_utterance_after_what_fits():
    turns = [[5] * 10, [6] * 10, [7] * 10, [8] * 30]
    window = closing(turns, context=25)
    assert (window.first, window.scored, window.utterances) == (1, 2, 3)
    assert window.tokens == (0, *[6] * 10, *[7] * 10, *[8] * 30)
    assert closing(turns, context=0).utterances == 1
