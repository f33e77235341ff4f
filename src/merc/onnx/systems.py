"""A trained system as a model to export: its batch made of dense tensors, its calibration from validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.evaluation.calibration import fit_temperature
from merc.features.feature import LIMIT, Scaling, origins
from merc.onnx.cogmen import DenseCogmen
from merc.onnx.folder import Exported, Input
from merc.recipes.request import Prepared
from merc.recipes.systems import Trained, load_fold, load_run, score
from merc.systems import UNLABELLED, Batch, System
from merc.systems.cogmen import Cogmen


class DenseRows:
    """One vector per utterance where every utterance has a place, in the manner of ``Rows``, but with no packing.

    Args:
        values: ``(B, T, d)``.
        present: bool ``(B, T)``.
    """

    def __init__(self, values: Tensor, present: Tensor) -> None:
        self.dense, self.present = values, present
        self.lengths = present.long()

    def vectors(self) -> Tensor:
        """``(B, T, d)``, zeros where absent."""
        return self.dense * self.present[..., None]


class Dense(nn.Module):
    """A system as a function of tensors: ``(speakers, *values, *present)`` to logits ``(B, T, C)``.

    Args:
        system: In evaluation mode. It must read one vector per utterance.
    """

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        system.losses = lambda logits, batch, **others: {}  # type: ignore[method-assign] # branches on labels

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Give logits of utterances that are all real."""
        count = len(self.system.inputs)
        rows = {
            name: DenseRows(values, present)
            for name, values, present in zip(self.system.inputs, tensors[:count], tensors[count:], strict=True)
        }
        logits: Tensor = self.system(_batch(rows, speakers)).logits
        return logits


def _batch(rows: Mapping[str, Any], speakers: Tensor) -> Batch:
    """A batch around dense rows, without the checks of its shapes, which a graph cannot make."""
    mask, zeros = torch.ones_like(speakers, dtype=torch.bool), torch.zeros_like(speakers)
    values = {
        "rows": rows,
        "mask": mask,
        "speakers": speakers,
        "labels": zeros + UNLABELLED,
        "weights": mask.float(),
        "people": zeros - 1,
        "targets": mask[..., None][..., :0].float(),
        "universal": zeros[..., None][..., :0],
        "ids": (),
        "source": "",
    }
    batch = object.__new__(Batch)
    for one in fields(Batch):
        object.__setattr__(batch, one.name, values[one.name])
    return batch


def exported(run: Path, *, fold: str | None = None, data: Path | None = None) -> Exported:
    """A fold of a run as a model to export.

    Args:
        run: Folder that ``merc train SYSTEM --out`` wrote.
        fold: Name of the fold; None: the only one.
        data: The data root, which calibration by validation needs (default: ``$MERC_DATA``).

    Raises:
        InputError: For a folder that holds no run, a fold that is not named or not there, a system that predicts no
            classes, and one that reads sequences or features standardised by speaker.
    """
    prepared = load_run(run, data=data)
    _refuse(prepared)
    folds = {one.name: one for one in prepared.folds()}
    if fold is None and len(folds) > 1:
        raise InputError(f"{run} has folds {', '.join(folds)}: name one with --fold")
    if fold is not None and fold not in folds:
        raise InputError(f"{run} has no fold '{fold}'; it has {', '.join(folds)}")
    trained = load_fold(run, prepared, folds[fold or next(iter(folds))], device="cpu")
    valid, logits = score(trained, trained.fold.valid, labels=prepared.classes)
    return Exported(
        module=DenseCogmen(trained.system) if type(trained.system) is Cogmen else Dense(trained.system),
        level=prepared.level,
        inputs=_inputs(trained),
        labels=prepared.classes,
        facts=_facts(prepared, trained),
        temperature=fit_temperature(logits, valid.true),
    )


def _refuse(prepared: Prepared) -> None:
    name, protocol = prepared.kind.description.name, prepared.protocol
    if protocol.regression:
        raise InputError(f"protocol '{protocol.name}' has no classes; the runtime gives probabilities of labels")
    sequences = [f"{modality} as {way}" for modality, way in prepared.reading.items() if way != "vectors"]
    if sequences:
        raise InputError(
            f"system '{name}' reads {', '.join(sequences)}; one that reads one vector per utterance can be exported, "
            "such as cogmen or concat"
        )
    if prepared.options.per_speaker:
        raise InputError(
            f"the run standardises {', '.join(prepared.options.per_speaker)} by speaker over a corpus, which a single "
            "recording cannot repeat; train without per_speaker to export"
        )


def _inputs(trained: Trained) -> list[Input]:
    made, needs = origins(trained.material.features), trained.system.description.needs
    alone = len(trained.system.inputs) == 1
    return [
        Input(name, width, alone or name in needs, made[name]["encoder"], _limits(trained.scalings.get(name)))
        for name, width in trained.system.inputs.items()
    ]


def _limits(scaling: Scaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    return {"mean": scaling.mean.tolist(), "deviation": scaling.deviation.tolist(), "limit": LIMIT}


def _facts(prepared: Prepared, trained: Trained) -> dict[str, Any]:
    described = prepared.kind.description
    corpora = [CORPORA[name] for name in prepared.protocol.corpora]
    return {
        "name": described.name,
        "title": described.title,
        "paper": described.paper,
        "licence": {"code": described.licence, "data": {one.name: one.licence for one in corpora}},
        "noncommercial": any(one.noncommercial for one in corpora),
        "training": {
            "request": prepared.request.as_json(),
            "fold": trained.fold.name,
            "epoch": trained.fitted.best,
            "validation": trained.fitted.figures(),
            "notes": trained.notes,
        },
        "notice": _NOTICE,
    }


_NOTICE: Sequence[str] = ("A label is predicted from words, voice and face; it does not say how a person feels.",)
