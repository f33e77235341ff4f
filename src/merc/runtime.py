"""Predict with what ``merc export onnx`` wrote: ONNX Runtime and numpy are all that it needs, torch is not imported.

    model = merc.runtime.load("exported")
    model.probabilities({"text": vectors, "voice": voices}, speakers=["Ann", "Ben", "Ann"])      # (3, C)

A folder is a ``manifest.json`` and the graph that it names, by hash. Symbols: T utterances of one dialogue in order (or
any T utterances, for a model that reads each by itself), d the width of an input, C labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import InputError, MissingExtra

FORMAT = 1
MANIFEST = "manifest.json"
SPEAKERS = "speakers"
"""Input of the numbers of the speakers, in order of appearance."""
PRESENT = "_present"
"""Ending of the input that says which rows of another one are there."""


class Model:
    """An exported model; make one with `load`.

    Attributes:
        graph_inputs: Names of the inputs of the graph; those on which the result does not depend are not in it.
        manifest: What the folder says of itself: labels, inputs, normalisation, calibration, training, licence.
        labels: Names of the C classes, in the order of the columns.
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
                normalisation; a row of NaN is absent. An input that is not needed may be left out.
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
        """The same before calibration: ``(T, C)`` float64, the largest of each row 0."""
        rows = self._rows(features)
        count = len(next(iter(rows.values())))
        dialogue = self.manifest["level"] == "dialogue"
        fed: dict[str, np.ndarray] = {SPEAKERS: _numbers(speakers, count)}
        for name, one in self._inputs.items():
            values = rows.get(name, np.full((count, one["width"]), np.nan, np.float32))
            present = ~np.isnan(values).any(1)
            fed[name] = np.where(present[:, None], _normalised(values, one["normalisation"]), np.float32(0))
            fed[f"{name}{PRESENT}"] = present
        axis = 0 if dialogue else 1
        return self.run({name: np.expand_dims(one, axis) for name, one in fed.items() if name in self.graph_inputs})

    def run(self, fed: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits ``(T, C)`` float64 of the graph's own inputs, past checks and normalisation."""
        (found,) = self._session.run(None, dict(fed))  # (1, T, C), or (T, 1, C)
        logits = found.reshape(-1, len(self.labels)).astype(np.float64)
        return np.asarray(logits - logits.max(1, keepdims=True))

    def _rows(self, features: Mapping[str, Any]) -> dict[str, np.ndarray]:
        known = ", ".join(f"{name} (T, {one['width']})" for name, one in self._inputs.items())
        if strange := sorted(set(features) - set(self._inputs)):
            raise InputError(f"features '{strange[0]}': this model reads {known}")
        missing = [name for name, one in self._inputs.items() if one["needed"] and name not in features]
        if missing or not features:
            raise InputError(
                f"features: {missing[0] + ' is missing' if missing else 'none given'}; this model reads {known}"
            )
        rows = {name: np.asarray(values, np.float32) for name, values in features.items()}
        count = max(next(iter(rows.values())).shape[:1], default=0)
        for name, values in rows.items():
            _check_shape(name, values, count, self._inputs[name]["width"])
            if self._inputs[name].get("probabilities"):
                _check_probabilities(name, values)
        return rows


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

    Raises:
        InputError: If the folder is not one, is damaged, or was written by a merc with another format.
        MissingExtra: If ONNX Runtime is not installed.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("merc.runtime needs ONNX Runtime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors, which are raised as well
    path = folder / manifest["graph"]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path}: ONNX Runtime cannot read it ({error}); {_AGAIN}") from error
    return Model(manifest, session)


_AGAIN = "export it again with 'merc export onnx', or copy the whole folder again"


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder whose files are those that it names."""
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(f"{folder}: no {MANIFEST}; expected a folder that 'merc export onnx --out' wrote")
    try:
        manifest: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        version, files = manifest["format"], dict(manifest["files"])
        needed = [manifest[name] for name in ("labels", "inputs", "calibration", "level", "graph")]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}); {_AGAIN}") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version}; this merc reads {FORMAT}: use the merc that wrote it")
    if needed[-1] not in files:
        raise InputError(f"{path} is damaged (it names no hash of {needed[-1]}); {_AGAIN}")
    for name, sha256 in files.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing; {_AGAIN}")
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != sha256:
            raise InputError(
                f"{folder / name} is damaged: it has SHA-256 {found[:12]}…, the manifest says {sha256[:12]}…; {_AGAIN}"
            )
    return manifest


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
