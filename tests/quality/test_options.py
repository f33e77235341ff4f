"""Choices for a check: which utterances they mean, and what is refused."""

from __future__ import annotations

import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.quality.options import CheckOptions, split_of


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": ("audio", "smell")}, "step smell: expected some of speakers, audio, text, voice, bank, face"),
        ({"cosine": 3}, "cosine is 3: expected -1 to 1"),
        ({"identity": "names"}, "identity is 'names': expected one of annotation, media"),
        ({"scope": "season"}, "scope is 'season': expected one of dialogue, episode"),
        ({"workers": -1}, "workers is -1: expected at least 0"),
        ({"timeout": 0}, "timeout is 0: expected more than 0 seconds"),
    ],
)
def test_options(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CheckOptions(**wrong)


def test_patterns_of_ids_dialogues_and_splits() -> None:
    turn = Utterance("dev/dia1_utt0", text="x")
    talk = Conversation("dev/dia1", (turn,), {"split": "dev"})
    for only, wanted in (
        ((), True),
        (("dev/dia1_*",), True),
        (("dev/dia1",), True),
        (("dev",), True),
        (("test",), False),
    ):
        assert CheckOptions(only=only).wants(talk, turn) is wanted, only
    assert split_of(talk, turn) == "dev"
    assert split_of(talk, Utterance("a", text="x", meta={"split": "train"})) == "train"
    assert split_of(Conversation("d", (turn,)), turn) is None
