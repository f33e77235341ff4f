"""EmoQ: as many queries whatever the sound, losses, and a language model that stays as it is or gets adapters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from merc.backbones.llm import LanguageModel
from merc.errors import InputError
from merc.nn.losses import focal_loss, supervised_contrast
from merc.systems import Batch, Rows
from merc.systems.emoq import EmoQ, EmoQOptions
from tests.backbones import made_llm

from .contract import CLASSES, SystemContract, made_batch

SMALL = EmoQOptions(queries=4, width=16, layers=1, heads=2, dropout=0.0, shared=8, wide=16)
WIDTHS = {"text": 12, "voice": 7}


class TestEmoQ(SystemContract):
    system = EmoQ
    widths = WIDTHS
    options = SMALL
    steps = 50
    rate = 1e-2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = made_llm.saved(tmp_path_factory.mktemp("models") / "tiny")
    return LanguageModel.load(str(folder), precision="float32")


def adopted(model: LanguageModel, **changes: object) -> EmoQ:
    words = model.labels(("anger", "joy", "neutral", "frustrated"))
    chosen = replace(
        SMALL,
        model="tiny",
        wide=model.width,
        before=tuple(model.tokens("Emotion:")),
        after=tuple(model.tokens(" Answer:")),
        sequences=words.sequences,
        end=words.end,
        marker=words.end,
        **changes,
    )
    torch.manual_seed(0)
    system = EmoQ({"text": len(model.tokenizer), "voice": 7}, CLASSES, chosen)
    system.adopt(model)
    return system


def spoken(lengths: tuple[tuple[int, int], ...]) -> Batch:
    """Utterances of so many tokens and frames."""
    generator = torch.Generator().manual_seed(0)
    text, voice = (torch.tensor([[pair[place]] for pair in lengths]) for place in (0, 1))
    tokens = torch.randint(4, 300, (int(text.sum()),), generator=generator)
    frames = torch.randn(int(voice.sum()), 7, generator=generator)
    labels = (torch.arange(len(lengths)) % 2)[:, None]
    return Batch.of({"text": Rows(tokens, text), "voice": Rows(frames, voice)}, labels=labels)


def test_as_many_queries_whatever_the_length_of_the_sound() -> None:
    system = EmoQ(WIDTHS, CLASSES, SMALL).eval()
    for length in (1, 9, 60):
        assert system(made_batch(WIDTHS, (length,), level="utterance")).extras["queries"].shape == (1, 4, 16)


def test_masked_frames_and_the_order_of_a_batch_change_nothing() -> None:
    system, lengths = EmoQ(WIDTHS, CLASSES, SMALL).eval(), (5, 3)
    with torch.no_grad():
        plain = system(made_batch(WIDTHS, lengths, level="utterance")).logits
        padded = system(made_batch(WIDTHS, lengths, level="utterance", padding=7)).logits
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=1e-5)


def test_focal_loss_counts_what_is_known_for_less() -> None:
    even = torch.zeros(1, 2)
    assert float(focal_loss(even, torch.tensor([0]))) == pytest.approx(0.1733, abs=5e-5)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(focal_loss(logits, labels, gamma=0.0), F.cross_entropy(logits, labels))


def test_contrast_is_lower_for_classes_that_lie_together_and_zero_without_a_pair() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    near = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    assert supervised_contrast(near, labels) < supervised_contrast(near[[0, 2, 1, 3]], labels)
    assert supervised_contrast(near, torch.arange(4)) == 0


def test_losses_are_those_of_the_options() -> None:
    batch = made_batch(WIDTHS, (5, 3, 4, 2), level="utterance")
    assert set(EmoQ(WIDTHS, CLASSES, SMALL)(batch).losses) == {"label", "outside", "focal", "contrast"}
    bare = EmoQ(WIDTHS, CLASSES, replace(SMALL, focal=0.0, contrast=0.0))(batch)
    assert set(bare.losses) == {"label", "outside"}
    gold = bare.logits[batch.labelled].gather(1, batch.labels[batch.labelled][:, None])
    torch.testing.assert_close(bare.losses["label"] + bare.losses["outside"], -gold.mean())


def test_a_frozen_language_model_is_untouched_while_the_queries_learn(model: LanguageModel) -> None:
    system, batch = adopted(model), spoken(((3, 20), (5, 2)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    queries = system.former.queries.detach().clone()
    optimiser = torch.optim.AdamW(system.parameters(), 1e-2)
    system(batch).loss.backward()
    optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not torch.equal(system.former.queries, queries)
    assert not any("_held" in name or "small" in name for name in system.state_dict())


def test_the_soft_prompts_stand_at_the_markers_and_the_words_behind_them(model: LanguageModel) -> None:
    system, batch = adopted(model).eval(), spoken(((3, 20), (5, 2)))
    tree = system._trees(batch)[0]
    numbers = tree.numbers.tolist()
    start = len(system.options.before)
    assert numbers[start : start + 4] == [system.options.marker] * 4
    assert numbers[start + 4 : start + 7] == batch.steps("text")[0][0, :3].tolist()
    with torch.no_grad():
        output = system(batch)
        soft = system.soft(output.extras["queries"])[0]
        entered = model.embedded(torch.tensor(numbers[: int(tree.ends[0]) + 1])).clone()
        entered[start : start + 4] = soft
        label = system.words.sequences[3]
        entered = torch.cat([entered, model.embedded(torch.tensor(label))])
        likely = model.network(inputs_embeds=entered[None]).logits[0].log_softmax(-1)
    expected = sum(likely[len(entered) - len(label) - 1 + step, token] for step, token in enumerate(label))
    torch.testing.assert_close(output.logits[0, 0, 3], expected, atol=1e-4, rtol=1e-4)


def test_adapters_are_trained_and_saved_with_the_queries(tmp_path: Path) -> None:
    model = LanguageModel.load(str(made_llm.saved(tmp_path / "tiny")), precision="float32")
    system = adopted(model, tuning="lora", rank=2)
    assert len(system.adapters) == 28 and any(name.startswith("adapters.") for name in system.state_dict())
    system(spoken(((3, 20), (5, 2)))).loss.backward()
    assert sum(float(one.grad.abs().sum()) for one in system.adapters if one.grad is not None) > 0


def test_what_does_not_fit_is_refused(model: LanguageModel) -> None:
    system = EmoQ({"voice": 7}, CLASSES, replace(SMALL, model="tiny"))
    with pytest.raises(InputError, match="'tiny' was not adopted; load it, call adopt"):
        system(made_batch({"voice": 7}, (3,), level="utterance"))
    with pytest.raises(InputError, match="the language model has width 32, the options say 16"):
        system.adopt(model)
    with pytest.raises(InputError, match="sequences for 1 classes; expected 4"):
        EmoQ(WIDTHS, CLASSES, replace(SMALL, sequences=((2,),)))
    assert system.variant == "language model 'tiny', frozen"
    assert EmoQ.reading(replace(SMALL, model="tiny"))["text"] == "tokens"
