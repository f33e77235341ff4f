"""Principal components: the same logits once they are folded, and no more of them than vectors."""

from __future__ import annotations

import numpy as np
import pytest

from merc.heads.mlp import logits
from merc.recipes.components import Components


def planted(n: int = 300, d: int = 40) -> np.ndarray:
    """Vectors of two strong directions and noise, far from 0."""
    random = np.random.default_rng(0)
    return (random.normal(size=(n, 2)) @ random.normal(size=(2, d)) * 5 + random.normal(size=(n, d)) + 30).astype("f4")


def test_strong_directions_come_first_and_flatness_makes_all_alike() -> None:
    vectors = planted()
    plain, flat = (Components.of(vectors, 10, flatness=power)(vectors).std(0) for power in (0.0, 1.0))
    assert plain[:2].min() > 2 * plain[2:].max()
    np.testing.assert_allclose(flat, flat[0], rtol=1e-2)
    assert (plain**2).mean() == pytest.approx(1, rel=1e-2)


def test_no_more_components_than_vectors() -> None:
    assert Components.of(planted(n=6), 10, flatness=0.25).directions.shape == (40, 5)


def test_folded_layers_do_the_same() -> None:
    random, vectors = np.random.default_rng(1), planted()
    components = Components.of(vectors, 10, flatness=0.25)
    sizes = ((10, 8), (8, 6), (6, 7))
    weights = {f"weight_{n}": random.normal(size=(out, into)).astype("f4") for n, (into, out) in enumerate(sizes)}
    weights |= {f"bias_{n}": random.normal(size=out).astype("f4") for n, (_, out) in enumerate(sizes)}
    inside = logits(weights, components(vectors))
    np.testing.assert_allclose(logits(components.folded(weights), vectors), inside, rtol=1e-2, atol=1e-2)
