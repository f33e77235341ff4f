"""From conversations to trees: windows, prompts that share a beginning, batches of whole dialogues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from merc.backbones.llm import LanguageModel
from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.recipes.llm import PrcEmoOptions
from merc.recipes.prompting.pieces import IGNORED, Pieces, in_place, prompted, read
from merc.systems.prc_emo import Parts
from tests.backbones import made_llm

WORDS = ("joy", "anger", "frustrated")
TALK = Conversation("talk", tuple(Utterance(f"u{n}", "AB"[n % 2], f"it is {n} in train") for n in range(8)))
OPTIONS = PrcEmoOptions(threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel.load(str(made_llm.saved(tmp_path_factory.mktemp("models") / "tiny")), precision="float32")


def alone(model: LanguageModel, text: str, *, spaced: bool) -> np.ndarray:
    """Log-likelihoods of the labels after a text, each by a pass of its own."""
    prompt, found = model.tokens(text), []
    for label in model.labels(WORDS, spaced=spaced).sequences:
        with torch.no_grad():
            likely = model.network(torch.tensor([[*prompt, *label]])).logits[0].log_softmax(-1)
        found.append(float(sum(likely[len(prompt) - 1 + step, token] for step, token in enumerate(label))))
    return np.array(found)


def test_a_dialogue_in_one_sequence_has_the_scores_of_each_turns_beginning(model: LanguageModel) -> None:
    pieces = in_place(model, TALK, OPTIONS, WORDS)
    assert [one.ids for one in pieces] == [tuple(f"u{n}" for n in range(8))]
    scores = read(model, pieces, model.labels(WORDS))
    text = "A conversation, with the emotion of each turn (joy, anger, frustrated):"
    for number, turn in enumerate(TALK):
        text += f"\n{turn.speaker}: {turn.text} =>"
        if number in (0, 5):
            np.testing.assert_allclose(scores[turn.id], alone(model, text, spaced=True), atol=1e-3)


def test_a_long_dialogue_is_cut_and_its_pieces_open_with_earlier_turns(model: LanguageModel) -> None:
    size = len(in_place(model, TALK, OPTIONS, WORDS)[0].tree)
    short = replace(OPTIONS, longest=size // 2, before=size // 6)
    pieces = in_place(model, TALK, short, WORDS)
    assert len(pieces) > 2 and [name for one in pieces for name in one.ids] == [turn.id for turn in TALK]
    assert any(len(one.tree.ends) < one.tree.numbers.tolist().count(model.tokens(" =>")[-1]) for one in pieces[1:])


def test_a_prompt_for_each_turn_has_the_scores_of_that_prompt_alone(model: LanguageModel) -> None:
    options = replace(OPTIONS, form="prompts", window=2, longest=2000)
    (piece,) = prompted(model, TALK, options, WORDS, parts=lambda _, place: Parts(speaker="calm" if place else ""))
    scores = read(model, [piece], model.labels(WORDS, spaced=False))
    task = "Which emotion does the speaker show in the last turn? Answer with one word: joy, anger, frustrated."
    lines = "\n".join(f"{turn.speaker}: {turn.text}" for turn in TALK.utterances[3:6])
    text = model.asked(f"{task}\nAbout B: calm\nConversation:\n{lines}")
    np.testing.assert_allclose(scores["u5"], alone(model, text, spaced=False), atol=1e-3)
    several = prompted(model, TALK, replace(options, longest=300), WORDS, parts=lambda *_: Parts())
    assert len(several) > 1 and [name for one in several for name in one.ids] == [turn.id for turn in TALK]


def test_later_turns_change_nothing(model: LanguageModel) -> None:
    other = replace(TALK.utterances[6], text="turn 1 of 2 is joy")
    changed = replace(TALK, utterances=(*TALK.utterances[:6], other, TALK.utterances[7]))
    for make, more in ((in_place, {}), (prompted, {"parts": lambda *_: Parts()})):
        before, after = (
            read(model, make(model, one, OPTIONS, WORDS, **more), model.labels(WORDS))  # type: ignore[operator]
            for one in (TALK, changed)
        )
        np.testing.assert_allclose(after["u5"], before["u5"], atol=1e-4)
        assert np.abs(after["u6"] - before["u6"]).max() > 1e-3


def test_an_empty_dialogue_has_no_piece(model: LanguageModel) -> None:
    empty = Conversation("empty", ())
    assert in_place(model, empty, OPTIONS, WORDS) == []
    assert prompted(model, empty, OPTIONS, WORDS, parts=lambda *_: Parts()) == []


def test_batches_hold_whole_pieces_of_the_dialogues_of_an_epoch(model: LanguageModel) -> None:
    talks = [replace(TALK, id=name, utterances=tuple(replace(u, id=name + u.id) for u in TALK)) for name in "abc"]
    pieces = [piece for one in talks for piece in in_place(model, one, OPTIONS, WORDS)]
    targets = {name: 1 for piece in pieces[:2] for name in piece.ids[1:]}
    data = Pieces(pieces, model.labels(WORDS), targets, batch_tokens=10_000, choose=lambda epoch: "ab"[:epoch])
    assert len(data.pieces) == 2  # nothing of the third is labelled
    generator = torch.Generator().manual_seed(0)
    assert [len(plan.items) for plan in data.plan(1, generator)] == [1]
    (plan,) = data.plan(2, generator)
    trees, numbers = data.load(plan)
    assert trees.before.shape[:2] == numbers.shape == (2, 8)
    assert (numbers[:, 0] == IGNORED).all() and (numbers[:, 1:] == 1).all()
    alone = Pieces(pieces, model.labels(WORDS), targets, batch_tokens=1)
    assert [len(plan.items) for plan in alone.plan(1, generator)] == [1, 1]
    with pytest.raises(InputError, match="no dialogue has a labelled turn"):
        Pieces(pieces, model.labels(WORDS), {}, batch_tokens=1)
