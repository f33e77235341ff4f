"""Stage 3: clusters are predicted at masked frames only, with one head per number of clusters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from merc.recipes.pretraining.encoder import MaskedEncoder
from merc.recipes.pretraining.prediction import MaskedPredictor, cluster_losses, masked_at_random, prediction_task
from merc.recipes.pretraining.sounds import Batch
from merc.training.loop import fit
from merc.training.options import LoopOptions
from tests.recipes.pretraining.made import batch, network, sounds

PAPER = (64, 512, 4096)


def predictor(counts: tuple[int, ...] = (5, 9)) -> MaskedPredictor:
    made = network()
    torch.manual_seed(1)
    return MaskedPredictor(MaskedEncoder(made), counts, hidden=16)


def with_masks(given: Batch, *, probability: float = 0.5) -> Batch:
    return masked_at_random(given, torch.Generator().manual_seed(0), probability=probability, length=4)


def masked(counts: tuple[int, ...] = (5, 9)) -> Batch:
    given = batch()
    torch.manual_seed(2)
    clusters = torch.stack([torch.randint(count, given.masked.shape) for count in counts], -1)
    return with_masks(replace(given, clusters=clusters))


def total(model: MaskedPredictor, given: Batch) -> float:
    with torch.no_grad():
        return float(sum(cluster_losses(model, given).values()))


def test_pseudo_labels_at_unmasked_frames_do_not_matter_and_at_masked_frames_do() -> None:
    model, given = predictor(), masked()
    there, elsewhere = given.clusters.clone(), given.clusters.clone()
    elsewhere[~given.masked] = (elsewhere[~given.masked] + 1) % 5
    there[given.masked] = (there[given.masked] + 1) % 5
    assert total(model, replace(given, clusters=elsewhere)) == total(model, given)
    assert total(model, replace(given, clusters=there)) != total(model, given)


def test_the_loss_is_the_sum_over_k_of_means_over_masked_frames() -> None:
    model, given = predictor(), masked()
    states = model.encoder(model.encoder.front_end(given.mels), given.real, given.masked).frames[-1]
    expected = []
    for level, head in enumerate(model.heads):
        rows = [
            -head(states[b, s]).log_softmax(0)[given.clusters[b, s, level]] for b, s in given.masked.nonzero().tolist()
        ]
        expected.append(torch.stack(rows).mean())
    found = cluster_losses(model, given)
    assert list(found) == ["clusters_5", "clusters_9"]
    torch.testing.assert_close(torch.stack(list(found.values())), torch.stack(expected))


def test_the_initial_loss_is_the_sum_of_ln_k() -> None:
    expected = sum(map(math.log, PAPER))
    assert round(expected, 2) == 18.71
    assert abs(total(predictor(PAPER), masked(PAPER)) - expected) < 0.6


def test_nothing_is_learned_where_nothing_is_masked() -> None:
    given = masked()
    assert cluster_losses(predictor(), replace(given, masked=torch.zeros_like(given.masked))) == {}


def test_masks_are_spans_of_real_frames_and_each_sound_has_one() -> None:
    given = with_masks(batch(), probability=0.01)
    assert given.masked.sum(1).tolist() == [4] * 4
    assert not (given.masked & ~given.real).any()


def test_clusters_of_masked_frames_are_learned_from_the_others() -> None:
    """The cluster of every frame is the band of its sound, which the frames around a mask show."""
    made, model = sounds(16), predictor((4,))
    clusters = {name: np.full((made.lengths[name], 1), made.labels[name]) for name in made.names}
    made = replace(made, clusters=clusters)
    given = with_masks(made.batch(made.names))
    before, front = total(model, given), model.encoder.network.first.weight.detach().clone()
    task = prediction_task(model, made, probability=0.5, length=4, facts={})
    assert task.size(given) == float(given.masked.sum())
    fit(task, LoopOptions(epochs=20, metric=None, learning_rate=3e-3))
    assert total(model, given) < 0.3 * before
    assert torch.equal(model.encoder.network.first.weight, front)
