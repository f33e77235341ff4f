"""Stages 1 and 2: the frame-level emotion model and the clusters of its frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from merc.errors import InputError
from merc.recipes.pretraining.frames import (
    Clusters,
    FrameEmotion,
    FrozenStates,
    fit_clusters,
    frame_losses,
    frame_task,
    inverse_frequency,
    nearest,
    representations,
)
from merc.training.loop import fit
from merc.training.options import LoopOptions
from tests.recipes.pretraining.made import WIDTH, batch, network, sounds

cross = torch.nn.functional.cross_entropy


def model() -> FrameEmotion:
    frozen = FrozenStates(network(), 1)
    torch.manual_seed(1)
    return FrameEmotion(frozen, WIDTH, 4, state=16)


def test_the_front_end_is_frozen_and_the_rest_learns() -> None:
    one = model()
    losses = frame_losses(one, batch(), class_weights=torch.ones(4), utterance_weight=1.0)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is None for value in one.frozen.parameters())
    assert all(value.grad is not None for name, value in one.named_parameters() if not name.startswith("frozen"))


def test_frozen_states_are_those_after_their_layer() -> None:
    given, whole = batch(), network()
    with torch.no_grad():
        expected = whole(given.mels.values, 1, frames=given.mels.frames)[:, 1]
    assert torch.equal(FrozenStates(network(), 1)(given), expected)
    with pytest.raises(InputError, match="layer is 3: the encoder has 2"):
        FrozenStates(network(), 3)


def test_the_label_of_the_utterance_is_that_of_every_real_frame() -> None:
    one, given = model(), batch(2, seconds=(0.2, 0.4))
    weights = torch.tensor([0.5, 1.5, 1.0, 1.0])
    losses = frame_losses(one, given, class_weights=weights, utterance_weight=0.5)
    frames, utterances = one(given)
    rows = torch.cat([frames[n, : given.mels.frames[n]] for n in range(2)])
    labels = given.labels.repeat_interleave(given.mels.frames)
    torch.testing.assert_close(losses["frame"], cross(rows, labels, weight=weights))
    torch.testing.assert_close(losses["utterance"], 0.5 * cross(utterances, given.labels, weight=weights))


def test_utterances_without_a_label_teach_nothing() -> None:
    one, given, ones = model(), batch(2), torch.ones(4)
    none = replace(given, labels=torch.tensor([-1, -1]))
    assert frame_losses(one, none, class_weights=ones, utterance_weight=1.0) == {}
    half = replace(given, labels=torch.tensor([2, -1]))
    frames, _ = one(given)
    own = frames[0, : given.mels.frames[0]]
    found = frame_losses(one, half, class_weights=ones, utterance_weight=1.0)["frame"]
    torch.testing.assert_close(found, cross(own, torch.full((len(own),), 2)))


def test_right_padding_changes_no_frame_and_no_utterance() -> None:
    one = model()
    with torch.no_grad():
        alone, together = (one(batch(count, seconds=(0.2, 0.5))) for count in (1, 2))
    torch.testing.assert_close(together[0][0, : alone[0].shape[1]], alone[0][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1][0], alone[1][0], rtol=1e-4, atol=1e-5)


def test_it_learns_emotions_of_frames() -> None:
    one, made = model(), sounds(16)
    given, ones = made.batch(made.names), torch.ones(4)
    before = frame_losses(one, given, class_weights=ones, utterance_weight=1.0)
    options = LoopOptions(epochs=15, metric=None, learning_rate=5e-3)
    fit(frame_task(one, made, 4, utterance_weight=1.0, facts={}), options)
    after = frame_losses(one, given, class_weights=ones, utterance_weight=1.0)
    assert float(after["frame"].detach()) < 0.5 * float(before["frame"].detach())
    assert float(after["utterance"].detach()) < 0.5 * float(before["utterance"].detach())


def test_class_weights_are_inverse_to_frequency_and_normalised() -> None:
    found = inverse_frequency([0] * 6 + [1] * 3 + [2], 4)
    assert float(found.mean()) == pytest.approx(1.0)
    assert (found / found[0]).tolist() == pytest.approx([1.0, 2.0, 6.0, 0.0])


def test_assignment_is_to_the_nearest_centroid() -> None:
    random = np.random.default_rng(0)
    frames, centres = (random.normal(size=(size, 5)).astype(np.float32) for size in (300, 7))
    distances = np.linalg.norm(frames[:, None] - centres, axis=2)
    assert np.array_equal(nearest(frames, centres), distances.argmin(1))
    assert np.array_equal(Clusters((centres, centres[:2])).of(frames)[:, 1], distances[:, :2].argmin(1))


def test_k_means_finds_planted_clusters_and_the_seed_decides() -> None:
    random = np.random.default_rng(1)
    places = 20 * random.normal(size=(4, 6))
    own = np.arange(200) % 4
    frames = (places[own] + random.normal(size=(200, 6))).astype(np.float32)
    found = [fit_clusters(frames, (4, 20), iterations=20, seed=seed, threads=1) for seed in (3, 3, 4)]
    assert [one.shape for one in found[0].centres] == [(4, 6), (20, 6)]
    assert all(np.array_equal(a, b) for a, b in zip(found[0].centres, found[1].centres, strict=True))
    assert not np.array_equal(found[0].centres[1], found[2].centres[1])
    fine = found[0].of(frames)[:, 1]
    assert all(len(set(own[fine == cluster].tolist())) == 1 for cluster in set(fine.tolist()))


def test_more_clusters_than_frames_are_refused() -> None:
    with pytest.raises(InputError, match=r"64 clusters of 10 frames: expected as many frames at least; choose fewer"):
        fit_clusters(np.zeros((10, 2), np.float32), (4, 64), iterations=2, seed=0, threads=1)


def test_representations_are_without_padding_and_the_same_alone() -> None:
    one, made = model(), sounds(4)
    found = dict(representations(one.represent, made, device="cpu"))
    assert {name: len(rows) for name, rows in found.items()} == made.lengths
    with torch.inference_mode():
        alone = one.represent(made.batch(["s0"]))[0].numpy()
    np.testing.assert_allclose(found["s0"], alone, rtol=1e-4, atol=1e-5)
