"""The encoder with masks and tokens: what is frozen, what masks hide, padding, tokens that are no frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.recipes.pretraining.encoder import Encoded, MaskedEncoder
from merc.recipes.pretraining.sounds import Batch
from tests.recipes.pretraining.made import WIDTH, batch, network


def encoded(encoder: MaskedEncoder, given: Batch) -> Encoded:
    return encoder(encoder.front_end(given.mels), given.real, given.masked, given.hidden)  # type: ignore[no-any-return]


def test_without_masks_the_states_are_those_of_the_network() -> None:
    given, encoder = batch(), MaskedEncoder(network())
    with torch.no_grad():
        found = encoded(encoder, given)
        expected = encoder.network(given.mels.values, frames=given.mels.frames)
    for layer, states in enumerate(found.frames):
        torch.testing.assert_close(states[given.real], expected[:, layer][given.real])


def test_the_convolutions_have_no_gradient_and_the_layers_have() -> None:
    given, encoder = batch(), MaskedEncoder(network(), tokens=2)
    before = encoder.network.first.weight.detach().clone()
    some = replace(given, masked=given.real & (torch.arange(given.real.shape[1]) > 5))
    encoded(encoder, some).frames[-1].square().mean().backward()
    convolutions = [*encoder.network.first.parameters(), *encoder.network.second.parameters()]
    assert all(one.grad is None and not one.requires_grad for one in convolutions)
    assert all(one.grad is not None for one in encoder.network.layers.parameters())
    assert encoder.mask_vector.grad is not None and encoder.tokens.grad is not None
    assert torch.equal(encoder.network.first.weight, before)


def test_the_last_layers_alone_can_be_trained() -> None:
    encoder = MaskedEncoder(network(3), layers=2)
    trained = [any(one.requires_grad for one in layer.parameters()) for layer in encoder.network.layers]
    assert trained == [False, True, True]
    with pytest.raises(InputError, match="layers is 4: the encoder has 3"):
        MaskedEncoder(network(3), layers=4)


def test_a_masked_frame_is_hidden_from_all_states() -> None:
    given, encoder = batch(1), MaskedEncoder(network())
    sound, masked = encoder.front_end(given.mels), given.masked.clone()
    masked[:, 3:6] = True
    other = sound.clone()
    other[:, 3:6] += 5.0
    with torch.no_grad():
        first, second = (encoder(one, given.real, masked).frames[-1] for one in (sound, other))
        seen = encoder(other, given.real, given.masked).frames[-1]
    assert torch.equal(first, second)
    assert float((seen - first).abs().max()) > 1e-3


def test_hidden_features_of_all_frames_are_zero() -> None:
    given, encoder = batch(1), MaskedEncoder(network())
    sound, hidden = encoder.front_end(given.mels), torch.zeros(1, WIDTH, dtype=torch.bool)
    hidden[:, :8] = True
    other = sound.clone()
    other[..., :8] -= 3.0
    with torch.no_grad():
        first, second = (encoder(one, given.real, given.masked, hidden).frames[0] for one in (sound, other))
    assert torch.equal(first, second)
    torch.testing.assert_close(first[0, :, :8], encoder.network.positions[: sound.shape[1], :8])


def test_right_padding_does_not_change_the_states_of_real_frames() -> None:
    encoder = MaskedEncoder(network(), tokens=3)
    alone, together = batch(1, seconds=(0.3, 0.6)), batch(2, seconds=(0.3, 0.6))
    with torch.no_grad():
        first, second = encoded(encoder, alone), encoded(encoder, together)
    frames = int(alone.mels.frames[0])
    torch.testing.assert_close(second.frames[-1][0, :frames], first.frames[-1][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.tokens[-1][0], first.tokens[-1][0], rtol=1e-4, atol=1e-5)


def test_ten_chunk_tokens_are_never_counted_as_frames() -> None:
    given = batch(2)
    for tokens in (0, 10):
        found = encoded(MaskedEncoder(network(), tokens=tokens), given)
        assert found.frames[-1].shape[1] == given.masked.shape[1]
        assert found.tokens[-1].shape == (2, tokens, WIDTH)


def test_tokens_come_before_the_frames_and_are_separated_from_them() -> None:
    given, encoder = batch(2), MaskedEncoder(network(), tokens=10)
    sound = encoder.front_end(given.mels)
    found = encoded(encoder, given)
    torch.testing.assert_close(found.frames[0], sound + encoder.network.positions[: sound.shape[1]])
    torch.testing.assert_close(found.tokens[0], encoder.tokens.expand(2, -1, -1))
