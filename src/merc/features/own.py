"""Features of one's own: files for ``--features text=mine.npz`` and ``merc store import``, one array per utterance.

    .npz           one array per utterance under its id; or an array of ids, and one of values (n, d) in the same order
    .h5, .hdf5     the same, as data sets; ids with "/" are data sets in groups (extra ``hdf5``)
    .parquet, .csv  a column ``utterance``, and columns of numbers; or (Parquet) one column of lists
    .npy           values (n, d), with a file of ids (``merc store import`` alone)

An array is a vector ``(d,)`` or a sequence ``(steps, d)``. ``FILE:NAME`` names the array, data set or column where a
file has several. Pickles are refused, because opening one can run any code.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from merc import parquet, reading
from merc.cache import file_hash, key
from merc.errors import FormatError, InputError, require
from merc.features.feature import Feature
from merc.storage.remote import local_path, populate

if TYPE_CHECKING:
    import polars as pl

    from merc.features.store import Store

IDS = ("utterance", "ids", "id", "utt_id", "utterances")
"""Names of the array or column that holds the ids of the utterances."""
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_SUFFIXES = (".npz", ".parquet", ".csv", ".h5", ".hdf5", ".npy", *_PICKLES)
_FILE = re.compile(rf"(?P<path>.+(?:{'|'.join(map(re.escape, _SUFFIXES))}))(?::(?P<array>[^:/]+))?", re.IGNORECASE)

_TEXTS = """
import sys, h5py
texts = lambda item: isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) and item[()]
with h5py.File(sys.argv[1], "r") as file:
    file.visititems(lambda name, item: texts(item) and None)
"""
_PATIENCE = 30  # seconds for the texts of a file

Rows = dict[str, np.ndarray]
"""The array of each utterance by id: ``(d,)`` or ``(steps, d)``."""


def is_file(source: str) -> bool:
    """Whether a source of ``--features`` is a file of one's own.

    Example:
        >>> is_file("mine.npz"), is_file("up/mine.h5:states"), is_file("store:mpnet"), is_file("mpnet")
        (True, True, False, False)
    """
    return _FILE.fullmatch(source) is not None


def load(source: str, utterances: Sequence[str], *, corpus: str) -> Feature:
    """The feature in a file, of the utterances of a corpus; a note says how many of them have no row.

    Args:
        source: ``FILE`` or ``FILE:NAME``; the file may be behind an address.
        utterances: Ids, in order.
        corpus: Its name, for messages.

    Raises:
        InputError: The file does not exist, is a pickle, or has no row of any utterance.
        FormatError: It does not hold one array of numbers an utterance.
        MissingExtra: It is HDF5, and h5py is not installed.
    """
    path, array = _parted(source)
    rows = read(path, array)
    present = [name for name in utterances if name in rows]
    if not present:
        raise InputError(
            f"{path}: none of its {len(rows)} rows is of an utterance of {corpus}; its first id is "
            f"'{next(iter(rows))}', that of the corpus '{utterances[0]}': write the ids of the corpus, one array under "
            "each, or an array 'ids' beside that of the values"
        )
    sha256 = key(file_hash(path), array or "")
    own = {name: rows[name] for name in present}
    made = _feature(own, str(path.name))
    strange = len(rows) - len(present)
    notes = []
    if len(made.rows) < len(utterances):
        also = f"; {strange} of its rows are of no utterance of {corpus}" if strange else ""
        notes.append(
            f"{len(utterances) - len(made.rows):,} of {len(utterances):,} utterances have no row in {path.name}{also}"
        )
    encoder = {"encoder": "own file", "file": path.name, "sha256": sha256}
    return Feature(made.source, made.width, made.rows, sha256, tuple(notes), encoder)


def _parted(source: str) -> tuple[Path, str | None]:
    found = _FILE.fullmatch(source)
    if found is None:
        raise InputError(f"features '{source}': expected a file with the suffix {', '.join(_SUFFIXES[:5])}")
    path = local_path(found["path"]).expanduser()
    populate(path)
    return path, found["array"]


def read(path: Path, array: str | None = None, *, ids: Sequence[str] | None = None) -> Rows:
    """The array of each utterance in a file.

    Args:
        path: The file.
        array: Which array, data set or column, where there are several.
        ids: The ids of the rows, where the file has none.

    Raises:
        InputError, FormatError, MissingExtra: As `load`.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        _refuse_pickle(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected features as {', '.join(_SUFFIXES[:5])}")
    if suffix == ".npy" and ids is None:
        raise InputError(f"{path}: values without ids; run 'merc store import {path} --ids ids.txt --out STORE'")
    rows = _READERS[suffix](path, array, ids)
    if not rows:
        raise FormatError(f"{path}: no rows; expected one array per utterance")
    return rows


def _refuse_pickle(path: Path) -> NoReturn:
    how = "torch.load(PATH, weights_only=True)" if path.suffix in (".pt", ".pth") else "pickle.load(open(PATH, 'rb'))"
    raise InputError(
        f"{path}: a pickle can run any code when it is opened, so merc reads none; if you trust it, convert it where "
        f"it was made: arrays = {how}; numpy.savez('{path.stem}.npz', **{{id: array for id, array in arrays.items()}})"
    )


def _npz(path: Path, array: str | None, ids: Sequence[str] | None) -> Rows:
    try:
        found = reading.npz(path)
    except reading.Unreadable as error:
        raise FormatError(
            f"{path}: {error}; expected arrays of numbers, and of text for ids: numpy.array(ids, dtype=str)"
        ) from error
    return _arrays(found, path, array, ids)


def _npy(path: Path, array: str | None, ids: Sequence[str] | None) -> Rows:
    try:
        values = reading.npy(path)
    except reading.Unreadable as error:
        raise FormatError(f"{path}: {error}; expected an array of numbers") from error
    return _arrays({"values": values}, path, None, ids)


def _h5(path: Path, array: str | None, ids: Sequence[str] | None) -> Rows:
    require("h5py", extra="hdf5", what=f"{path} needs {{}}")
    import h5py

    _refuse_endless(path)
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()])

    try:
        with reading.short(), h5py.File(path, "r") as file:
            file.visititems(keep)
    except reading.Unreadable as error:
        raise FormatError(f"{path}: {error}; expected HDF5") from error
    return _arrays(found, path, array, ids)


def _refuse_endless(path: Path) -> None:
    """Read the texts of a file in a process that can be ended: HDF5 never returns from some that are damaged."""
    try:
        subprocess.run([sys.executable, "-c", _TEXTS, path], timeout=_PATIENCE, check=False, capture_output=True)
    except subprocess.TimeoutExpired as error:
        raise FormatError(
            f"{path}: its texts cannot be read in {_PATIENCE} s; expected HDF5; write it again"
        ) from error


def _arrays(arrays: Mapping[str, np.ndarray], path: Path, array: str | None, ids: Sequence[str] | None) -> Rows:
    """Arrays by id as they are, or the rows of one array under the ids of another."""
    place = next((name for name in IDS if name in arrays), "")
    if place or ids is not None:
        names = [str(one) for one in arrays[place].tolist()] if ids is None else list(ids)
        values = {name: one for name, one in arrays.items() if name != place}
        chosen = _chosen(values, array, path)
        return _by_id(names, _numbers(values[chosen], f"{path}, '{chosen}'"), path)
    return _keyed(arrays, path, array)


def _keyed(arrays: Mapping[str, np.ndarray], path: Path, array: str | None) -> Rows:
    if array is not None:
        raise FormatError(f"{path}: no array of ids for '{array}'; expected one of {', '.join(IDS)}")
    return {name: _numbers(one, f"{path}, '{name}'") for name, one in arrays.items()}


def _chosen(values: Mapping[str, Any], array: str | None, path: Path) -> str:
    """The array that is named, or the only one."""
    chosen = array or (next(iter(values)) if len(values) == 1 else "")
    if chosen not in values:
        other = f", not '{array}'" if array else ""
        held = ", ".join(values)[:100] or "none"
        raise FormatError(f"{path}: which array of values? it holds {held}{other}; name one as {path.name}:NAME")
    return chosen


def _by_id(names: Sequence[str], values: np.ndarray, path: Path) -> Rows:
    if values.ndim < 2 or len(values) != len(names):
        raise FormatError(f"{path}: {len(names)} ids for values of shape {values.shape}; expected one row for each id")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FormatError(f"{path}: {len(twice)} ids occur more than once, first '{twice[0]}'; expected each id once")
    return dict(zip(names, values, strict=True))


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "fiu" or values.ndim == 0:
        raise FormatError(f"{where}: {values.dtype} of shape {values.shape}; expected arrays of numbers")
    return values.astype(np.float32)


def _table(path: Path, array: str | None, ids: Sequence[str] | None) -> Rows:
    frame = _frame(path)
    import polars as pl

    columns = {name: frame[name] for name in frame.columns}
    place = next((name for name in IDS if name in columns), "")
    if not place and ids is None:
        raise FormatError(f"{path}: no column of ids (columns: {', '.join(columns)[:100]}); expected 'utterance'")
    names = [str(one) for one in columns.pop(place).to_list()] if place else ids or ()
    chosen = pl.DataFrame(columns) if array is None else frame.select(_chosen(columns, array, path))
    return _by_id(names, _values(chosen, path), path)


def _frame(path: Path) -> pl.DataFrame:
    require("polars", extra="corpora", what=f"{path} needs {{}}")
    import polars as pl

    if path.suffix.lower() == ".parquet":
        return parquet.read(path)
    try:
        with reading.short(pl.exceptions.PolarsError):
            return pl.read_csv(path)
    except reading.Unreadable as error:
        raise FormatError(f"{path}: {str(error).splitlines()[0]}; expected a table") from error


def _values(frame: pl.DataFrame, path: Path) -> np.ndarray:
    """The numbers of a table ``(n, d)``: its columns, or one column of lists; empty cells are NaN."""
    import polars as pl

    if len(frame.columns) == 1 and isinstance(frame.dtypes[0], pl.List | pl.Array):
        return _listed(frame.to_series().to_list(), f"{path}, '{frame.columns[0]}'")
    for name, kind in frame.schema.items():
        if not kind.is_numeric():
            raise FormatError(
                f"{path}: column '{name}' holds no numbers; expected 'utterance' and columns of numbers, or name one "
                f"column of lists as {path.name}:NAME"
            )
    values: np.ndarray = frame.cast(pl.Float32).to_numpy().astype(np.float32)
    return values


def _listed(lists: Sequence[Sequence[float] | None], where: str) -> np.ndarray:
    width = max(len(one or ()) for one in lists)
    whole = [one or [float("nan")] * width for one in lists]
    if any(len(one) != width for one in whole):
        raise FormatError(f"{where}: lists of several lengths; expected one vector per utterance")
    return np.array(whole, np.float32)


_READERS: Mapping[str, Callable[[Path, str | None, Sequence[str] | None], Rows]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".h5": _h5,
    ".hdf5": _h5,
    ".csv": _table,
    ".parquet": _table,
}


def _feature(rows: Rows, source: str) -> Feature:
    """Rows as a feature; raises FormatError for rows of several widths and for values that are not finite."""
    forms = {(row.ndim, row.shape[-1]) for row in rows.values()}
    if len({width for _, width in forms}) > 1 or max(forms)[0] > 2:
        shapes = ", ".join(sorted({str(row.shape) for row in rows.values()})[:4])
        raise FormatError(f"{source}: arrays of shapes {shapes}; expected (d,) or (steps, d) with one d")
    if max(forms)[0] == 1:
        return Feature.of(list(rows), np.stack(list(rows.values())), source=source)
    present = {name: np.atleast_2d(row) for name, row in rows.items() if np.isfinite(row).any()}
    _refuse_infinite(present, source)
    return Feature(source, max(forms)[1], present)


def _refuse_infinite(rows: Rows, source: str) -> None:
    for name, row in rows.items():
        if not np.isfinite(row).all():
            raise FormatError(f"{source}: the array of '{name}' holds NaN or infinity; leave the utterance out instead")


def to_store(
    rows: Rows, path: Path, out: Path, *, name: str, utterances: Sequence[str] = (), corpus: str = ""
) -> Store:
    """Write the rows of a file as a feature of a store.

    Args:
        rows: What `read` gave.
        path: The file.
        out: Folder of the store.
        name: Of the feature.
        utterances: Those of the corpus; one without a row gets that as its reason. Default: those of the file.
        corpus: Name of the corpus.

    Returns:
        The store, opened.

    Raises:
        InputError: The store holds another feature of that name.
        FormatError: Rows of several widths, or values that are not finite.
    """
    from merc.features import store

    made = _feature({one: rows[one] for one in utterances if one in rows} if utterances else rows, path.name)
    described = {"encoder": name, "file": path.name, "sha256": file_hash(path)}
    feature = store.Feature(name, (made.width,), described, sequence=made.sequence, corpus=corpus)
    with store.Writer(out, feature) as writer:
        for one in utterances or rows:
            if one not in writer.done:
                row = made.rows.get(one)
                writer.add(one, row, reason=f"no row in {path.name}" if row is None else None)
    return store.Store.open(out)
