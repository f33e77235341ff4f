from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.onnx.graph import halve, trace
from merc.runtime.folder import session


class Sorting(nn.Module):
    """Operators that the older exporter lacks."""

    def forward(self, values: Tensor) -> Tensor:
        """Places ``(1, S)`` by value, differences and a transposed product, added up."""
        order = values.argsort(dim=1, descending=True, stable=True)
        flags = (values > 0).to(torch.int8).argsort(dim=1, stable=True)
        square = values[:, :, None] * values[:, None]
        return order + 10 * flags + nn.functional.pad(order.diff(), (1, 0)) + square.mT.sum(-1)


def test_stable_sorts_and_differences_are_those_of_torch_at_any_length(tmp_path: Path) -> None:
    example = (torch.randn(1, 5),)
    reason = trace(
        Sorting(),
        example,
        tmp_path / "a.onnx",
        names=["values"],
        output="found",
        dynamo=False,
        followed={"dynamic_axes": {"values": {1: "S"}}},
    )
    assert reason == ""
    graph = session(tmp_path / "a.onnx", threads=1)
    for size in (2, 9, 40):
        values = torch.randint(-3, 4, (1, size)).float()  # many are equal
        (found,) = graph.run(None, {"values": values.numpy()})
        np.testing.assert_array_equal(found, Sorting()(values).numpy())


def test_weights_of_half_the_size_give_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer, path = nn.Linear(300, 200), tmp_path / "a.onnx"
    assert not trace(layer, (torch.randn(2, 300),), path, names=["x"], output="y", dynamo=False, followed={})
    before = path.stat().st_size
    halve(path)
    assert path.stat().st_size < 0.51 * before
    values = torch.randn(2, 300)
    (found,) = session(path, threads=1).run(None, {"x": values.numpy()})
    wanted = layer(values).detach().numpy()
    assert 0 < np.abs(found - wanted).max() < 1e-3
