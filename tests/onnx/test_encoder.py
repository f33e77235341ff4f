from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.cache import file_hash
from merc.errors import InputError
from merc.onnx.encoder import Axis, ExportedEncoder, write


class Mean(nn.Module):
    """The mean of a sequence, or with ``fixed`` of the steps of the example that it is traced on."""

    def __init__(self, *, fixed: bool = False) -> None:
        super().__init__()
        self.fixed = fixed

    def forward(self, values: Tensor) -> Tensor:
        """``(1, S, 3)`` to ``(1, 3)``."""
        return values.sum(1) / (int(values.shape[1]) if self.fixed else values.shape[1])


def made(*, fixed: bool = False) -> ExportedEncoder:
    return ExportedEncoder(
        name="mean",
        module=Mean(fixed=fixed),
        inputs=(Axis("values", (1, "S", 3), "float32", "metres"),),
        output=(1, 3),
        example=lambda size: (torch.ones(1, size, 3),),
        reads="sound",
        description={"encoder": "mean", "sha256": "a" * 64},
        licence="free",
        settings={"shortest": 1},
    )


def test_the_manifest_says_what_is_read_and_what_comes_out(tmp_path: Path) -> None:
    found = json.loads(write(made(), tmp_path).read_text(encoding="utf-8"))
    assert (found["kind"], found["reads"], found["width"], found["licence"]) == ("encoder", "sound", 3, "free")
    assert found["inputs"] == [{"name": "values", "type": "float32", "shape": [1, "S", 3], "unit": "metres"}]
    assert found["files"] == {"model.onnx": file_hash(tmp_path / "model.onnx")}
    assert found["bytes"] == {"model.onnx": (tmp_path / "model.onnx").stat().st_size}
    assert found["encoder"]["encoder"] == "mean" and found["numbers"]["stored in"] == "float32"


def test_a_graph_that_gives_other_vectors_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write(made(fixed=True), tmp_path)
    assert str(caught.value) == (
        "encoder 'mean' cannot be exported: on inputs of shapes [[1, 1, 3]] the graph gives other vectors than torch"
    )
    assert list(tmp_path.iterdir()) == []
