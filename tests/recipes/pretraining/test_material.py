"""Who is heard: training speakers of the fold, further corpora, and others only where it is stated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.errors import InputError, ProtocolError, UnknownName
from merc.recipes import request
from merc.recipes.pretraining.material import FoldOfSounds, speech_of
from tests.recipes.pretraining.made import ravdess, savee


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return savee(ravdess(tmp_path_factory.mktemp("data")))


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    request.read.cache_clear()
    yield


def test_training_speakers_of_the_fold_alone_are_heard(data: Path) -> None:
    one = FoldOfSounds.of("ravdess-speaker", "fold-1", data)
    speech = speech_of(one, data=data)
    assert set(speech.names) == one.fold.train.context and speech.transductive == 0
    assert not one.held_out().intersection(speech.names)
    assert speech.counts == {"ravdess": len(speech.names)} and len(speech.names) % 7 == 0
    assert set(one.classes()) == set(speech.names) and set(one.classes().values()) == set(range(7))
    assert set(speech.feature.rows) == set(speech.names)


def test_further_corpora_are_heard_as_a_whole(data: Path) -> None:
    one = FoldOfSounds.of("ravdess-speaker", "fold-2", data)
    speech = speech_of(one, extra=("savee",), data=data)
    assert speech.counts == {"ravdess": len(one.fold.train), "savee": 7}
    assert speech.transductive == 0


def test_held_out_speakers_are_heard_only_when_it_is_set_and_counted(data: Path) -> None:
    one = FoldOfSounds.of("ravdess-speaker", "fold-1", data)
    speech = speech_of(one, transductive=True, data=data)
    assert len(speech.names) == 42 and speech.transductive == 42 - len(one.fold.train)
    assert set(one.classes()) == one.fold.train.scored


def test_bad_requests_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no fold 'x'; protocol 'ravdess-speaker' has fold-1, fold-2"):
        FoldOfSounds.of("ravdess-speaker", "x", data)
    with pytest.raises(InputError, match="'iemocap-dimensions' is a regression; choose one with classes"):
        FoldOfSounds.of("iemocap-dimensions", "x", data)
    with pytest.raises(UnknownName, match="unknown protocol 'ravdes'"):
        FoldOfSounds.of("ravdes", "fold-1", data)
    with pytest.raises(InputError, match="no corpus 'ravdess' at"):
        FoldOfSounds.of("ravdess-speaker", "fold-1", tmp_path)
    one = FoldOfSounds.of("ravdess-speaker", "fold-1", data)
    with pytest.raises(InputError, match="extra corpus 'ravdess' is divided by protocol 'ravdess-speaker'"):
        speech_of(one, extra=("ravdess",), data=data)


def test_a_corpus_with_one_speaker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="1 people for 5 folds"):
        FoldOfSounds.of("ravdess-speaker", "fold-1", ravdess(tmp_path, people=1))
