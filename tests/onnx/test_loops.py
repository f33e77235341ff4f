from __future__ import annotations

import torch
from torch import nn

from merc.nn.graph import DirectedRecurrence, same_speaker_reach
from merc.nn.scan import reference_scan
from merc.nn.ssm import Mamba, MambaOptions
from merc.onnx.loops import LoopedMamba, LoopedRecurrence, PlainGru, compiled, prepared, scan_loop
from merc.systems import SYSTEMS


def test_the_loop_over_tokens_is_the_scan_of_the_paper() -> None:
    torch.manual_seed(0)
    offsets = torch.tensor([0, 3, 4, 11])
    u, delta, b, c = torch.randn(11, 6), torch.rand(11, 6), torch.randn(11, 4), torch.randn(11, 4)
    a, keep = -torch.rand(6, 4), torch.ones(11)
    keep[offsets[:-1]] = 0
    found = compiled(scan_loop)(u, delta, a, b, c, keep)
    torch.testing.assert_close(found, reference_scan(u, delta, a, b, c, offsets))


def test_a_block_gives_the_same_in_a_loop() -> None:
    torch.manual_seed(0)
    block = Mamba(MambaOptions(d_model=8, d_state=4)).eval()
    x, offsets = torch.randn(9, 8), torch.tensor([0, 2, 9])
    for pool in (False, True):
        with torch.no_grad():
            torch.testing.assert_close(LoopedMamba(block)(x, offsets, pool=pool), block(x, offsets, pool=pool))


def test_a_recurrence_along_a_graph_gives_the_same_in_a_loop() -> None:
    torch.manual_seed(0)
    speakers = torch.randint(3, (2, 14))
    mask = torch.ones(2, 14).bool()
    pairs = torch.stack([same_speaker_reach(mask, speakers, turns) for turns in (1, 5)])
    same = speakers[:, :, None] == speakers[:, None]
    for plain in (False, True):
        layer = DirectedRecurrence(8, stacks=2, plain=plain).eval()
        turns = torch.randn(2, 2, 14, 8)
        with torch.no_grad():
            torch.testing.assert_close(LoopedRecurrence(layer)(turns, pairs, same), layer(turns, pairs, same))


def test_a_recurrent_cell_gives_the_same_in_parts() -> None:
    torch.manual_seed(0)
    cell, inputs, state = nn.GRUCell(5, 7), torch.randn(3, 5), torch.randn(3, 7)
    torch.testing.assert_close(PlainGru(cell)(inputs, state), cell(inputs, state))


def test_all_recurrences_of_a_system_are_replaced() -> None:
    system = prepared(SYSTEMS["mamba_dialogue"]({"text": 4}, 3))
    kinds = [type(one) for one in system.context.values()]
    assert kinds and set(kinds) == {LoopedMamba}
