"""Features that come with a corpus: ids, shapes, what is missing, damaged files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from merc.corpora import CONVERSATIONS, CORPORA, tables
from merc.errors import FormatError, InputError, UnknownName


def test_an_archive_of_iemocap(tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    np.savez(tmp_path / "iemocap_acoustic_egemaps47.npz", utt_id=["a", "b"], feat=values, names=["x", "y"])
    voice = tables.features("iemocap", tmp_path)["voice"]
    assert (voice.ids, voice.names, voice.values.dtype, len(voice.sha256)) == (("a", "b"), ("x", "y"), np.float32, 64)
    assert voice.values.tolist() == values.tolist()
    (tmp_path / "release").mkdir()
    assert tables.features("iemocap", tmp_path / "release")["voice"].sha256 == voice.sha256


def test_wrong_shapes_and_doubles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "iemocap_acoustic_egemaps47.npz"
    np.savez(path, utt_id=["a", "b"], feat=np.zeros((3, 2)), names=["x", "y"])
    with pytest.raises(FormatError, match=r"values of shape \(3, 2\) and type float64; expected 2 × 2 numbers"):
        tables.features("iemocap", tmp_path)
    np.savez(path, utt_id=["a", "a"], feat=np.zeros((2, 2)), names=["x", "y"])
    with pytest.raises(FormatError, match="an utterance occurs twice"):
        tables.features("iemocap", tmp_path)
    np.savez(path, utt_id=["a", "b"])
    with pytest.raises(FormatError, match="no array feat, names; expected utt_id, feat, names"):
        tables.features("iemocap", tmp_path)


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no features at .*features\.npz; put the file there"):
        tables.features("cmu-mosi", tmp_path)
    for corpus, name in (("cmu-mosi", "features.npz"), ("meld", "meld_utterances_multimodal.parquet")):
        (tmp_path / name).write_bytes(b"PK\x03\x04 broken")
        with pytest.raises(FormatError, match=name):
            tables.features(corpus, tmp_path)
    with pytest.raises(UnknownName, match="unknown corpus with features 'carer'"):
        tables.features("carer", tmp_path)
    with pytest.raises(InputError, match=r"feature table of shape \(1, 2\): expected 1 ids × 1 names"):
        tables.FeatureTable(("a",), np.zeros((1, 2), np.float32), ("x",), "source", "0")


def test_a_header_that_names_more_numbers_than_fit_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "iemocap_acoustic_egemaps47.npz"
    values = io.BytesIO()
    np.lib.format.write_array_header_1_0(values, {"descr": "<f4", "fortran_order": False, "shape": (10**14,)})
    np.savez(path, utt_id=["a"], names=["x"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("feat.npy", values.getvalue())
    with pytest.raises(FormatError, match=r"egemaps47\.npz: Unable to allocate .*; download it again"):
        tables.features("iemocap", tmp_path)


@pytest.mark.parametrize(
    ("corpus", "widths", "absent"),
    [
        ("meld", {"face": 17, "voice": 6}, {"face": 133, "voice": 2}),
        ("iemocap", {"voice": 47}, {"voice": 0}),
        ("cmu-mosi", {"text": 100, "voice": 73, "face": 100}, {"text": 0, "voice": 0, "face": 0}),
    ],
)
def test_real_features_belong_to_the_utterances(
    data: Path, corpus: str, widths: dict[str, int], absent: dict[str, int]
) -> None:
    found = tables.features(corpus, data / CORPORA[corpus].folder)
    ids = {u.id for c in CONVERSATIONS[corpus](data / CORPORA[corpus].folder) for u in c}
    assert {name: table.values.shape[1] for name, table in found.items()} == widths
    assert {name: int(np.isnan(table.values).any(axis=1).sum()) for name, table in found.items()} == absent
    assert all(set(table.ids) == ids and len(table.ids) == len(ids) for table in found.values())


def test_real_features_of_meld_by_split(data: Path) -> None:
    for modality, expected in (("voice", (9988, 1108, 2610)), ("face", (9988, 1108, 2479))):
        table = tables.features("meld", data / "meld")[modality]
        whole = ~np.isnan(table.values).any(axis=1)
        split = np.array([name.partition("/")[0] for name in table.ids])
        assert tuple(int(whole[split == part].sum()) for part in ("train", "dev", "test")) == expected
