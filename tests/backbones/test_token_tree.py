"""Trees of tokens: what is shared, what each token sees, and labels of which one begins another."""

from __future__ import annotations

import numpy as np
import pytest

from merc.backbones.token_tree import Labels, batch_of, tree_of
from merc.errors import InputError

ONE_TOKEN = Labels(((5,), (6,)), end=1)
SPLIT = Labels(((5, 7), (5, 8, 9), (6,)), end=1)


def test_shared_beginnings_are_there_once() -> None:
    tree = tree_of([(2, 3), (2, 3, 4), (2, 4)], ONE_TOKEN)
    assert tree.numbers.tolist() == [2, 3, 4, 4] and tree.parents.tolist() == [-1, 0, 1, 0]
    assert tree.ends.tolist() == [1, 2, 3] and tree.depths().tolist() == [0, 1, 2, 1]
    assert tree.seen().astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


def test_a_label_in_pieces_branches_from_its_prompt_and_is_not_seen_by_what_follows() -> None:
    tree = tree_of([(2,), (2, 3)], SPLIT)
    assert tree.numbers.tolist() == [2, 3, 5, 8, 5, 8] and tree.parents.tolist() == [-1, 0, 0, 2, 1, 4]
    assert tree.before[0].tolist() == [[0, 2, 0], [0, 2, 3], [0, 0, 0]]
    assert tree.seen()[1].tolist() == [True, True, False, False, False, False]


def test_turns_of_a_dialogue_with_labels_of_one_token_are_one_path() -> None:
    assert tree_of([(2,), (2, 3, 4), (2, 3, 4, 5)], ONE_TOKEN).is_path
    assert not tree_of([(2,), (3,)], ONE_TOKEN).is_path
    assert not tree_of([(2,), (2, 3)], SPLIT).is_path


def test_a_label_that_begins_another_ends_them_all() -> None:
    assert Labels(((5,), (5, 6)), end=1).sequences == ((5, 1), (5, 6, 1))
    assert ONE_TOKEN.sequences == ((5,), (6,))
    for wrong in (((5,), ()), ((5,), (5,))):
        with pytest.raises(InputError, match="labels: each needs a token"):
            Labels(wrong, end=1)


def test_a_batch_is_padded_with_tokens_that_see_themselves_alone() -> None:
    trees = batch_of([tree_of([(2, 3), (2,)], SPLIT), tree_of([(2,)], SPLIT)], SPLIT)
    assert trees.numbers.tolist() == [[2, 3, 5, 8, 5, 8], [2, 5, 8, 0, 0, 0]]
    assert trees.seen[1, 3].tolist() == [False, False, False, True, False, False]
    assert trees.tokens.tolist() == [[5, 7, 0], [5, 8, 9], [6, 0, 0]]
    assert trees.written.sum(1).tolist() == [2, 3, 1] and trees.prompts.tolist() == [[True, True], [True, False]]
    plain = batch_of([tree_of([(2,), (2, 3)], ONE_TOKEN), tree_of([(2,)], ONE_TOKEN)], ONE_TOKEN)
    assert plain.seen.shape == (2, 0, 0) and plain.prompts.tolist() == [[True, True], [True, False]]
    assert np.array_equal(plain.positions[0], [0, 1])


@pytest.mark.parametrize("prompts", [(), ((),), ((2,), ())])
def test_nothing_to_follow_is_said(prompts: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(InputError, match="no prompt, or a prompt without a token"):
        tree_of(prompts, ONE_TOKEN)
