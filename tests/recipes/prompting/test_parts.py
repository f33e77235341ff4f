"""The parts of prompts: demonstrations of other dialogues, and texts that are written once and cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.backbones.llm import LanguageModel
from merc.errors import InputError
from merc.recipes.llm import Corpus, PrcEmoOptions
from merc.recipes.prompting import parts as making
from merc.recipes.prompting.parts import PromptParts, refuse_unknown_library
from tests.recipes import made_meld


class Writer:
    """Stands for a language model: repeats how much it was asked."""

    sha256 = "b" * 64

    def __init__(self) -> None:
        self.asked: list[str] = []

    def write(self, request: str, *, most: int) -> str:
        self.asked.append(request)
        return f"written {most}"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))

    def numbers(items, *_, **__):  # type: ignore[no-untyped-def]  # the turn's number stands for the meaning
        return np.array([[1.0, float(item.text.split()[2])] for item in items])

    monkeypatch.setattr(making, "features", numbers)
    return Corpus.of(PrcEmoOptions(), made_meld.tree(tmp_path / "data"))


def made(corpus: Corpus, model: LanguageModel | Writer, data: Path, **changes: object) -> PromptParts:
    options = PrcEmoOptions(form="prompts", library="meld", **changes)  # type: ignore[arg-type]
    labels = corpus.protocol.label_set
    return PromptParts(model, options, "meld", corpus.fold, corpus.blind, labels=labels, data=data)  # type: ignore[arg-type]


def test_demonstrations_are_alike_from_training_and_never_of_the_same_dialogue(corpus: Corpus, tmp_path: Path) -> None:
    parts = made(corpus, Writer(), tmp_path, demonstrations=3)
    for part in ("train", "test"):
        talk = corpus.of_part(part)[1]
        for place in (1, 4):
            shown = parts.of(talk, place).demonstrations
            assert len(shown) == 3 and all(text.startswith(f"it is {place} in train") for text, _ in shown)
            assert not any(text == turn.text for text, _ in shown for turn in talk)
            assert {label for _, label in shown} <= set(corpus.protocol.label_set)


def test_random_ones_are_the_same_each_time(corpus: Corpus, tmp_path: Path) -> None:
    talk = corpus.of_part("test")[0]
    found = [
        made(corpus, Writer(), tmp_path, demonstrations=3, retrieval="random", seed=seed).of(talk, 2).demonstrations
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_what_is_written_is_cached(corpus: Corpus, tmp_path: Path) -> None:
    talk = corpus.of_part("test")[0]
    for writer in (Writer(), Writer()):
        parts = made(corpus, writer, tmp_path, cues=True, speaker=True)
        found = parts.of(talk, 2)
        assert (found.cues, found.speaker, found.demonstrations) == ("written 80", "written 100", ())
        if not writer.asked:
            break
        assert len(writer.asked) == 2 and not any("it is 3" in one for one in writer.asked)  # no later turn
    else:
        pytest.fail("written again")
    assert made(corpus, Writer(), tmp_path, speaker=True).of(talk, 0).speaker == ""


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="library"):
        refuse_unknown_library("meld+daily")
