from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.errors import InputError
from merc.heads.head import Head
from merc.onnx import heads
from merc.onnx.folder import write
from merc.runtime import load


@pytest.mark.parametrize("name", ["text-head", "face-head"])
def test_a_shipped_head_gives_the_same_probabilities_without_torch(name: str, tmp_path: Path) -> None:
    write(heads.exported(name), tmp_path)
    head = Head.load(name.removesuffix("-head"), conversation=False)
    vectors = np.random.default_rng(0).normal(size=(500, head.width)).astype(np.float32)
    vectors[3] = np.nan
    found = load(tmp_path)
    probabilities = found.probabilities({head.name: vectors})
    assert np.isnan(probabilities[3]).all()
    np.testing.assert_allclose(np.delete(probabilities, 3, 0), head.probabilities(np.delete(vectors, 3, 0)), atol=1e-4)
    assert found.labels == head.labels and "research" in found.manifest["licence"]


def test_another_head_is_refused() -> None:
    with pytest.raises(InputError, match="head 'body-head': expected text-head, conversation-head, face"):
        heads.exported("body-head")
