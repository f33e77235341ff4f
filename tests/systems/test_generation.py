"""The grammar of label texts, and a T5 of given sizes."""

import pytest
import torch

from merc.errors import InputError
from merc.systems.generation import FieldGrammar, LabelText, new_t5
from merc.systems.unimse_options import UniMseOptions

OPTIONS = UniMseOptions(width=16, inner=16, heads=2, head=8, layers=1, fused=1, side=8, down=8)


def table(probability):
    """A decoder whose next token depends on the last two alone: ``probability[before, last, next]``."""

    def decode(text):
        before = torch.nn.functional.pad(text, (1, -1))
        return probability[before, text].log()

    return decode


@pytest.mark.parametrize("values", [(), ((1,), ()), ((1, 2), (1, 2))])
def test_values_must_be_there_and_differ(values):
    with pytest.raises(InputError, match="every value of a field needs a token"):
        FieldGrammar(values)


def test_the_likelihood_of_a_value_is_the_product_of_its_tokens_behind_the_text():
    """Values 2 3, 2 4 and 3, behind the texts 5 and 5 6, which are of different lengths."""
    probability = torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(0))
    field = FieldGrammar(((2, 3), (2, 4), (3,)))
    assert field.inputs.tolist() == [[2], [0]], "two beginnings: 2, and none"
    likely = field(table(probability), torch.tensor([[5, 7], [5, 6]]), torch.tensor([1, 2]))
    for row, (before, last) in enumerate(((0, 5), (5, 6))):
        two = probability[before, last, 2]
        wanted = torch.stack(
            [two * probability[last, 2, 3], two * probability[last, 2, 4], probability[before, last, 3]]
        )
        torch.testing.assert_close(likely[row].exp(), wanted)


def test_a_value_is_written_behind_the_end_of_each_text():
    field = FieldGrammar(((2, 3), (4,)))
    text, counts = field.behind(torch.tensor([[5, 7], [5, 6]]), torch.tensor([1, 2]), torch.tensor([0, 1]))
    assert [row[:count].tolist() for row, count in zip(text, counts, strict=True)] == [[5, 2, 3], [5, 6, 4]]


def test_each_field_follows_what_was_written_before():
    """The second field's value is the likelier one behind the first's, which a known value may replace."""
    probability = torch.full((8, 8, 8), 0.1)
    probability[:, 0, 2], probability[:, 0, 3] = 0.6, 0.4
    probability[:, 2, 4], probability[:, 2, 5] = 0.9, 0.1
    probability[:, 3, 4], probability[:, 3, 5] = 0.2, 0.8
    text = LabelText({"first": ((2,), (3,)), "second": ((4,), (5,))})
    assert text.largest == 5
    likely, chosen = text(table(probability), 2, {"first": torch.tensor([-1, 1])})
    assert chosen["first"].tolist() == [0, 1] and chosen["second"].tolist() == [0, 1]
    torch.testing.assert_close(likely["second"].exp(), torch.tensor([[0.9, 0.1], [0.2, 0.8]]))


def test_a_t5_has_the_sizes_of_the_options_and_needs_no_file():
    made = new_t5(OPTIONS, tokens=7)
    assert (made.config.vocab_size, made.config.d_model, made.config.num_layers) == (7, 16, 1)
    assert new_t5(UniMseOptions(tied=False), tokens=7).lm_head.weight is not made.shared.weight
    with pytest.raises(InputError, match="vocabulary 3; the label texts use tokens up to 6"):
        new_t5(UniMseOptions(vocabulary=3), tokens=7)
