"""A trained system as a model to export: its batch made of dense tensors, its calibration from validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.evaluation.calibration import fit_temperature
from merc.features.feature import LIMIT, Scaling, origins
from merc.onnx.cogmen import DenseCogmen
from merc.onnx.dense import DenseRows, DenseSteps, dense
from merc.onnx.folder import Exported, Input
from merc.onnx.loops import prepared
from merc.recipes.request import Prepared
from merc.recipes.systems import Trained, load_fold, load_run, score
from merc.systems import System
from merc.systems.cogmen import Cogmen


class Dense(nn.Module):
    """A system as a function of tensors: ``(speakers, *values, *present)`` to logits ``(B, T, C)``.

    Args:
        system: In evaluation mode.
        reading: By modality how it is read where not as vectors; see `Input`.
    """

    def __init__(self, system: System, reading: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.system, self.reading = prepared(system), reading or {}
        system.losses = lambda logits, batch, **others: {}  # type: ignore[method-assign] # branches on labels

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Give logits of utterances that are all real."""
        count = len(self.system.inputs)
        rows: dict[str, DenseRows | DenseSteps] = {}
        for name, values, there in zip(self.system.inputs, tensors[:count], tensors[count:], strict=True):
            vectors = self.reading.get(name, "vectors") == "vectors"
            rows[name] = DenseRows(values, there) if vectors else DenseSteps(values, there)
        logits: Tensor = self.system(dense(rows, speakers)).logits
        return logits


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
        module=_module(trained.system, prepared.reading),
        level=prepared.level,
        inputs=_inputs(trained, prepared.reading),
        labels=prepared.classes,
        facts=_facts(prepared, trained),
        temperature=fit_temperature(logits, valid.true),
    )


NOT_EXPORTED = {
    "emoq": "it reads through a language model, whose prompts are made in Python",
    "ranklist": "it predicts an order, not classes",
}
"""Systems that cannot be exported, and why."""


def _module(system: System, reading: Mapping[str, str]) -> nn.Module:
    return DenseCogmen(system) if type(system) is Cogmen else Dense(system, reading)


def _refuse(prepared: Prepared) -> None:
    name, protocol = prepared.kind.description.name, prepared.protocol
    if protocol.regression:
        raise InputError(f"protocol '{protocol.name}' has no classes; the runtime gives probabilities of labels")
    if "sound" in prepared.reading.values():
        raise InputError(f"system '{name}' tunes an encoder of sound, which is not part of a run; train it frozen")
    sequences = [f"{one} as {way}" for one, way in prepared.reading.items() if way != "vectors"]
    if prepared.level == "dialogue" and sequences:
        raise InputError(
            f"system '{name}' reads {', '.join(sequences)} of whole dialogues; a graph follows sequences of one "
            "utterance at a time, or vectors of a dialogue"
        )
    if name in NOT_EXPORTED:
        raise InputError(f"system '{name}' cannot be exported: {NOT_EXPORTED[name]}")
    if prepared.options.per_speaker:
        raise InputError(
            f"the run standardises {', '.join(prepared.options.per_speaker)} by speaker over a corpus, which a single "
            "recording cannot repeat; train without per_speaker to export"
        )


def _inputs(trained: Trained, reading: Mapping[str, str]) -> list[Input]:
    made, needs = origins(trained.material.features), trained.system.description.needs
    alone = len(trained.system.inputs) == 1
    return [
        Input(
            name,
            width,
            alone or name in needs,
            made[name]["encoder"],
            _limits(trained.scalings.get(name)),
            reads=reading.get(name, "vectors"),
        )
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
