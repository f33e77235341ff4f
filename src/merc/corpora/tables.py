"""Feature files that are distributed with a corpus, by modality.

They were computed by others, so each table has its source and the hash of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merc import reading
from merc.errors import FormatError, InputError
from merc.parquet import read
from merc.registry import Registry

_ACTION_UNITS = tuple(f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))
_VOICE = ("aud_pitch", "aud_expr", "aud_energy", "aud_stab", "aud_tone", "aud_noise")


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of one modality.

    Args:
        ids: Ids of utterances as in the corpus, n.
        values: (n, d) float32; NaN for an utterance without features.
        names: Names of the d columns.
        source: What the values are and where they come from.
        sha256: Hash of the file.

    Raises:
        InputError: If the shapes do not match.
    """

    ids: tuple[str, ...]
    values: NDArray[np.float32]
    names: tuple[str, ...]
    source: str
    sha256: str

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.ids), len(self.names)):
            raise InputError(
                f"feature table of shape {self.values.shape}: expected {len(self.ids)} ids × {len(self.names)} names"
            )


def features(corpus: str, root: Path) -> dict[str, FeatureTable]:
    """Feature tables of a corpus by modality ("text", "voice", "face").

    ``meld``: 17 action units and 6 voice attributes; ``iemocap``: 47 acoustic features; ``cmu-mosi``: text 100, voice
    73, face 100.

    Args:
        corpus: One of the three.
        root: Its folder.

    Returns:
        By modality a table of ``(n, d)`` float32 values with the ids of the utterances.

    Raises:
        UnknownName: If the corpus has no feature file.
        InputError: If the file is missing.
        FormatError: If the file is damaged or lacks columns.
        MissingExtra: If it is Parquet, and polars is not installed.

    Example:
        >>> features("meld", Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: no features at ...
    """
    return _TABLES[corpus](root)


def _meld(root: Path) -> dict[str, FeatureTable]:
    path = _file(root, "meld_utterances_multimodal.parquet")
    columns = read(path, ("split", "clip", *_ACTION_UNITS, *_VOICE)).to_dict(as_series=False)
    ids = tuple(f"{split}/{clip}" for split, clip in zip(columns["split"], columns["clip"], strict=True))
    sources = {
        "face": (_ACTION_UNITS, "action-unit intensities of OpenFace, one value per clip; below about 0.8 stored as 0"),
        "voice": (_VOICE, "ordinal voice attributes (0, 1, 2: percentile bins within a split)"),
    }
    return {
        modality: _table(ids, np.column_stack([_numbers(columns[n], path, n) for n in names]), names, (what, path))
        for modality, (names, what) in sources.items()
    }


def _iemocap(root: Path) -> dict[str, FeatureTable]:
    path = _file(root, "iemocap_acoustic_egemaps47.npz", root.parent)
    arrays = _arrays(path, ("utt_id", "feat", "names"))
    what = "mean and standard deviation of 23 eGeMAPS descriptors over the turn, and the ratio of silence"
    names = tuple(map(str, arrays["names"].tolist()))
    return {"voice": _table(_ids(arrays["utt_id"]), arrays["feat"], names, (what, path))}


def _cmu_mosi(root: Path) -> dict[str, FeatureTable]:
    path = _file(root, "features.npz")
    sources = {
        "text": ("text", "100 features of the text, extractor not stated"),
        "voice": ("audio", "73 features of the audio, extractor not stated"),
        "face": ("video", "100 features of the video, extractor not stated"),
    }
    arrays = _arrays(path, ("utt_id", *(key for key, _ in sources.values())))
    ids = _ids(arrays["utt_id"])
    tables = {}
    for modality, (key, what) in sources.items():
        width = arrays[key].shape[-1] if arrays[key].ndim else 0
        names = tuple(f"{key}{number}" for number in range(width))
        tables[modality] = _table(ids, arrays[key], names, (what, path))
    return tables


_TABLES: Registry[Callable[[Path], dict[str, FeatureTable]]] = Registry(
    "corpus with features", {"meld": _meld, "iemocap": _iemocap, "cmu-mosi": _cmu_mosi}
)


def _file(root: Path, name: str, *elsewhere: Path) -> Path:
    for folder in (root, *elsewhere):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"no features at {root / name}; put the file there, or extract features from the media")


def _arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        found = reading.npz(path)
    except reading.Unreadable as error:
        raise FormatError(f"{path}: {error}; expected a NumPy archive; download it again") from error
    if absent := [key for key in keys if key not in found]:
        raise FormatError(f"{path}: no array {', '.join(absent)}; expected {', '.join(keys)}")
    return {key: found[key] for key in keys}


def _numbers(column: list[Any], path: Path, name: str) -> NDArray[np.float32]:
    try:
        return np.array([np.nan if value is None else value for value in column], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{path}, column {name}: {error}; expected numbers") from error


def _ids(array: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, array.reshape(-1).tolist()))


def _table(
    ids: tuple[str, ...], values: NDArray[Any], names: tuple[str, ...], origin: tuple[str, Path]
) -> FeatureTable:
    what, path = origin
    if len(set(ids)) != len(ids):
        raise FormatError(f"{path}: an utterance occurs twice; expected one row per utterance")
    if values.shape != (len(ids), len(names)) or values.dtype.kind not in "fiu":
        raise FormatError(
            f"{path}: values of shape {values.shape} and type {values.dtype}; "
            f"expected {len(ids)} × {len(names)} numbers"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return FeatureTable(ids, np.ascontiguousarray(values, dtype=np.float32), names, f"{what}; {path.name}", digest)
