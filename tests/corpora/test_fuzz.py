"""Damaged files: every reader gives conversations or items, or an InputError that names a file; never anything else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merc.corpora import CONVERSATIONS, READERS, tables
from merc.errors import InputError
from tests.corpora import trees

ROUNDS = 60  # damaged files a case; 17 cases make about a thousand

INSERTS = (
    *(b"\0", b"\xff\xfe", b'"', b"\r", b"\n\n", b",,,,", b"\t\t", b"|", b";", b"[", b"{", b"\x92", b"\xc3"),
    *(b"-1", b"1e999", b"nan", b"99999999999999999999", b"\xd9\xa3", "\u2028é".encode(), b"A" * 140_000),
)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut, insert, repeat or re-encode: one to three times."""
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(("flip", "cut", "insert", "replace", "repeat", "encode"))
        place = rng.randrange(len(data) + 1)
        if kind == "flip" and data:
            changed = bytearray(data)
            for _ in range(rng.randint(1, 8)):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            data = bytes(changed)
        elif kind == "cut":
            data = data[:place]
        elif kind == "insert":
            data = data[:place] + rng.choice(INSERTS) + data[place:]
        elif kind == "replace":
            data = data[:place] + rng.choice(INSERTS) + data[place + rng.randint(1, 20) :]
        elif kind == "repeat":
            data += data[place:]
        elif kind == "encode":
            data = data.decode("utf-8", "ignore").encode(rng.choice(("utf-16", "latin-1", "cp1252")), "ignore")
    return data


def features(root: Path, corpus: str) -> Path:
    ids = ["a", "b"]
    if corpus == "meld":
        names = (*tables._ACTION_UNITS, *tables._VOICE)
        columns = {"split": ["train", "dev"], "clip": ids, **{name: [0.5, None] for name in names}}
        pq.write_table(pa.table(columns), root / "meld_utterances_multimodal.parquet")
    else:
        np.savez_compressed(root / "iemocap_acoustic_egemaps47.npz", utt_id=ids, feat=np.eye(2), names=["x", "y"])
    return root


def manifest(root: Path, form: str) -> Path:
    trees.write(root / "a.wav", "")
    if form == "jsonl":
        trees.write(root / "manifest.jsonl", '{"conversation": "c", "start": 1, "end": 2, "media": "a.wav"}\n' * 3)
    else:
        rows = (("conversation", "speaker", "text", "start", "end", "media"), ("c", "Ann", "Hi", 1, 2.5, "a.wav"))
        if form == "csv":
            trees.write_rows(root / "manifest.csv", rows)
        else:
            pq.write_table(pa.table(dict(zip(rows[0], ([c] for c in rows[1]), strict=True))), root / "manifest.parquet")
    return root


def text(name: str) -> tuple[Callable[[Path], Path], Callable[[Path], object]]:
    return lambda root: trees.text(root, name), READERS[name]


CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "meld": (trees.meld, CONVERSATIONS["meld"]),
    "iemocap": (lambda root: trees.iemocap(root, table=True), CONVERSATIONS["iemocap"]),
    "emorynlp tables": (trees.emorynlp_tables, CONVERSATIONS["emorynlp"]),
    "emorynlp json": (trees.emorynlp_json, CONVERSATIONS["emorynlp"]),
    "cmu-mosi": (trees.cmu_mosi, CONVERSATIONS["cmu-mosi"]),
    "manifest csv": (lambda root: manifest(root, "csv"), CONVERSATIONS["manifest"]),
    "manifest jsonl": (lambda root: manifest(root, "jsonl"), CONVERSATIONS["manifest"]),
    "manifest parquet": (lambda root: manifest(root, "parquet"), CONVERSATIONS["manifest"]),
    "crema-d": (trees.crema_d, READERS["crema-d"]),
    "nemo": (trees.nemo, READERS["nemo"]),
    "fer2013": (trees.fer2013, READERS["fer2013"]),
    "rafdb archive": (trees.rafdb, lambda root: READERS["rafdb"](root / "rafdb.zip")),
    "rafdb folder": (trees.rafdb, lambda root: READERS["rafdb"](root / "basic")),
    **{name: text(name) for name in ("carer", "crowdflower", "goemotions", "isear", "semeval2018")},
    "features of meld": (lambda root: features(root, "meld"), lambda root: tables.features("meld", root)),
    "features of iemocap": (lambda root: features(root, "iemocap"), lambda root: tables.features("iemocap", root)),
}


@pytest.mark.parametrize("case", list(CASES))
def test_damaged_files_are_read_or_refused(case: str, tmp_path: Path) -> None:
    build, read = CASES[case]
    build(tmp_path)
    read(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size)
    rng = random.Random(case)
    refused = 0
    for _ in range(ROUNDS):
        path = rng.choice(files)
        sound = path.read_bytes()
        path.write_bytes(damage(sound, rng))
        begun = time.process_time()
        try:
            read(tmp_path)
        except InputError as error:
            refused += 1
            assert str(tmp_path) in str(error)
        assert time.process_time() - begun < 5
        path.write_bytes(sound)
    assert refused
