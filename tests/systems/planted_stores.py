"""Planted corpora on disk, a manifest and a feature store, in each of which the core idea of one system is what helps.

    TRIALS["cogmen"].figures(folder, seed=0)  # accuracy on test with the idea, and without it: (0.98, 0.52)

Each is trained and measured as ``merc train SYSTEM --corpus manifest:FILE`` and ``merc evaluate`` do it. The data are
drawn by the seed, which is also that of the training.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merc.benchmarks.run_report import report_run
from merc.features.store import Feature, Writer
from merc.paths import store_root
from merc.recipes.joined.universal_labels import VECTORS
from merc.recipes.request import Request
from merc.recipes.systems import train
from tests.systems import planted_worlds as worlds
from tests.systems.planted_worlds import LENT, Dialogue

Make = Callable[[np.random.Generator, int], Mapping[str, Sequence[Dialogue]]]
"""Dialogues by split, from a source of random numbers and how many there are to learn from.

Those of splits that begin with ``LENT`` are another corpus, whose labels are lent unless the idea is left out.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a training without the idea does otherwise: another system, options, modalities or training options."""

    system: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A system on the planted corpus of its idea.

    Attributes:
        system: Its name.
        idea: What the label of an utterance depends on.
        make: The corpus.
        small, full: How many dialogues to learn from in the test suite and in the bench.
        without: Trainings without the idea, of which the best counts.
        options, training: Of all trainings.
    """

    system: str
    idea: str
    make: Make
    small: int
    full: int
    without: tuple[Change, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def figures(self, folder: Path, *, seed: int, size: int = 0) -> tuple[float, float]:
        """Accuracy on test with the idea, and the best of those without it."""
        random = np.random.default_rng(seed)
        made = self.make(random, size or self.small)
        own = {split: dialogues for split, dialogues in made.items() if not split.startswith(LENT)}
        lent = {split.removeprefix(LENT): made[split] for split in made if split not in own}
        table, features = written(folder / "own", own, prepared=bool(lent))
        training: dict[str, Any] = {}
        if lent:
            training["labels_from"] = f"manifest:{written(folder / 'lender', lent, prepared=True)[0]}"
        every = [Change(training=training), *self.without]
        found = [self._accuracy(table, features, one, folder / f"run{place}", seed) for place, one in enumerate(every)]
        return found[0], max(found[1:])

    def _accuracy(self, table: Path, features: str, change: Change, out: Path, seed: int) -> float:
        request = Request(
            change.system or self.system,
            f"manifest:{table}",
            features,
            modalities=change.modalities,
            seed=seed,
            options=dict(change.options) if change.system else {**self.options, **change.options},
            training={"metric": "accuracy", "patience": 60, **self.training, **change.training},
        )
        list(train(request, out))
        return float(report_run(out, split="test").record.figures["accuracy"])


def written(folder: Path, made: Mapping[str, Sequence[Dialogue]], *, prepared: bool = False) -> tuple[Path, str]:
    """The manifest and the store of dialogues by split: the path of the table, and the features as ``--features``.

    ``prepared``: the text is where ``merc prepare`` writes it, under the name of the encoder that compares utterances
    of several corpora.
    """
    folder.mkdir(parents=True)
    rows, values = [], dict[str, dict[str, np.ndarray | None]]()
    for split, dialogues in made.items():
        for number, dialogue in enumerate(dialogues):
            for place, turn in enumerate(dialogue):
                name = f"{split}{number}"
                rows.append((name, f"{name}_{place}", turn.speaker, turn.text, turn.label or "", split))
                for modality, value in turn.values.items():
                    values.setdefault(modality, {})[f"{name}_{place}"] = value
    with (folder / "corpus.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("conversation", "utterance", "speaker", "text", "label", "split"), *rows])
    table = folder / "corpus.csv"
    store = store_root(f"manifest:{table}") if prepared else folder / "store"
    for modality, found in values.items():
        shown = next(value for value in found.values() if value is not None)
        name = VECTORS if prepared else modality
        feature = Feature(name, shown.shape[-1:], {"encoder": name, "sha256": "a" * 64}, sequence=shown.ndim > 1)
        with Writer(store, feature) as writer:
            for utterance, value in found.items():
                writer.add(utterance, value, reason="left out" if value is None else None)
    return table, f"text={VECTORS}" if prepared else ",".join(f"{name}={store}:{name}" for name in values)


def wins(system: str, folder: Path, *, margin: float, seeds: int = 2) -> None:
    """Raise AssertionError unless a system beats the best training without its idea under each of some seeds."""
    for seed in range(seeds):
        ours, without = TRIALS[system].figures(folder / f"seed{seed}", seed=seed)
        assert ours > without + margin, f"{system}, seed {seed}: {ours:.3f} with, {without:.3f} without the idea"


_QUICK = {"epochs": 12, "learning_rate": 5e-3, "batch": 16, "standardise": ()}

TRIALS: Mapping[str, Trial] = {
    one.system: one
    for one in (
        Trial(
            "concat",
            "whether text and voice agree: neither tells anything alone",
            worlds.agreement,
            40,
            200,
            (Change(modalities=("text",)), Change(modalities=("voice",))),
            options={"width": 24, "dropout": 0.0},
            training=_QUICK,
        ),
        Trial(
            "tripathi",
            "the direction of a movement, whose mean says nothing, and the sound of a few frames",
            worlds.movements,
            100,
            600,
            (Change(options={"bins": 1}), Change(modalities=("motion",))),
            options={"width": 32, "voice_state": 16, "glances": 2, "bins": 8, "filters": (8, 8), "dropout": 0.0},
            training=_QUICK,
        ),
        Trial(
            "m2fnet",
            "the words of the turn that sounds marked: voice says where to look, and nothing of the label",
            worlds.pointed,
            64,
            200,
            (Change(options={"fusion": False}),),
            options={"width": 32, "heads": 2, "fusions": 2, "dropout": 0.0},
            training=_QUICK,
        ),
        Trial(
            "lsdgnn",
            "what the speaker showed at the first turn, far back, whatever the turns between show",
            worlds.promised,
            96,
            200,
            (Change(options={"long": 1}),),
            options={"width": 24, "layers": 1, "dropout": 0.0, "hidden": 1},
            training={**_QUICK, "curriculum": None},
        ),
        Trial(
            "cogmen",
            "what another speaker showed some turns before, not what the speaker shows",
            worlds.answers,
            64,
            200,
            (Change(options={"relations": False}),),
            options={"context": 32, "layers": 1, "feedforward": 32, "graph": 24, "dropout": 0.0},
            training=_QUICK,
        ),
        Trial(
            "joint_vectors",
            "whether words and frames agree, each in its own time",
            worlds.agreeing_sequences,
            120,
            400,
            (Change(options={"joints": 0}),),
            options={"width": 16, "joints": 4, "heads": 2, "dropout": 0.0, "contrast": 0.0},
            training=_QUICK,
        ),
        Trial(
            "deepmsi",
            "the cell of a frame that the words name",
            worlds.named_cells,
            390,
            800,
            (Change(options={"guided": False}),),
            options={"width": 32, "cells": 4, "keep": (1,), "dropout": 0.0, "contrast": 0.0},
            training={**_QUICK, "epochs": 7, "learning_rate": 3e-3, "weight_decay": 0.0},
        ),
        Trial(
            "unimse",
            "topics of which only the other corpus says anything, and that only a polarity",
            worlds.topics,
            5,
            24,
            (Change(),),
            options={"width": 24, "inner": 24, "heads": 2, "head": 12, "layers": 1, "fused": 0, "around": 0}
            | {"dropout": 0.0},
            training={**_QUICK, "batch": 4},
        ),
        Trial(
            "cggm",
            "a voice that is faint beside the words, in a test part where most utterances have no words",
            worlds.faint,
            64,
            300,
            (Change(system="concat", options={"width": 16, "dropout": 0.0}),),
            options={"strength": 2.0, "direction_weight": 1.0, "window": 8}
            | {"base": "concat", "base_options": {"width": 16, "dropout": 0.0}},
            training={"epochs": 6, "optimiser": "sgd", "learning_rate": 0.03, "batch": 4, "standardise": ()}
            | {"clip": 1000.0, "weight_decay": 0.0},
        ),
        Trial(
            "mamba",
            "which of two tokens comes first, far apart in a long utterance: their mean is the same",
            worlds.in_order,
            200,
            600,
            (Change(options={"pooled": True}),),
            options={"d_state": 8, "modality_width": 6, "dropout": 0.0},
            training={**_QUICK, "learning_rate": 1e-2},
        ),
    )
}
"""By system the corpus in which its core idea is what helps."""
