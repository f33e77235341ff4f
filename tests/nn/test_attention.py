"""Attention: equal to torch's own, blind to what is not kept."""

import pytest
import torch

from merc.errors import InputError
from merc.nn.attention import Attention, EncoderLayer, kept_or_all, sinusoids

KEEP = torch.tensor([[True, True, False, True, False], [False, True, False, False, False]])


@pytest.fixture
def values():
    return torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))


def attention(**more):
    torch.manual_seed(0)
    return Attention(8, 2, **more).eval()


def test_equals_torch(values):
    ours, theirs = attention(), torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
        expected, shares = theirs(
            values, values * 2, values + 1, key_padding_mask=~KEEP, average_attn_weights=False, need_weights=True
        )
        torch.testing.assert_close(ours(values, values * 2, values + 1, keep=KEEP), expected)
        torch.testing.assert_close(ours.weights(values, values * 2, keep=KEEP), shares)


def test_shares_sum_to_one_and_are_zero_where_not_kept(values):
    shares = attention().weights(values, values, keep=KEEP)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 2, 5))
    assert not shares[~KEEP[:, None, None].expand_as(shares)].any()


def test_what_is_not_kept_is_not_looked_at(values):
    changed = torch.where(KEEP[..., None], values, torch.full_like(values, 7.0))
    model = attention()
    assert torch.equal(model(values, changed, changed, keep=KEEP), model(values, values, values, keep=KEEP))


def test_mask_by_query_and_nothing_to_look_at(values):
    causal = torch.ones(5, 5, dtype=torch.bool).tril(-1)[None].expand(2, 5, 5)
    model = attention()
    out = model(values, values, values, keep=causal)
    assert not out[:, 0].any() and torch.isfinite(out).all()
    later = values.clone()
    later[:, 3:] = 5.0
    torch.testing.assert_close(model(values, later, later, keep=causal)[:, :4], out[:, :4])


def test_heads_must_divide_the_width():
    with pytest.raises(InputError, match="width 8 over 3 heads; expected a multiple"):
        Attention(8, 3)


def test_encoder_layer_keeps_to_the_mask_and_drops_in_training_only(values):
    torch.manual_seed(0)
    layer = EncoderLayer(8, 2, dropout=0.5).eval()
    out = layer(values, keep=KEEP)
    changed = torch.where(KEEP[..., None], values, values + 3)
    torch.testing.assert_close(layer(changed, keep=KEEP)[KEEP], out[KEEP])
    assert not torch.equal(layer.train()(values, keep=KEEP), out)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids(width):
    places = sinusoids(4, width, like=torch.zeros(1))
    assert places.shape == (4, width)
    torch.testing.assert_close(places[0], torch.tensor([0.0, 1.0] * 4)[:width])
    torch.testing.assert_close(places[2, 0], torch.sin(torch.tensor(2.0)))


def test_kept_or_all():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    present = torch.tensor([[False, False, True], [True, False, True]])
    assert kept_or_all(present, mask).tolist() == [[True, True, False], [True, False, True]]
