"""What all readers share: descriptions, missing files, contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS, Item, Source, contents, goemotions
from merc.errors import InputError, UnknownName
from merc.labels import EKMAN7
from tests.corpora.trees import touch


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_missing_corpus_is_named_with_its_source(name: str, tmp_path: Path) -> None:
    root = tmp_path / Path(CORPORA[name].folder).name
    if root.suffix != ".zip":
        root.mkdir()
    with pytest.raises(InputError) as error:
        READERS[name](root)
    assert f"corpus '{name}'" in str(error.value)
    assert CORPORA[name].source in str(error.value)
    assert str(root) in str(error.value)


def test_missing_files_are_all_named_and_present_ones_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "dev.tsv", "labels.txt")
    with pytest.raises(InputError) as error:
        goemotions.read(tmp_path)
    assert "train.tsv" in str(error.value)
    assert "test.tsv" in str(error.value)
    assert "dev.tsv" not in str(error.value)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_descriptions_are_complete(name: str) -> None:
    corpus = CORPORA[name]
    assert corpus.name == name
    assert all(
        (corpus.title, corpus.source.startswith("http"), corpus.licence, corpus.why, corpus.defects, corpus.splits)
    )
    assert set(corpus.to_ekman7.values()) <= {*EKMAN7, None}
    assert corpus.modality in {"text", "voice", "face", "conversation"}
    assert set(corpus.counts) >= set(corpus.splits)


def test_unknown_corpus() -> None:
    with pytest.raises(UnknownName, match="unknown corpus 'meldd': did you mean 'meld'"):
        READERS["meldd"]


def test_contents_say_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item 'x' has no file"):
        list(contents([Item("x", ())]))
    with pytest.raises(InputError, match=r"cannot read .*gone\.wav"):
        list(contents([Item("x", (), source=Source(tmp_path / "gone.wav"))]))
