"""V-FT's classifier and emotion2vec's downstream head: pooling, masks, depth, weights of classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from merc.recipes.finetune_speech import FinetuneOptions
from merc.recipes.pretraining.classifier import Classifier, FrameHead, MeanHead, augmented, finetune_task, predicted
from merc.recipes.pretraining.frames import inverse_frequency
from merc.training.loop import fit
from merc.training.options import LoopOptions
from tests.recipes.pretraining.made import WIDTH, backbone, batch, sounds

OPTIONS = FinetuneOptions(device="cpu", mask_length=4, feature_length=8, feature_probability=0.5)


def classifier(**changes: object) -> Classifier:
    made = backbone(3)
    torch.manual_seed(1)
    return Classifier(made, 4, replace(OPTIONS, **changes))  # type: ignore[arg-type]


def test_the_downstream_head_has_197892_parameters() -> None:
    assert sum(one.numel() for one in FrameHead(768, 4).parameters()) == 197_892


def test_the_masked_mean_equals_the_mean_without_padding() -> None:
    states, real = torch.randn(2, 9, WIDTH), torch.arange(9) < torch.tensor([[5], [9]])
    for head in (MeanHead(WIDTH, 4), FrameHead(WIDTH, 4, hidden=8)):
        alone = head(states[:1, :5], torch.ones(1, 5, dtype=torch.bool))
        torch.testing.assert_close(head(states, real)[:1], alone)
        last = states.clone()
        last[0, 4] += 1.0  # the last real frame counts
        assert float((head(last, real)[0] - head(states, real)[0]).detach().abs().max()) > 1e-3


def test_the_heads_are_those_of_the_papers() -> None:
    states, real = torch.randn(1, 6, WIDTH), torch.ones(1, 6, dtype=torch.bool)
    mean, frame = MeanHead(WIDTH, 4), FrameHead(WIDTH, 4, hidden=8)
    torch.testing.assert_close(mean(states, real), mean.out(states.mean(1).relu()))
    torch.testing.assert_close(frame(states, real), frame.out(frame.inner(states).relu().mean(1)))


@pytest.mark.parametrize(("depth", "trained"), [("frozen", []), ("top-k", [2]), ("all-but-front-end", [0, 1, 2])])
def test_the_depth_says_which_layers_learn(depth: str, trained: list[int]) -> None:
    one = classifier(depth=depth, layers=1)
    layers = one.encoder.network.layers
    assert [n for n, layer in enumerate(layers) if all(p.requires_grad for p in layer.parameters())] == trained
    assert one.encoder.mask_vector.requires_grad == one.encoder.network.norm.weight.requires_grad == bool(trained)
    assert not one.encoder.network.first.weight.requires_grad
    one(batch()).square().sum().backward()
    assert all(p.grad is not None for p in one.head.parameters())


def test_masks_are_drawn_in_training_but_not_for_a_frozen_encoder() -> None:
    given = batch()
    found = augmented(given, torch.Generator().manual_seed(0), OPTIONS, WIDTH)
    assert all(4 < int(row.sum()) <= 8 for row in found.masked)  # two spans of four frames at least, which may overlap
    assert found.hidden.shape == (4, WIDTH) and found.hidden.any()
    frozen = augmented(given, torch.Generator().manual_seed(0), replace(OPTIONS, depth="frozen"), WIDTH)
    assert not frozen.masked.any() and not frozen.hidden.any()


def test_masks_reach_the_logits() -> None:
    one, given = classifier(), batch()
    found = augmented(given, torch.Generator().manual_seed(0), OPTIONS, WIDTH)
    with torch.no_grad():
        whole, masked, hidden = (
            one(x) for x in (given, replace(given, masked=found.masked), replace(given, hidden=found.hidden))
        )
    assert float((whole - masked).abs().max()) > 1e-4 and float((whole - hidden).abs().max()) > 1e-4


def test_the_loss_weighs_classes_by_their_inverse_frequency() -> None:
    one, data = classifier(), sounds(8)
    data = replace(data, labels={**data.labels, "s0": 1, "s4": 1, "s2": 1})
    task = finetune_task(one, data, data, OPTIONS, heard="")
    given = data.batch(data.names)
    weights = inverse_frequency(given.labels.tolist(), 4)
    expected = torch.nn.functional.cross_entropy(one(given), given.labels, weight=weights)
    torch.testing.assert_close(task.loss(one, given)["label"], expected)  # type: ignore[index]
    assert task.size(given) == pytest.approx(float(weights[given.labels].sum()))


def test_it_learns_and_a_frozen_encoder_keeps_its_bytes() -> None:
    data = sounds(16)
    for depth, rate in (("all-but-front-end", 3e-3), ("frozen", 2e-2)):
        one = classifier(depth=depth)
        before = [value.clone() for value in one.encoder.network.state_dict().values()]
        task = finetune_task(one, data, data, replace(OPTIONS, depth=depth, choose="validation"), heard="")
        options = LoopOptions(epochs=12, patience=12, metric="unweighted_recall", learning_rate=rate)
        assert fit(task, options).figures()["unweighted_recall"] >= 0.75
        same = [torch.equal(a, b) for a, b in zip(before, one.encoder.network.state_dict().values(), strict=True)]
        assert all(same) == (depth == "frozen")


def test_predictions_are_by_name_and_do_not_depend_on_the_batch() -> None:
    one, data = classifier().eval(), sounds(6)
    together = predicted(one, data, device="cpu")
    alone = predicted(one, replace(data, batch_seconds=0.1), device="cpu")
    assert together == alone and set(together) == set(data.names)
    with torch.inference_mode():
        assert together["s3"] == int(one(data.batch(["s3"])).argmax())
