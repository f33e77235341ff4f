"""No system makes a tensor on a fixed device: each runs where its parameters are, whatever the default device is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from merc.systems import SYSTEMS, Batch, System
from merc.training.gradients import Modulation

from .contract import CLASSES, DIMENSIONS, given, made_batch

WIDTHS = {"text": 6, "voice": 5, "face": 4}
OPTIONS: dict[str, dict[str, Any]] = {
    "deepmsi": {"cells": 2, "width": 8, "heads": 2, "keep": (1,)},
    "joint_vectors_dialogue steps": {"reads": "steps", "width": 8, "heads": 2},
    "tripathi": {"width": 8, "text_state": 4, "voice_state": 4, "glances": 2, "bins": 6, "filters": (4,)},
    "unimse": {"width": 16, "heads": 2, "head": 8, "inner": 16, "layers": 2, "fused": 1},
    "mamba pooled": {"pooled": True},
}


def built(name: str) -> tuple[System, Batch]:
    torch.manual_seed(0)
    kind = SYSTEMS[name.split()[0]]
    widths = {one: wide for one, wide in WIDTHS.items() if one in kind.description.modalities}
    options = kind.Options(**OPTIONS[name]) if name in OPTIONS else None
    batch = made_batch(widths, (4, 2), level=kind.description.level)
    if not kind.description.predicts_classes:
        return kind(widths, 0, options, dimensions=DIMENSIONS), batch
    return kind(widths, CLASSES, options), batch


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """Tensors that name no device are made on "meta", where they cannot meet those of the CPU."""
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(before)


ALL = sorted({*SYSTEMS, *OPTIONS})


@pytest.mark.parametrize("name", ALL)
def test_a_training_step_mixes_no_devices(name: str, request: pytest.FixtureRequest) -> None:
    system, batch = built(name)
    request.getfixturevalue("elsewhere")
    output = system.train()(batch)
    output.loss.backward()
    assert given(output).device.type == "cpu"
    assert all(value.device.type == "cpu" for value in [*output.losses.values(), *output.representations.values()])
    system.eval()(batch.without("text" if "face" in system.description.needs else list(system.inputs)[-1]))


def test_a_gradient_hook_is_made_where_its_system_is(request: pytest.FixtureRequest) -> None:
    system, batch = built("concat")
    request.getfixturevalue("elsewhere")
    hook = Modulation()
    assert {one.device.type for one in hook.start(system)} == {"cpu"}
    assert {one.device.type for one in hook.losses(system.train()(batch), batch).values()} == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ALL)
def test_a_training_step_on_a_gpu(name: str) -> None:
    system, batch = built(name)
    output = system.to("cuda").train()(batch.to("cuda"))
    output.loss.backward()
    assert given(output).device.type == "cuda"
