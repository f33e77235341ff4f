from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from merc.errors import InputError
from merc.onnx.cogmen import DenseCogmen
from merc.onnx.folder import Exported, Input, example, write
from merc.runtime import load
from merc.systems import SYSTEMS, Batch, Rows
from merc.systems.cogmen import CogmenOptions

WIDTHS = {"text": 6, "voice": 4}


def made(options: CogmenOptions) -> Exported:
    torch.manual_seed(0)
    system = SYSTEMS["cogmen"](WIDTHS, 5, options).eval()
    system.norm.running_mean.normal_()
    inputs = [Input(name, width, needed=False) for name, width in WIDTHS.items()]
    return Exported(DenseCogmen(system), "dialogue", inputs, tuple("abcde"), {"name": "cogmen"})


def by_edges(model: Exported, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    speakers, text, voice, text_present, voice_present = inputs
    rows = {"text": Rows.of_vectors(text, text_present), "voice": Rows.of_vectors(voice, voice_present)}
    logits: torch.Tensor = model.module.system(
        Batch.of(rows, torch.ones_like(speakers).bool(), speakers=speakers)
    ).logits
    return logits


@pytest.mark.parametrize(
    "options",
    [
        CogmenOptions(context=16, graph=8),
        CogmenOptions(context=16, graph=8, relations=False, skip=True, heads=2, past=-1, future=0),
        CogmenOptions(context=0, graph=8),
    ],
)
@pytest.mark.parametrize("turns", [1, 13])
def test_dense_matrices_give_what_edge_lists_give(options: CogmenOptions, turns: int) -> None:
    model = made(options)
    inputs = example(model, turns, seed=turns)
    with torch.no_grad():
        torch.testing.assert_close(model.module(*inputs), by_edges(model, inputs), rtol=1e-4, atol=1e-5)


def test_the_graph_follows_dialogues_of_any_length(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")
    model = made(CogmenOptions(context=16, graph=8, layers=1, feedforward=16))
    write(model, tmp_path)
    speakers, text, voice, text_present, voice_present = example(model, 61, seed=3)
    rows = {"text": text[0].numpy(), "voice": voice[0].numpy()}
    rows["text"][~text_present[0].numpy()] = np.nan
    rows["voice"][~voice_present[0].numpy()] = np.nan
    found = load(tmp_path).probabilities(rows, speakers=speakers[0].tolist())
    wanted = torch.softmax(by_edges(model, (speakers, text, voice, text_present, voice_present)), -1)[0]
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=1e-4)


def test_another_system_is_refused() -> None:
    with pytest.raises(InputError, match="system 'concat' is not cogmen"):
        DenseCogmen(SYSTEMS["concat"]({"text": 3}, 2))
