"""Settings of the command line become protocols, options and features, or an error with the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.benchmarks.settings import by_corpus, listed, protocol_of, protocols_of, settings
from merc.corpora import CORPORA
from merc.errors import InputError, UnknownName
from tests.corpora import trees


def test_a_protocol_is_named_or_the_default_of_its_corpus() -> None:
    assert protocol_of("meld", None) == protocol_of(None, None) == "meld-7"
    assert protocol_of("iemocap", "iemocap4-session") == "iemocap4-session"
    assert protocol_of(None, "speech3-cross") == protocol_of("ravdess+tess+savee", "speech3-cross") == "speech3-cross"
    assert protocol_of("ravdess+tess+savee", None) == "speech3-speaker"


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(
        InputError, match="protocol 'meld-7' divides meld, not iemocap; expected one of iemocap-dimensions"
    ):
        protocol_of("iemocap", "meld-7")
    with pytest.raises(
        UnknownName,
        match="corpus 'friends' has no protocol; expected one of affectnet, carer, ckplus, cmu-mosei, cmu-mosi",
    ):
        protocol_of("friends", None)
    with pytest.raises(UnknownName, match="unknown protocol 'meld7': did you mean 'meld-7'"):
        protocol_of(None, "meld7")
    with pytest.raises(InputError, match="another corpus"):
        protocol_of("friends", "meld-7")


def test_settings_go_to_training_system_and_hook() -> None:
    training, system = settings(
        ["epochs=3", "gradients=cggm", "hook.strength=.5", "system.filters=[1, 2]", "system.a=b"]
    )
    assert training == {"epochs": 3, "gradients": "cggm", "hook": {"strength": 0.5}}
    assert system == {"filters": (1, 2), "a": "b"}
    with pytest.raises(InputError, match="setting 'epochs': expected NAME=VALUE"):
        settings(["epochs"])


def test_features_are_given_by_corpus() -> None:
    assert by_corpus(["meld:text=mpnet", "cmu-mosi:text=mpnet,voice=opensmile73"]) == {
        "meld": "text=mpnet",
        "cmu-mosi": "text=mpnet,voice=opensmile73",
    }
    assert by_corpus([]) is None
    with pytest.raises(InputError, match="features 'cmu_mosi:text=mpnet': expected CORPUS:MODALITY=SOURCE"):
        by_corpus(["cmu_mosi:text=mpnet"])


def test_a_manifest_has_a_colon_of_its_own(tmp_path: Path) -> None:
    table = trees.write(tmp_path / "mine.csv", "conversation,text,label,split\na,Hi.,x,train\n")
    name = f"manifest:{table}"
    assert by_corpus([f"{name}:text=store:mpnet"]) == {name: "text=store:mpnet"}
    assert protocol_of(name, None) == protocol_of(None, name) == protocol_of(name, name) == name


def test_the_usual_protocols_of_a_bench_are_those_whose_corpus_is_there(tmp_path: Path) -> None:
    usual = ("meld-7", "iemocap6")
    (tmp_path / CORPORA["meld"].folder).mkdir(parents=True)
    assert protocols_of((), None, usual, tmp_path) == (("meld-7",), ["iemocap6"])
    assert protocols_of(("rafdb",), None, usual, None) == (("rafdb",), [])
    assert protocols_of((), "iemocap", usual, None) == (("iemocap6",), [])
    with pytest.raises(InputError, match="--protocols rafdb and --corpus meld: give one of both"):
        protocols_of(("rafdb",), "meld", usual, None)
    with pytest.raises(InputError, match="no corpus of iemocap6 is below .*; set MERC_DATA or --data"):
        protocols_of((), None, ("iemocap6",), tmp_path)


def test_names_are_separated_by_commas() -> None:
    assert listed(" text, voice,") == ("text", "voice")
    assert listed(None) == ()
