"""A head learns what can be learnt, to the byte the same each time, and folding changes nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from merc.errors import InputError
from merc.heads.mlp import hidden, logits
from merc.recipes.head_options import AdaptOptions
from merc.recipes.head_training import Examples, class_weights, network, train

OPTIONS = AdaptOptions(epochs=30, patience=5)


def separable(n: int, seed: int, width: int = 24) -> Examples:
    generator = np.random.default_rng(seed)
    classes = generator.integers(7, size=n)
    centres = np.random.default_rng(99).normal(size=(7, width)) * 3
    return Examples((centres[classes] + generator.normal(size=(n, width))).astype(np.float32), classes)


def test_separable_classes_are_learnt_in_seconds() -> None:
    start = time.process_time()
    trained = train(separable(700, 0), separable(200, 1), OPTIONS, seed=0)
    assert time.process_time() - start < 5
    test = separable(300, 2)
    assert (logits(trained.weights, test.vectors).argmax(1) == test.classes).mean() > 0.97
    assert trained.validation_macro_f1 > 0.97
    assert trained.epoch <= trained.epochs <= OPTIONS.epochs


def test_the_same_seed_gives_the_same_bytes_and_leaves_torch_alone() -> None:
    import torch

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (train(separable(300, 0), separable(90, 1), OPTIONS, seed=s).weights for s in (3, 3, 4))
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_size_of_the_published_head() -> None:
    model = network(512, AdaptOptions())
    assert sum(p.numel() for p in model.parameters()) == 165_895


def test_folded_layers_equal_the_network() -> None:
    import torch

    from merc.recipes.head_training import _folded, _scale

    torch.manual_seed(0)
    model = network(24, AdaptOptions())
    data = separable(256, 0)
    mean, deviation = _scale(data.vectors)
    inputs = torch.from_numpy((data.vectors - mean) / deviation)
    model.train()(inputs)  # moves the running statistics away from 0 and 1
    weights = _folded(model.eval(), mean, deviation)
    with torch.inference_mode():
        np.testing.assert_allclose(logits(weights, data.vectors), model(inputs).numpy(), atol=1e-4)
        np.testing.assert_allclose(hidden(weights, data.vectors), model[:7](inputs).numpy(), atol=1e-4)


@pytest.mark.parametrize(("balance", "expected"), [(0.0, 1.0), (0.5, 3.0), (1.0, 9.0)])
def test_class_weights(balance: float, expected: float) -> None:
    classes = np.array([0] * 90 + [1] * 10)
    weights = class_weights(classes, balance)
    assert weights[1] / weights[0] == pytest.approx(expected)
    assert weights[classes].mean() == pytest.approx(1, rel=1e-6)
    assert not weights[2:].any()


def test_a_constant_column_and_a_last_batch_of_one_do_no_harm() -> None:
    data = separable(65, 0)
    data.vectors[:, 3] = 7.0
    trained = train(data, separable(30, 1), replace(OPTIONS, batch=64, epochs=2), seed=0)
    assert all(np.isfinite(layer).all() for layer in trained.weights.values())


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="1 training, 30 validation examples: expected at least 2, 1"):
        train(separable(1, 0), separable(30, 1), OPTIONS, seed=0)
    with pytest.raises(InputError, match=r"vectors of shape \(2, 3\)"):
        Examples(np.zeros((2, 3), np.float32), np.zeros(3, dtype=int))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": ()}, "seeds .*: expected at least one, each once"),
        ({"seeds": (1, 1)}, "expected at least one, each once"),
        ({"batch": 0}, "batch 0: expected at least 1"),
        ({"hidden": (256,)}, "expected two widths"),
        ({"dropout": 1.0}, "dropout 1.0: expected a share"),
        ({"balance": 2.0}, "balance 2.0: expected 0"),
        ({"learning_rate": 0.0}, "learning rate 0.0"),
    ],
)
def test_options_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AdaptOptions(**change)  # type: ignore[arg-type]
