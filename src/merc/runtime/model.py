"""A model: features of utterances in, calibrated probabilities of the labels out.

Symbols: T utterances of one dialogue in order (or any T utterances, for a model that reads each by itself), d the width
of an input, C labels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.runtime.folder import MODEL, read, session

SPEAKERS = "speakers"
"""Input of the numbers of the speakers, in order of appearance."""
PRESENT = "_present"
"""Ending of the input that says which rows of another one are there."""
STEPS = "_steps"
"""Ending of the input that says how many steps a sequence has, 0 where it is absent."""


class Model:
    """An exported model; make one with `load`.

    Args:
        manifest: What the folder says of itself: labels, inputs, normalisation, calibration, training, licence.
        session: The graph in ONNX Runtime.

    Attributes:
        manifest: As given.
        graph_inputs: Names of the inputs of the graph; those on which the result does not depend are not in it.
        labels: Names of the C classes, in the order of the columns.

    Example:
        >>> from types import SimpleNamespace
        >>> graph = SimpleNamespace(get_inputs=lambda: [], run=lambda _, fed: [np.log([[[0.8, 0.2]]])])
        >>> inputs = [{"name": "text", "needed": True, "width": 2, "shape": ["T", 2], "normalisation": None}]
        >>> as_it_is = {"temperature": 1.0, "bias": [0.0, 0.0]}
        >>> facts = {"labels": ["joy", "anger"], "inputs": inputs, "calibration": as_it_is, "level": "dialogue"}
        >>> Model(facts, graph).probabilities({"text": np.ones((1, 2))}).round(1).tolist()
        [[0.8, 0.2]]
    """

    def __init__(self, manifest: Mapping[str, Any], session: Any) -> None:
        self.manifest = manifest
        self.labels: tuple[str, ...] = tuple(manifest["labels"])
        self._session = session
        self._inputs = {one["name"]: one for one in manifest["inputs"]}
        self.graph_inputs = frozenset(one.name for one in session.get_inputs())

    def probabilities(self, features: Mapping[str, Any], *, speakers: Sequence[Hashable] | None = None) -> np.ndarray:
        """Calibrated probabilities of the labels.

        Args:
            features: By input an array ``(T, d)``, as the encoder that the manifest names gives it, before any
                normalisation; a row of NaN is absent. Of an input that is read as a sequence, T arrays ``(S, d)``, or
                ``(S,)`` numbers of tokens, each of its own length; None is absent. An input that is not needed may be
                left out.
            speakers: Who says each of the T utterances, by any name, None where unknown (default: one speaker).

        Returns:
            ``(T, C)`` float64, rows sum to 1.

        Raises:
            InputError: For an input that is not known, is missing, or has another shape.
        """
        scaled = self.logits(features, speakers=speakers) / self.manifest["calibration"]["temperature"]
        power = np.exp(scaled + np.array(self.manifest["calibration"]["bias"]))
        power /= power.sum(1, keepdims=True)
        return np.asarray(power)

    def logits(self, features: Mapping[str, Any], *, speakers: Sequence[Hashable] | None = None) -> np.ndarray:
        """The same before calibration; arguments and errors as for ``Model.probabilities``.

        Returns:
            ``(T, C)`` float64, the largest of each row 0.
        """
        self._check_names(features)
        sequences = {name: one for name, one in self._inputs.items() if one.get("reads", "vectors") != "vectors"}
        rows = self._rows({name: values for name, values in features.items() if name not in sequences})
        listed = {name: _sequence(name, features[name], one) for name, one in sequences.items() if name in features}
        count = _count(rows, listed)
        fed: dict[str, np.ndarray] = {SPEAKERS: _numbers(speakers, count)}
        for name, one in self._inputs.items():
            if name not in sequences:
                fed |= _vectors(name, rows.get(name, np.full((count, one["width"]), np.nan, np.float32)), one)
        if sequences:
            empty: list[np.ndarray | None] = [None] * count
            every = {name: (listed.get(name, empty), one) for name, one in sequences.items()}
            return np.concatenate([self._alone(place, fed, every) for place in range(count)])
        axis = 0 if self.manifest["level"] == "dialogue" else 1
        return self.run(self._known({name: np.expand_dims(one, axis) for name, one in fed.items()}))

    def _alone(self, place: int, fed: Mapping[str, np.ndarray], sequences: Mapping[str, Any]) -> np.ndarray:
        """Logits ``(1, C)`` of one utterance, some of whose inputs are sequences."""
        own = {name: rows[None, place : place + 1] for name, rows in fed.items()}
        for name, (listed, one) in sequences.items():
            steps = listed[place]
            absent = np.zeros((1, one["width"]), np.float32) if one["reads"] != "tokens" else np.zeros(1, np.int64)
            own[name] = (absent if steps is None else steps)[None]
            own[f"{name}{STEPS}"] = np.array([[0 if steps is None else len(steps)]], np.int64)
        return self.run(self._known(own))

    def _known(self, fed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: one for name, one in fed.items() if name in self.graph_inputs}

    def run(self, fed: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the graph past checks and normalisation.

        Args:
            fed: Arrays by the names of ``graph_inputs``.

        Returns:
            Logits ``(T, C)`` float64, the largest of each row 0.
        """
        (found,) = self._session.run(None, dict(fed))  # (1, T, C), or (T, 1, C)
        logits = found.reshape(-1, len(self.labels)).astype(np.float64)
        return np.asarray(logits - logits.max(1, keepdims=True))

    def _check_names(self, features: Mapping[str, Any]) -> None:
        known = ", ".join(f"{name} ({', '.join(map(str, one['shape']))})" for name, one in self._inputs.items())
        if strange := sorted(set(features) - set(self._inputs)):
            raise InputError(f"features '{strange[0]}': this model reads {known}")
        missing = [name for name, one in self._inputs.items() if one["needed"] and name not in features]
        if missing or not features:
            raise InputError(
                f"features: {missing[0] + ' is missing' if missing else 'none given'}; this model reads {known}"
            )

    def _rows(self, features: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The inputs that are vectors, checked: ``(T, d)`` each."""
        rows = {name: np.asarray(values, np.float32) for name, values in features.items()}
        count = max(next(iter(rows.values())).shape[:1], default=0) if rows else 0
        for name, values in rows.items():
            _check_shape(name, values, count, self._inputs[name]["width"])
            if self._inputs[name].get("probabilities"):
                _check_probabilities(name, values)
        return rows


def _count(rows: Mapping[str, np.ndarray], listed: Mapping[str, list[Any]]) -> int:
    """T; raises InputError where inputs have different numbers of utterances, or none."""
    every: dict[str, Any] = {**rows, **listed}
    counts = {name: len(one) for name, one in every.items()}
    if len(set(counts.values())) > 1 or not all(counts.values()):
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"features of {told} utterances; expected one number of utterances for all, one or more")
    return next(iter(counts.values()))


def _vectors(name: str, values: np.ndarray, one: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a graph reads of vectors ``(T, d)``: scaled, zeros where absent, and whether they are present."""
    present = ~np.isnan(values).any(1)
    scaled = _normalised(values, one["normalisation"])
    return {name: np.where(present[:, None], scaled, np.float32(0)), f"{name}{PRESENT}": present}


def _sequence(name: str, values: Any, one: Mapping[str, Any]) -> list[np.ndarray | None]:
    """Sequences of T utterances, scaled, a single vector as one step; None for one that is absent.

    Raises:
        InputError: For steps of another width, and numbers of tokens outside the vocabulary.
    """
    tokens, width = one["reads"] == "tokens", int(one["width"])
    found: list[np.ndarray | None] = []
    for place, given in enumerate(values):
        steps = np.zeros((0, width)) if given is None else np.asarray(given, np.int64 if tokens else np.float32)
        if not tokens and steps.shape == (width,):
            steps = steps[None] if not np.isnan(steps).any() else steps[None][:0]
        expected = "(S,)" if tokens else f"(S, {width})"
        if len(steps) and not (steps.ndim == 1 if tokens else steps.shape[1:] == (width,)):
            raise InputError(f"features '{name}', utterance {place}: shape {steps.shape}; expected {expected}, or None")
        if tokens and len(steps) and not 0 <= int(steps.min()) <= int(steps.max()) < width:
            numbers = f"{steps.min()} to {steps.max()}"
            raise InputError(f"features '{name}', utterance {place}: numbers {numbers}; expected 0 to {width - 1}")
        if not len(steps):
            found.append(None)
        else:
            found.append(steps if tokens else _normalised(steps, one["normalisation"]))
    return found


def _check_shape(name: str, values: np.ndarray, count: int, width: int) -> None:
    if values.shape != (count, width) or not count:
        raise InputError(
            f"features '{name}' have shape {values.shape}; expected ({count or 'T'}, {width}): one row for each "
            "utterance, one or more"
        )


def _check_probabilities(name: str, values: np.ndarray) -> None:
    """Refuse rows, other than absent ones, that are no probabilities, such as logits."""
    known = values[~np.isnan(values).any(1)]
    wrong = known[(known < 0).any(1) | (np.abs(known.sum(1) - 1) > 1e-3)]
    if len(wrong):
        row = wrong[0].astype(float).round(3).tolist()
        raise InputError(
            f"features '{name}' have the row {row}; expected probabilities of the labels, from 0 to 1 and 1 in sum, or "
            "NaN"
        )


def load(folder: str | Path, *, threads: int = 1) -> Model:
    """Open an exported folder.

    Args:
        folder: What ``merc export onnx --out`` wrote.
        threads: CPU threads of ONNX Runtime.

    Returns:
        The model.

    Raises:
        InputError: If the folder is not one, is damaged, or was written by a merc with another format.
        MissingExtra: If ONNX Runtime is not installed.

    Example:
        >>> load("nowhere")
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no manifest.json; expected a folder that 'merc export onnx --out' wrote
    """
    folder = Path(folder)
    manifest = read(folder, kind=MODEL, needs=("graph", "labels", "inputs", "calibration", "level"))
    return Model(manifest, session(folder / manifest["graph"], threads=threads))


def _normalised(values: np.ndarray, scaling: Mapping[str, Any] | None) -> np.ndarray:
    """Values scaled as in training, and cut off there."""
    if scaling is None:
        return values
    mean, deviation = (np.array(scaling[name], np.float32) for name in ("mean", "deviation"))
    reach = np.float32(scaling["limit"])
    return np.asarray(np.clip((values - mean) / deviation, -reach, reach))


def _numbers(speakers: Sequence[Hashable] | None, count: int) -> np.ndarray:
    """Speakers as numbers from 0 in order of appearance, int64 ``(T,)``; unknown ones (None) are different people."""
    if speakers is None:
        return np.zeros(count, np.int64)
    if len(speakers) != count:
        raise InputError(f"{len(speakers)} speakers for {count} utterances; expected one for each")
    numbers: dict[Hashable, int] = {}
    named = [("unknown", place) if one is None else one for place, one in enumerate(speakers)]
    return np.array([numbers.setdefault(one, len(numbers)) for one in named], np.int64)
