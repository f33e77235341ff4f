"""A head learns what can be learnt, to the byte the same each time, and folding changes nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.heads.mlp import LinearHead, Mlp, hidden, logits
from merc.recipes.head_training import Examples, HeadOptions, Trained, class_weights, network, ridge, train

OPTIONS = HeadOptions(epochs=30, patience=5)


def separable(n: int, seed: int, width: int = 24) -> Examples:
    generator = np.random.default_rng(seed)
    classes = generator.integers(7, size=n)
    centres = np.random.default_rng(99).normal(size=(7, width)) * 3
    return Examples((centres[classes] + generator.normal(size=(n, width))).astype(np.float32), classes)


def layers(run: Trained) -> dict[str, np.ndarray]:
    assert isinstance(run.head, Mlp)
    return run.head.weights


def test_separable_classes_are_learnt_in_seconds() -> None:
    start = time.process_time()
    trained = train(separable(700, 0), separable(200, 1), OPTIONS, seed=0)
    assert time.process_time() - start < 5
    test = separable(300, 2)
    assert (trained.head.logits(test.vectors).argmax(1) == test.classes).mean() > 0.97
    assert trained.validation_macro_f1 > 0.97
    assert trained.epoch <= trained.epochs <= OPTIONS.epochs


def test_the_same_seed_gives_the_same_bytes_and_leaves_torch_alone() -> None:
    import torch

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (layers(train(separable(300, 0), separable(90, 1), OPTIONS, seed=s)) for s in (3, 3, 4))
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_size_of_the_published_head() -> None:
    model = network(512, HeadOptions())
    assert sum(p.numel() for p in model.parameters()) == 165_895


def test_folded_layers_equal_the_network() -> None:
    import torch

    from merc.recipes.head_training import _folded, _scale

    torch.manual_seed(0)
    model = network(24, HeadOptions())
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
    assert all(np.isfinite(layer).all() for layer in layers(trained).values())


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
        ({"batch": 0}, "batch is 0: expected at least 1"),
        ({"hidden": (256,)}, "expected two widths"),
        ({"dropout": 1.0}, "dropout is 1.0: expected 0 to below 1"),
        ({"balance": 2.0}, "balance is 2.0: expected 0 to 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: expected more than 0"),
    ],
)
def test_options_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HeadOptions(**change)  # type: ignore[arg-type]


def test_a_finished_training_is_read_and_another_is_refused(tmp_path: Path) -> None:
    data = separable(300, 0), separable(90, 1)
    first = train(*data, OPTIONS, seed=0, folder=tmp_path)
    state = (tmp_path / "state.json").read_bytes()
    again = train(*data, OPTIONS, seed=0, folder=tmp_path)
    assert (tmp_path / "state.json").read_bytes() == state
    assert all((layers(first)[name] == layers(again)[name]).all() for name in layers(first))
    with pytest.raises(InputError, match="holds a training with another .*training"):
        train(separable(301, 0), data[1], OPTIONS, seed=0, folder=tmp_path)


def test_the_learning_rate_falls_where_validation_stands_still() -> None:
    loop = replace(OPTIONS, plateau=2, patience=4).loop(3)
    assert (loop.schedule, loop.plateau, loop.patience, loop.metric) == ("plateau", 2, 4, "macro_f1")
    assert (loop.optimiser, loop.clip, loop.seed) == ("adam", None, 3)


def plain(n: int, seed: int, width: int = 40) -> Examples:
    generator = np.random.default_rng(seed)
    classes = generator.integers(7, size=n)
    centres = np.random.default_rng(99).normal(size=(7, width))
    return Examples((5 + centres[classes] + generator.normal(size=(n, width))).astype(np.float32), classes)


def test_the_linear_head_is_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    training, validation = plain(120, 0), plain(60, 1)
    found = ridge(training, validation, penalties=(0.3,))
    scaled = (training.vectors - training.vectors.mean(0)) / training.vectors.std(0)
    level = np.trace(scaled @ scaled.T) / len(scaled)
    targets = np.where(np.arange(7) == training.classes[:, None], 1.0, -1.0)
    book = Ridge(alpha=0.3 * level).fit(scaled, targets)
    other = (validation.vectors - training.vectors.mean(0)) / training.vectors.std(0)
    np.testing.assert_allclose(found.head.logits(validation.vectors), book.predict(other), atol=1e-3)
    assert found.validation_macro_f1 > 0.9
    assert isinstance(found.head, LinearHead) and found.head.parameters == 7 * 41


def test_validation_chooses_the_penalty() -> None:
    training, validation = plain(60, 0), plain(60, 1)
    tried = [ridge(training, validation, penalties=(p,)).validation_macro_f1 for p in (1e-6, 0.3, 1e6)]
    found = ridge(training, validation, penalties=(1e-6, 0.3, 1e6))
    assert found.validation_macro_f1 == max(tried) == tried[found.epoch - 1]
    same = ridge(training, validation, penalties=(0.3, 0.3))
    assert same.epoch in (1, 2)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="1 training, 9 validation examples"):
        ridge(plain(1, 0), plain(9, 1))
    with pytest.raises(InputError, match=r"penalty is 0\.0: expected more than 0"):
        ridge(plain(9, 0), plain(9, 1), penalties=(0.0,))
