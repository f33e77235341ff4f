"""A trained run judges a stream: causal systems only, with the predictions that an analysis would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.pipeline.live.history import History
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.own_system import OwnSystem, reads_ahead, require_live
from merc.pipeline.trained.run import located, opened
from tests.pipeline.trained import made_runs

from .scenes import PEOPLE, draft, job, stretch


@pytest.fixture(scope="module")
def concat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return located(made_runs.run(tmp_path_factory.mktemp("concat")))


@pytest.fixture(scope="module")
def cogmen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return located(made_runs.run(tmp_path_factory.mktemp("cogmen"), system="cogmen"))


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts are encoded as the made corpus is: "d0_1" is the vector of that utterance."""
    known, read = made_runs.vectors(), []

    class Made:
        input, width = "text", made_runs.WIDTH

        def encode(self, texts: list[str]) -> np.ndarray:
            read.extend(texts)
            return np.stack([known[text] for text in texts])

    monkeypatch.setattr("merc.pipeline.live.own_system.encoder_for", lambda job, name: Made())
    return read


def test_utterances_get_the_labels_of_the_run(concat: Path, vectors: list[str]) -> None:
    given = job(system=concat)
    own = OwnSystem.of(given)
    assert own is not None
    history = History(given, StreamOptions(), own)
    found = []
    for place, name in enumerate(("d9_0", "d9_1", "d9_2")):
        ((said, prediction),) = history.add(draft(stretch(3.0 * place), name, PEOPLE[place % 2]))
        found.append(prediction.label)
        assert said.text == name and set(prediction.probabilities or {}) == set(made_runs.LABELS)
        missing = {one.modality: one.missing for one in prediction.evidence}
        assert missing == {"text": None, "voice": "the run 'run' does not read it", "face": missing["face"]}
    assert found == [made_runs.LABELS[(9 + turn) % 3] for turn in range(3)]
    assert vectors == ["d9_0", "d9_1", "d9_2"], "each is encoded once"


def test_a_system_that_reads_what_comes_later_is_refused(concat: Path, cogmen: Path) -> None:
    first, second = opened(concat), opened(cogmen)
    assert not reads_ahead(first) and reads_ahead(second)
    require_live(first)
    with pytest.raises(InputError) as caught:
        OwnSystem.of(job(system=cogmen))
    assert str(caught.value) == (
        "run 'run' cannot judge a live conversation: its system judges an utterance also by those that are said after "
        "it; analyse a recording of it instead"
    )


def test_what_a_stream_does_not_have_is_refused_in_words(concat: Path) -> None:
    run = opened(concat)
    cases = {
        "its features are standardised over all that a speaker says, also later": replace(run, per_speaker=("text",)),
        "it reads faces alone, and a live analysis has sound": replace(run, encoders={"face": "facenet"}),
        "'meld-warm-both' reads words with those that are said after them": replace(
            run, encoders={"text": "meld-warm-both"}
        ),
    }
    for words, one in cases.items():
        with pytest.raises(InputError, match=words):
            require_live(one)
