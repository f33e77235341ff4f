"""The grammar of label texts, and a T5 of given sizes."""

import math

import pytest
import torch

from merc.errors import InputError
from merc.systems.generation import Grammar, new_t5
from merc.systems.unimse import UniMseOptions

OPTIONS = UniMseOptions(width=16, inner=16, heads=2, head=8, layers=1, fused=1, side=8, down=8)


@pytest.mark.parametrize("sequences", [(((1,),), ()), (((1,),), ((),)), (((1, 2),), ((1, 2),))])
def test_label_texts_must_be_there_and_differ(sequences):
    with pytest.raises(InputError, match="every class needs a text"):
        Grammar(sequences)


def test_a_class_is_as_likely_as_its_texts_together():
    """Texts 2 3, 2 4 of the first class and 3 of the second, by hand from the probabilities of each token."""
    grammar = Grammar((((2, 3), (2, 4)), ((3,),)))
    assert grammar.inputs.tolist() == [[0, 2], [0, 0]], "two beginnings: 2, and none"
    probability = torch.full((1, 2, 2, 5), 0.1)
    probability[0, 0, 0, 2], probability[0, 0, 1, 3], probability[0, 0, 1, 4] = 0.5, 0.25, 0.5
    probability[0, 1, 0, 3] = 0.2
    logits = grammar(probability.log())
    torch.testing.assert_close(logits.exp(), torch.tensor([[0.5 * 0.25 + 0.5 * 0.5, 0.2]]))
    assert math.isclose(float(logits[0, 1]), math.log(0.2), rel_tol=1e-5), "padding of a short text adds nothing"


def test_a_t5_has_the_sizes_of_the_options_and_needs_no_file():
    made = new_t5(OPTIONS, tokens=7)
    assert (made.config.vocab_size, made.config.d_model, made.config.num_layers) == (7, 16, 1)
    assert new_t5(UniMseOptions(tied=False), tokens=7).lm_head.weight is not made.shared.weight
    with pytest.raises(InputError, match="vocabulary 3; the label texts use tokens up to 6"):
        new_t5(UniMseOptions(vocabulary=3), tokens=7)
