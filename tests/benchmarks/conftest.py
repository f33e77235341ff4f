"""A small bench on a made-up MELD."""

from __future__ import annotations

import pytest

from merc.benchmarks.runner import BenchOptions
from tests.recipes import made_meld


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BenchOptions:
    root = tmp_path_factory.mktemp("corpus")
    made_meld.store(made_meld.tree(root))
    return BenchOptions(
        only=("concat", "cogmen"),
        protocols=("meld-7",),
        features={"meld": f"text={root / 'store'}:made"},
        seeds=2,
        training={"epochs": 3, "learning_rate": 1e-2},
        folder=root / "bench",
        data=root,
    )
