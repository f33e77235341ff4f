"""nEMO: names of files, and the rows of its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import nemo
from merc.errors import FormatError, InputError
from tests.corpora import trees


def test_nemo_names_and_rows(tmp_path: Path) -> None:
    angry, surprised = nemo.read(trees.nemo(tmp_path))
    assert (angry.id, angry.labels, angry.speaker) == ("EB0_anger_1", ("anger",), "nemo-EB0")
    assert dict(angry.meta) == {"sentence": "1", "transcript": 'Tak, "nie".', "gender": "female", "age": "27"}
    assert (surprised.speaker, nemo.CORPUS.ekman7(surprised)) == ("nemo-WR0", "surprise")
    assert surprised.source is not None


def test_nemo_refuses_other_names_and_files_without_a_row(tmp_path: Path) -> None:
    trees.nemo(tmp_path)
    trees.write(tmp_path / "samples/EB0_anger_2.wav", "")
    with pytest.raises(FormatError, match=r"data\.tsv: no row for EB0_anger_2\.wav; download the corpus again"):
        nemo.read(tmp_path)
    trees.write(tmp_path / "samples/EB0_disgust_2.wav", "")
    with pytest.raises(InputError, match=r"EB0_anger_2\.wav|EB0_disgust_2\.wav in .*: expected a name such as"):
        (tmp_path / "samples/EB0_anger_2.wav").unlink()
        nemo.read(tmp_path)
    (tmp_path / "data.tsv").unlink()
    with pytest.raises(InputError, match=r"corpus 'nemo': missing .*data\.tsv"):
        nemo.read(tmp_path)
