"""Feature files of one's own, and feature stores: loaded for a training, imported into a store, verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merc.features import own
from merc.features.store import Feature, Store, Writer

IDS = [f"d{n}_{turn}" for n in range(4) for turn in range(3)]


def whole(folder: Path) -> None:
    """Vectors in each format that is read, sequences, and a store of both."""
    import h5py
    import polars as pl

    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(IDS), 6)).astype(np.float32)
    steps = {name: random.normal(size=(n % 4 + 1, 6)).astype(np.float32) for n, name in enumerate(IDS)}
    np.savez(folder / "keyed.npz", **steps)
    np.savez_compressed(folder / "ids.npz", ids=np.array(IDS), values=vectors)
    np.save(folder / "values.npy", vectors)
    table = pl.DataFrame({"utterance": IDS, **{f"x{n}": vectors[:, n] for n in range(6)}})
    table.write_parquet(folder / "columns.parquet")
    pl.DataFrame({"utterance": IDS, "x": vectors.tolist()}).write_parquet(folder / "lists.parquet")
    table.write_csv(folder / "columns.csv")
    with h5py.File(folder / "keyed.h5", "w") as file:
        file.update(steps)
    with h5py.File(folder / "ids.hdf5", "w") as file:
        file.update({"ids": IDS, "values": vectors})
    for name, sequence in (("vectors", False), ("steps", True)):
        with Writer(folder / "store", Feature(name, (6,), {"encoder": name}, sequence=sequence), size=5) as writer:
            for one, row in zip(IDS, vectors, strict=True):
                writer.add(one, steps[one] if sequence else row)
            writer.add("gone", None, reason="no sound")


def look(folder: Path, file: Path) -> None:
    """What ``--features`` and ``merc store`` do with a file, or with the store that it belongs to."""
    if folder / "store" in file.parents:
        _store(folder / "store")
        return
    rows = own.read(file, ids=IDS if file.suffix == ".npy" else None)
    own.to_store(rows, file, folder / "made", name="mine")
    _store(folder / "made")
    if file.suffix != ".npy":
        own.load(str(file), IDS, corpus="talks")


def _store(folder: Path) -> None:
    store = Store.open(folder)
    wrong = store.verify()
    store.info()
    for name in store.encoders:
        ids = store.ids(name)
        store.counts(name)
        store.reasons(name)
        store.fingerprint(name)
        if not wrong:  # what is wrong was said; its values are not to be trusted
            store.get(name, ids)
            store.pooled(name, ids)
            store.rows(name, ids[0])
        Writer(folder, store.features[name])
