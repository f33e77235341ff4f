"""Features of one's own: five forms read alike, what is no table of numbers by utterance is refused in words."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError, MissingExtra
from merc.features import own
from merc.features.spec import FeatureSpec, Place

IDS = ("d/u0", "d/u1", "d/u2")
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)
SEQUENCES = {name: np.full((steps, 2), steps, np.float32) for steps, name in enumerate(IDS, 1)}


def hdf5(path: Path, **arrays: object) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


FORMS: dict[str, Callable[[Path], object]] = {
    "keyed.npz": lambda path: np.savez(path, **dict(zip(IDS, VALUES, strict=True))),
    "rows.npz": lambda path: np.savez(path, ids=np.array(IDS), emb=VALUES.astype(np.float64)),
    "keyed.h5": lambda path: hdf5(path, **dict(zip(IDS, VALUES, strict=True))),
    "rows.hdf5": lambda path: hdf5(path, utterance=list(IDS), emb=VALUES),
    "mine.csv": lambda path: pl.DataFrame({"utterance": IDS, "a": VALUES[:, 0], "b": VALUES[:, 1]}).write_csv(path),
    "mine.parquet": lambda path: pl.DataFrame({"id": IDS, "a": VALUES[:, 0], "b": VALUES[:, 1]}).write_parquet(path),
    "lists.parquet": lambda path: pl.DataFrame({"id": IDS, "emb": VALUES.tolist()}).write_parquet(path),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_reads_alike(tmp_path: Path, name: str) -> None:
    FORMS[name](tmp_path / name)
    feature = own.load(str(tmp_path / name), ["d/u2", "other", "d/u0"], corpus="mine")
    assert list(feature.rows) == ["d/u2", "d/u0"] and feature.width == 2
    np.testing.assert_array_equal(feature.rows["d/u2"], VALUES[2])
    assert feature.notes == (f"1 of 3 utterances have no row in {name}; 1 of its rows are of no utterance of mine",)
    assert not own.load(str(tmp_path / name), IDS, corpus="mine").notes


def test_sequences_stay_sequences_and_a_row_of_nan_is_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **SEQUENCES)
    feature = own.load(str(tmp_path / "s.npz"), IDS, corpus="mine")
    assert feature.sequence and [feature.steps(name) for name in IDS] == [1, 2, 3]
    pl.DataFrame({"id": IDS, "a": [1.0, None, 3.0]}).write_csv(tmp_path / "gap.csv")
    gap = own.load(str(tmp_path / "gap.csv"), IDS, corpus="mine")
    assert list(gap.rows) == ["d/u0", "d/u2"] and gap.notes == ("1 of 3 utterances have no row in gap.csv",)


def test_one_of_several_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", ids=np.array(IDS), a=VALUES, b=-VALUES)
    np.testing.assert_array_equal(own.load(f"{tmp_path}/two.npz:b", IDS, corpus="mine").rows["d/u1"], -VALUES[1])
    one, other = (own.load(f"{tmp_path}/two.npz:{name}", IDS, corpus="mine").sha256 for name in "ab")
    assert one != other
    with pytest.raises(
        FormatError, match=r"two\.npz: which array of values\? it holds a, b; name one as two\.npz:NAME"
    ):
        own.load(f"{tmp_path}/two.npz", IDS, corpus="mine")
    with pytest.raises(FormatError, match=r"it holds a, b, not 'c'; name one"):
        own.load(f"{tmp_path}/two.npz:c", IDS, corpus="mine")


def bad(path: Path, content: object) -> Path:
    if isinstance(content, pl.DataFrame):
        content.write_csv(path)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else b"")
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pkl", pickle.dumps({}), r"a\.pkl: a pickle can run any code .* numpy\.savez\('a\.npz'"),
        ("a.pt", b"", r"a\.pt: a pickle can run any code .* torch\.load\(PATH, weights_only=True\)"),
        ("a.npy", b"", r"values without ids; run 'merc store import .*a\.npy --ids ids\.txt --out STORE'"),
        ("a.npz", b"no archive", r"a\.npz: .*expected arrays of numbers"),
        ("o.npz", {"u": np.array([{}], object)}, r"o\.npz: Object arrays .* numpy\.array\(ids, dtype=str\)"),
        ("t.npz", {"u": np.array(["x"])}, r"t\.npz, 'u': <U1 of shape \(1,\); expected arrays of numbers"),
        (
            "n.npz",
            {"ids": np.array(["x"]), "v": VALUES},
            r"1 ids for values of shape \(3, 2\); expected one row for each",
        ),
        ("d.npz", {"ids": np.array(["x"] * 3), "v": VALUES}, r"1 ids occur more than once, first 'x'"),
        ("v.npz", {"d/u0": np.ones(2), "d/u1": np.ones(3)}, r"arrays of shapes \(2,\), \(3,\); expected \(d,\)"),
        ("i.npz", {"d/u0": np.array([1, np.inf])}, r"1 rows hold NaN or infinite values, first 'd/u0'"),
        ("x.npz", {"values": VALUES}, r"first id is 'values', that of the corpus 'd/u0': write the ids of the corpus"),
        ("e.npz", {}, r"e\.npz: no rows; expected one array per utterance"),
        ("t.csv", pl.DataFrame({"id": ["x"], "who": ["Ann"]}), r"column 'who' holds no numbers; expected 'utterance'"),
        ("c.csv", pl.DataFrame({"name": ["x"]}), r"no column of ids \(columns: name\); expected 'utterance'"),
        ("b.h5", b"text", r"b\.h5: .*expected HDF5"),
        ("w.csv", b"x" * 5000 + b",y\n1,2\n", r"no column of ids \(columns: x{100}\); expected 'utterance'"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        own.load(str(bad(tmp_path / name, content)), IDS, corpus="mine")


def test_a_file_that_is_not_there_and_an_extra_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"gone\.npz: no such file; expected features as \.npz, \.parquet"):
        own.load(f"{tmp_path}/gone.npz", IDS, corpus="mine")
    (tmp_path / "a.h5").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"a\.h5 needs h5py: pip install 'merc\[hdf5\]'"):
        own.load(f"{tmp_path}/a.h5", IDS, corpus="mine")


def test_a_file_is_a_source_of_the_grammar(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine-0.npz", **dict(zip(IDS, VALUES, strict=True)))
    conversations = [Conversation("d", tuple(Utterance(name, text="Hi.") for name in IDS))]
    sources = FeatureSpec.parse(f"text={tmp_path}/mine-{{seed}}.npz+{tmp_path}/mine-{{seed}}.npz")
    found = sources.load(conversations, place=Place("mine", tmp_path, seed=0))
    assert found["text"].width == 4 and not sources.single and sources.by_fold


def test_a_store_holds_what_a_file_has_and_the_reason_for_what_it_lacks(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", VALUES)
    rows = own.read(tmp_path / "mine.npy", ids=IDS)
    store = own.to_store(rows, tmp_path / "mine.npy", tmp_path / "store", name="mine", utterances=[*IDS, "d/u3"])
    assert store.reasons("mine") == {"d/u3": "no row in mine.npy"} and not store.verify()
    np.testing.assert_array_equal(store.pooled("mine", IDS), VALUES)
    again = own.to_store(rows, tmp_path / "mine.npy", tmp_path / "store", name="mine", utterances=[*IDS, "d/u3"])
    assert again.fingerprint("mine") == store.fingerprint("mine")


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".parquet"])
def test_a_damaged_file_is_refused_or_read_whatever_the_library_raises(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "_refuse_endless", lambda path: None)  # a process each
    path, refused = tmp_path / f"a{suffix}", 0
    if suffix == ".h5":
        hdf5(path, **dict.fromkeys(IDS, VALUES))
    elif suffix == ".npz":
        np.savez(path, **dict.fromkeys(IDS, VALUES))
    else:
        pl.DataFrame({"utterance": IDS, "x": VALUES[: len(IDS), 0]}).write_parquet(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) * 4 + whole[place + 4 :])
        try:
            own.read(path)
        except FormatError as error:
            assert path.name in str(error) and len(str(error)) < len(str(path)) + 400
            refused += 1
    assert refused


def test_texts_that_hdf5_would_read_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.update({"ids": IDS, "values": VALUES})
    assert list(own.read(tmp_path / "a.h5")) == list(IDS)
    monkeypatch.setattr(own, "_TEXTS", "while True: pass")
    monkeypatch.setattr(own, "_PATIENCE", 0.2)
    with pytest.raises(FormatError, match=r"its texts cannot be read in 0\.2 s; expected HDF5"):
        own.read(tmp_path / "a.h5")
