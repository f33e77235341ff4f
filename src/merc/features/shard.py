"""One shard of a feature store: utterances, their arrays end to end, and a hash of it all in one safetensors file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc import reading
from merc.cache import replacing
from merc.errors import FormatError

Row = tuple[str, np.ndarray | None, str | None]
"""An utterance: its id, its array (rows, …) or None, the reason for None."""

_AGAIN = "remove it and run 'merc prepare' again"


@dataclass(frozen=True, slots=True)
class Shard:
    """The index of a shard: its utterances in order, how many rows each has, and why some have none."""

    path: Path
    ids: tuple[str, ...]
    counts: tuple[int, ...]
    reasons: Mapping[str, str]
    sha256: str

    @property
    def number(self) -> int:
        """Its place in the order of writing, from 0."""
        return int(self.path.stem.rpartition("-")[2])

    def values(self) -> np.ndarray:
        """The arrays of all utterances end to end, as they lie on disk; raises FormatError for a damaged file."""
        return _tensors(self.path)["values"]

    def rows(self, first: int, last: int) -> np.ndarray:
        """The rows from ``first`` to before ``last``; no others are read. Raises FormatError for a damaged file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="np") as file:
                found: np.ndarray = file.get_slice("values")[first:last]
        except (OSError, SafetensorError) as error:
            raise FormatError(f"{self.path} cannot be read as a shard ({str(error)[:200]}): {_AGAIN}") from error
        return found


def write(folder: Path, number: int, rows: Sequence[Row], *, shape: tuple[int, ...], dtype: str) -> None:
    """Write a shard, complete or not at all; rows that are present have the shape ``(count, *shape)``."""
    from safetensors.numpy import save_file

    counts = [0 if values is None else len(values) for _, values, _ in rows]
    present = [values for _, values, _ in rows if values is not None]
    arrays = {
        "values": np.concatenate([np.zeros((0, *shape), dtype), *present]),
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    }
    index: dict[str, Any] = {
        "ids": [utterance for utterance, _, _ in rows],
        "reasons": {utterance: reason for utterance, _, reason in rows if reason is not None},
    }
    index["sha256"] = _hash(arrays, index)
    with replacing(folder / f"shard-{number:05d}.safetensors") as temporary:
        # one key only: the library orders several by chance, and the same content must give the same bytes
        save_file(arrays, temporary, {"shard": json.dumps(index, ensure_ascii=False)})


def shards(folder: Path) -> list[Shard]:
    """The shards of a folder in the order of writing; raises FormatError for one that cannot be read."""
    return [read(path) for path in paths(folder)]


def paths(folder: Path) -> list[Path]:
    """The files of shards in a folder, also damaged ones."""
    return sorted(folder.glob("shard-*.safetensors"))


def read(path: Path) -> Shard:
    """Read the index of a shard; raises FormatError when that cannot be done."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            index = json.loads((file.metadata() or {})["shard"])
            counts = np.diff(file.get_tensor("offsets")).tolist()
        shard = Shard(path, tuple(index["ids"]), tuple(counts), index["reasons"], index["sha256"])
        _ = shard.number
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} cannot be read as a shard ({error}): {_AGAIN}") from error
    if len(shard.ids) != len(shard.counts):
        raise FormatError(f"{path} names {len(shard.ids)} utterances and holds {len(shard.counts)}: {_AGAIN}")
    return shard


def check(path: Path, *, shape: tuple[int, ...], dtype: str) -> tuple[list[str], list[str]]:
    """Read a shard in full: its utterances, and what is wrong with it in words."""
    try:
        shard, arrays = read(path), _tensors(path)
    except FormatError as error:
        return [], [str(error)]
    values, offsets, wrong = arrays["values"], arrays["offsets"], []
    if _hash(arrays, {"ids": list(shard.ids), "reasons": dict(shard.reasons)}) != shard.sha256:
        wrong.append(f"its content is not what was written (the hash differs): {_AGAIN}")
    if values.shape[1:] != shape or str(values.dtype) != dtype:
        wrong.append(f"holds {values.dtype} rows of shape {values.shape[1:]}, expected {dtype} of {shape}")
    if offsets[-1] != len(values) or min(shard.counts, default=0) < 0:
        wrong.append(f"has {len(values)} rows, its offsets end at {offsets[-1]}")
    if unclear := _unclear(shard):
        wrong.append(f"{len(unclear)} utterances have neither a vector nor a reason, or both, first '{unclear[0]}'")
    if not np.isfinite(values).all():
        wrong.append("holds values that are not finite")
    return list(shard.ids), wrong


def _unclear(shard: Shard) -> list[str]:
    """The utterances that have neither rows nor a reason, or both."""
    counted = zip(shard.ids, shard.counts, strict=True)
    return [utterance for utterance, count in counted if (count == 0) != (utterance in shard.reasons)]


def _hash(arrays: Mapping[str, np.ndarray], index: Mapping[str, Any]) -> str:
    """SHA-256 over the index and the bytes of both arrays."""
    text = json.dumps([index["ids"], index["reasons"], str(arrays["values"].dtype), arrays["values"].shape])
    digest = hashlib.sha256(text.encode())
    for name in ("offsets", "values"):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return reading.tensors(path)
    except reading.Unreadable as error:
        raise FormatError(f"{path} cannot be read as a shard ({error}): {_AGAIN}") from error
