"""Which corpora lend their labels, with which features, and which fields follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError, UnknownName
from merc.recipes.joined.lending import fields_of, lenders, writes
from merc.recipes.request import Request, corpus_root, merged, read
from merc.systems import SYSTEMS
from tests.recipes.joined import made_corpora


def request(protocol: str = "meld-7", corpora: str | None = None, system: str = "unimse", **more: object) -> Request:
    return Request(system, protocol, training={"labels_from": corpora} if corpora else {}, **more)  # type: ignore[arg-type]


def fields(asked: Request) -> tuple[str, ...]:
    found = fields_of(asked, lambda corpus: read(corpus, corpus_root(corpus, asked.data)))
    return tuple(found.get("fields", ()))


def test_a_lender_is_read_under_its_own_protocol_by_the_same_encoder_or_its_own_table() -> None:
    first, second = lenders(request(corpora="cmu-mosi+iemocap", features="text=mpnet,voice=attributes6"))
    assert (first.protocol, first.features) == ("cmu-mosi", "text=mpnet,voice=opensmile73")
    assert (second.protocol, second.features) == ("iemocap6", "text=mpnet,voice=egemaps47")
    assert not first.training and lenders(request()) == []
    (words,) = lenders(request(corpora="iemocap", features="text=mpnet,voice=table", modalities=("text",)))
    assert words.modalities == ("text",)


def test_the_fields_are_those_that_a_corpus_of_the_training_knows(tmp_path: Path) -> None:
    made_corpora.mosi(tmp_path / "scored")
    made_corpora.mosi(tmp_path / "binary", scores=False)
    assert fields(request()) == ("polarity", "meld")
    assert fields(request("iemocap4-session")) == ("polarity", "iemocap")
    assert fields(request("cmu-mosi")) == ("polarity",)
    assert fields(request("cmu-mosi:score")) == ("polarity", "score")
    every = ("polarity", "score", "meld", "iemocap")
    assert fields(request(corpora="cmu-mosi+iemocap", data=tmp_path / "scored")) == every
    assert fields(request(corpora="cmu-mosi+iemocap", data=tmp_path / "binary")) == ("polarity", "meld", "iemocap")
    assert fields(request("emorynlp-7")) == ()
    assert merged(request("iemocap6"))[1]["labels"][0] == "angry"


def test_what_cannot_lend_is_refused() -> None:
    with pytest.raises(InputError, match="labels_from: system 'concat' writes no universal labels; train unimse"):
        lenders(request(corpora="iemocap", system="concat"))
    with pytest.raises(InputError, match="protocol 'meld-7' divides meld itself, so that its test labels would be"):
        lenders(request(corpora="iemocap+meld"))
    with pytest.raises(InputError, match=r"the classes of 'emorynlp-7' \(Joyful, .*\) are in no universal label"):
        fields(request(corpora="emorynlp"))
    with pytest.raises(UnknownName):
        lenders(request(corpora="nothing"))
    assert [name for name, kind in SYSTEMS.items() if writes(kind)] == ["unimse"]
