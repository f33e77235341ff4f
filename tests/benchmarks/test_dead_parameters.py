"""No parameter of a published row has a gradient of exactly zero throughout its training.

The rows of ``merc bench systems`` and ``merc bench paper`` are trained for some steps with the options of their cells,
on features of the shapes of MELD; systems that read sequences on sequences too. Every tensor, and every slice of it
along each axis, must have had a gradient at least once; what has none by design is listed with its reason. A row whose
features make a sequence of one step has dead parts, and its name says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from merc.benchmarks import runner, table2
from merc.benchmarks.runner import BenchOptions
from merc.features.spec import FeatureSpec
from merc.features.store import Feature, Writer
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import ONE_STEP, Trained, train_fold
from merc.systems import SYSTEMS
from merc.training.hooks import BaseHook
from merc.training.loop import Run
from tests.recipes import made_meld

TURNS, PEOPLE = 13, "FFMMN"
WIDTHS: Mapping[str, int] = {"text": 768, "voice": 6, "face": 17}
"""Of mpnet, attributes6 and au17, the usual features of MELD."""
SEQUENCES: Mapping[str, tuple[int, int]] = {
    "tokens": (6, 768),
    "frames": (9, 47),
    "markers": (12, 189),
    "cells": (16, 16 * 20),
}
"""Steps and widths of features with a sequence for each utterance; cells of FaceNet are wider."""
QUICK: Mapping[str, Any] = {"epochs": 3, "threads": 1}


class Observer(BaseHook):
    """Notes which values of each parameter have had a gradient."""

    def __init__(self) -> None:
        self.moved: dict[str, Tensor] = {}

    def before_step(self, module: nn.Module) -> None:
        """Note them before a step."""
        for name, one in module.named_parameters():
            if one.requires_grad:
                known = self.moved.setdefault(name, torch.zeros_like(one, dtype=torch.bool))
                if one.grad is not None:
                    known |= one.grad != 0

    def dead(self) -> Iterator[str]:
        """``name[axis]`` for each axis of a tensor along which some slice has had no gradient."""
        for name, moved in self.moved.items():
            for axis in range(moved.ndim):
                others = tuple(one for one in range(moved.ndim) if one != axis)
                if not (moved.any(others) if others else moved).all():
                    yield f"{name}[{axis}]"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MELD's layout, three speakers and thirteen turns a dialogue, with vectors and sequences."""
    root = made_meld.tree(tmp_path_factory.mktemp("corpus"), turns=TURNS, people=PEOPLE)
    for name, width in WIDTHS.items():
        _write(root, name, (width,))
    for name, shape in SEQUENCES.items():
        _write(root, name, shape)
    return root


def _write(root: Path, name: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(name))
    centres = random.standard_normal((7, shape[-1]))
    with Writer(root / "store", Feature(name, shape[-1:], {"encoder": name}, sequence=len(shape) > 1)) as writer:
        for number, (split, size) in enumerate(made_meld.SIZES.items()):
            for dialogue, turn in np.ndindex(size, TURNS):
                centre = centres[(turn + dialogue + number) % 7]
                writer.add(f"{split}/dia{dialogue}_utt{turn}", centre + random.standard_normal(shape))


EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "guided_window": {
        "summarise.layers.*.weight[2]": "two faces are left of a window: taps that reach further back see padding",
        "stages.*.spline[1]": "splines at the ends of the grid, which no value reaches in these steps",
    },
    "tripathi": dict.fromkeys(
        ("branches.motion.out.*", "label.1.weight[1]"), "values behind a ReLU that is closed in these three steps"
    ),
    "unimse": {"t5.*.relative_attention_bias.weight[0]": "distances that are longer than these dialogues and labels"},
}
"""By system what has no gradient by design or in data this small, by ``name[axis]``, with the reason."""


def options_of(root: Path) -> BenchOptions:
    features = ",".join(f"{name}={root / 'store'}:{name}" for name in WIDTHS)
    return BenchOptions(protocols=("meld-7",), features={"meld": features}, seeds=1, training=QUICK, data=root)


def observed(request: Request) -> tuple[Trained, set[str]]:
    """A training of some steps, and what has had no gradient in it, without the exceptions, which must all be met.

    Where something has had none it is trained for longer, since a ReLU may be closed at first: the draws of each
    version of torch are others.
    """
    trained, dead = _observed(request)
    if dead and ONE_STEP not in trained.variant:
        trained, dead = _observed(replace(request, training={**request.training, "epochs": 8, "patience": 8}))
    return trained, dead


def _observed(request: Request) -> tuple[Trained, set[str]]:
    prepared, observer = Prepared(request), Observer()
    trained = train_fold(prepared, prepared.folds()[0], run=Run(hooks=[observer]))
    known = EXCEPTIONS.get(request.system, {})
    dead = set(observer.dead())
    unmet = [one for one in known if not any(matches(name, one) for name in dead)]
    assert not unmet or ONE_STEP in trained.variant, f"{unmet[0]} has a gradient: take it off the list"
    return trained, {name for name in dead if not any(matches(name, one) for one in known)}


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in which only the star is special."""
    return fnmatch(name, pattern.replace("[", "[[]"))


ROWS = [name for name in SYSTEMS if name not in ("deepmsi", "speech", "ranklist")]
"""Of ``merc bench systems`` on vectors: one reads grids, one the states of a speech encoder, one gives no classes."""


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_bench_of_systems_has_no_dead_parameter_or_its_name_says_so(root: Path, name: str) -> None:
    (cell,) = runner.plan(replace(options_of(root), only=(name,)))
    trained, dead = observed(cell.request)
    assert not dead or ONE_STEP in trained.variant


@pytest.mark.parametrize("name", [*table2.DEFAULT_ROWS, "mamba, as in the paper"])
def test_a_row_of_the_bench_of_the_paper_has_no_dead_parameter_or_its_name_says_so(root: Path, name: str) -> None:
    *_, cell = table2.plan(replace(options_of(root), only=(name,)))
    assert len(cell.request.modalities) == 3
    trained, dead = observed(cell.request)
    assert not dead or ONE_STEP in trained.variant


@pytest.mark.parametrize(
    ("system", "features", "epochs"),
    [
        ("tripathi", "text=tokens,voice=frames,motion=markers", 1),
        ("joint_vectors", "text=tokens,voice=frames", 1),
        ("mamba", "text=tokens,voice=frames", 1),
        ("unimse", "text=text,voice=frames", 3),
        ("deepmsi", "text=text,voice=voice,face=cells", 1),
    ],
)
def test_on_sequences_the_recurrence_the_scan_and_the_attention_are_trained(
    root: Path, system: str, features: str, epochs: int
) -> None:
    given = {name: f"{root / 'store'}:{feature}" for name, feature in FeatureSpec.parse(features).items()}
    request = Request(system, "meld-7", str(FeatureSpec(given)), training={**QUICK, "epochs": epochs}, data=root)
    trained, dead = observed(request)
    assert not dead and ONE_STEP not in trained.variant


def test_what_a_single_step_leaves_without_a_gradient_is_the_recurrence_and_the_scan(root: Path) -> None:
    (cell,) = runner.plan(replace(options_of(root), only=("mamba",)))
    trained, dead = observed(cell.request)
    assert dead == {"block.A_log[0]", "block.A_log[1]", "block.conv1d.weight[2]"}  # three of four taps
    assert ONE_STEP in trained.variant
