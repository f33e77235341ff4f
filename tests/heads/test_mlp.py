"""Classifiers at run time: three layers and a linear map, and what is lost of large layers."""

from __future__ import annotations

import numpy as np

from merc.heads.mlp import LARGE, LinearHead, Mlp, hidden, rounded, stored


def test_three_layers_with_rectifiers_between_them() -> None:
    generator = np.random.default_rng(0)
    sizes = [(5, 4), (6, 5), (7, 6)]
    weights = {f"weight_{n}": generator.normal(size=size).astype(np.float32) for n, size in enumerate(sizes)}
    weights |= {f"bias_{n}": generator.normal(size=size[0]).astype(np.float32) for n, size in enumerate(sizes)}
    vectors = generator.normal(size=(3, 4)).astype(np.float32)
    first = np.maximum(vectors @ weights["weight_0"].T + weights["bias_0"], 0)
    second = np.maximum(first @ weights["weight_1"].T + weights["bias_1"], 0)
    np.testing.assert_allclose(hidden(weights, vectors), second, rtol=1e-5)
    expected = second @ weights["weight_2"].T + weights["bias_2"]
    np.testing.assert_allclose(Mlp(weights).logits(vectors), expected, rtol=1e-5)
    assert Mlp(weights).parameters == 5 * 4 + 6 * 5 + 7 * 6 + 5 + 6 + 7


def test_a_linear_head_is_a_linear_map() -> None:
    generator = np.random.default_rng(0)
    weight, bias = (generator.normal(size=size).astype(np.float32) for size in ((7, 4), (7,)))
    vectors = generator.normal(size=(3, 4)).astype(np.float32)
    head = LinearHead(weight, bias)
    np.testing.assert_allclose(head.logits(vectors), vectors @ weight.T + bias, rtol=1e-5)
    assert head.logits(vectors).dtype == np.float64 and head.parameters == 35


def test_large_layers_are_halved_without_loss() -> None:
    large = np.full((LARGE // 4 + 1,), 1 / 3, np.float32)
    small = np.full((4,), 1 / 3, np.float32)
    weights = {"large": rounded(large), "small": rounded(small)}
    kept = stored(weights)
    assert (kept["large"].dtype, kept["small"].dtype) == (np.float16, np.float32)
    assert (kept["large"].astype(np.float32) == weights["large"]).all() and (weights["large"] != large).all()
