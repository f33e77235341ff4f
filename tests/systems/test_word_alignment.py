"""Learned alignment: the five inherited tests, the card's checks, the planted alignment, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.systems import Batch, Rows
from merc.systems.word_alignment import AdditiveAttention, Pool, Recurrent, WordAlignment, WordAlignmentOptions

from .contract import CLASSES, SystemContract

SMALL = WordAlignmentOptions(state=8, attention_width=8, frame_width=16, embedding=8, heads=4, dropout=0.1)
WIDTHS = {"text": 12, "voice": 7}


class Contract(SystemContract):
    system = WordAlignment
    widths = WIDTHS
    options = SMALL
    steps = 60
    rate = 1e-2

    def test_missing_modality(self) -> None:
        """Without frames a word finds nothing; without words an utterance is refused, see below."""
        batch = self.batch(self.lengths)
        output = self.build().eval()(batch.without("voice"))
        assert torch.isfinite(output.logits).all() and not output.extras["alignment"].any()


class TestAdditive(Contract):
    pass


class TestMultiHead(Contract):
    options = replace(SMALL, attention="multi-head", cell="lstm", pooling="attention")


class TestWordless(SystemContract):
    system = WordAlignment
    widths = WIDTHS
    options = replace(SMALL, wordless="query")
    steps = 60
    rate = 1e-2
    unreached = ("wordless",)  # every utterance of the contract has words


class TestConcat(SystemContract):
    system = WordAlignment
    widths = WIDTHS
    options = replace(SMALL, fusion="concat", pooling="mean")
    steps = 60
    rate = 1e-2


def utterances(words: int, frames: int, *, count: int = 2, seed: int = 0) -> Batch:
    """Utterances of so many words and frames, the second with one of each less."""
    generator = torch.Generator().manual_seed(seed)
    rows = {}
    for name, steps in (("text", words), ("voice", frames)):
        lengths = torch.tensor([[max(1, steps - number)] for number in range(count)])
        rows[name] = Rows(torch.randn(int(lengths.sum()), WIDTHS[name], generator=generator), lengths)
    return Batch.of(rows, labels=torch.zeros(count, 1, dtype=torch.long))


def built(options: WordAlignmentOptions = SMALL, **widths: int) -> WordAlignment:
    torch.manual_seed(0)
    return WordAlignment(widths or WIDTHS, CLASSES, options).eval()


ATTENTIONS = pytest.mark.parametrize("attention", ["additive", "multi-head"])


@ATTENTIONS
def test_attention_rows_sum_to_1_and_are_0_on_padded_frames(attention: str) -> None:
    batch = utterances(4, 9)
    weights = built(replace(SMALL, attention=attention))(batch).extras["alignment"]  # (B, J, T)
    assert weights.shape == (2, 4, 9) and (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.tensor([[1.0] * 4, [1.0] * 3 + [0.0]]))
    assert not weights[1, :, 8].any() and (weights[0, :, 8] > 0).all()


@ATTENTIONS
@pytest.mark.parametrize("frames", [1, 5, 40])
def test_as_many_vectors_as_words_whatever_the_number_of_frames(attention: str, frames: int) -> None:
    output = built(replace(SMALL, attention=attention))(utterances(3, frames))
    assert output.extras["words"].shape == (2, 3, 16) and not output.extras["words"][1, 2].any()


@ATTENTIONS
def test_padded_frames_do_not_change_logits(attention: str) -> None:
    system, short, long = built(replace(SMALL, attention=attention)), utterances(4, 9), utterances(4, 30, seed=1)
    joined = {
        name: Rows(
            torch.cat([short.rows[name].values, long.rows[name].values]),
            torch.cat([short.rows[name].lengths, long.rows[name].lengths]),
        )
        for name in WIDTHS
    }
    with torch.no_grad():
        torch.testing.assert_close(system(Batch.of(joined)).logits[:2], system(short).logits, atol=1e-5, rtol=1e-5)


@ATTENTIONS
def test_the_loss_reaches_the_speech_encoder_through_the_attention(attention: str) -> None:
    system, batch = built(replace(SMALL, attention=attention)), utterances(3, 6)
    batch.rows["voice"].values.requires_grad_()
    system(batch).logits[0, 0, 1].backward()
    gradient = batch.rows["voice"].values.grad
    assert gradient is not None and (gradient[:6].abs().sum(1) > 0).all() and not gradient[6:].any()
    assert all(one.grad is not None and one.grad.any() for one in system.encoders()["voice"])
    assert all(one.grad is not None and one.grad.any() for one in system.align.parameters() if one.requires_grad)


def test_additive_attention_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    attend = AdditiveAttention(4, 3)
    words, speech = torch.randn(1, 2, 4), torch.randn(1, 3, 4)
    found, weights = attend(words, speech, torch.tensor([[True, True, False]]))
    for j in range(2):
        scores = torch.stack(
            [
                attend.score.weight[0]
                @ torch.tanh(attend.query.weight @ words[0, j] + attend.query.bias + attend.key.weight @ speech[0, t])
                for t in range(2)
            ]
        )
        torch.testing.assert_close(weights[0, j, :2], torch.softmax(scores, 0))
        torch.testing.assert_close(found[0, j], torch.softmax(scores, 0) @ speech[0, :2])


def test_words_are_read_in_both_directions_and_beside_what_they_found() -> None:
    system, batch = built(), utterances(4, 9, count=1)
    with torch.no_grad():
        before = system(batch).extras["words"][0]
        batch.rows["text"].values[-1] += 3.0
        later = system(batch).extras["words"][0]
        assert not torch.allclose(before[0], later[0], atol=1e-5), "the first word knows the last"
        network = Recurrent(5, SMALL).eval()
        steps = torch.randn(1, 4, 5)
        mask = torch.tensor([[True, True, True, False]])
        out = network(steps, mask)
        assert not out[0, 3].any()
        torch.testing.assert_close(out[:, :3], network(steps[:, :3], mask[:, :3]))
    assert system.join.network.input_size == 4 * SMALL.state


@pytest.mark.parametrize("changed", sorted(WIDTHS))
def test_the_second_network_reads_a_word_and_what_it_found(changed: str) -> None:
    system, batch = built(), utterances(3, 1, count=1)  # of a single frame every word finds the same
    with torch.no_grad():
        before = system(batch).extras["words"]
        batch.rows[changed].values[0] += 1.0
        assert not torch.allclose(system(batch).extras["words"], before, atol=1e-4)


def test_poolings() -> None:
    values, mask = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]])
    assert Pool(2, "max")(values, mask).tolist() == [[3.0, -5.0]]
    assert Pool(2, "mean")(values, mask).tolist() == [[2.0, -6.0]]
    attend = Pool(2, "attention")
    attend.score.weight.data = torch.tensor([[1.0, 0.0]])
    shares = torch.softmax(torch.tensor([1.0, 3.0]), 0)
    torch.testing.assert_close(attend(values, mask)[0], shares @ values[0, :2])
    assert not attend(values, torch.zeros(1, 3, dtype=torch.bool)).any()


def test_layers_end_to_end_are_summed_with_learned_shares() -> None:
    system = built(replace(SMALL, layers=7), text=12, voice=7)
    batch = utterances(3, 5)
    with torch.no_grad():
        before = system(batch).logits
        system.enter["voice"][0].score[6] = 20.0
        last = system(batch).logits
        batch.rows["voice"].values[:, :6] += 1.0
        torch.testing.assert_close(system(batch).logits, last, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before, last)
    with pytest.raises(InputError, match="8 numbers in 7 layers: expected a multiple"):
        built(replace(SMALL, layers=7), text=12, voice=8)


def test_frames_may_be_read_at_a_lower_rate() -> None:
    batch, slow = utterances(3, 9), built(replace(SMALL, frames=4))
    means = replace(batch, rows={**batch.rows, "voice": batch.rows["voice"].slower(4)})
    output = slow(batch)
    assert output.extras["alignment"].shape == (2, 3, 3) and not output.extras["alignment"][1, :, 2].any()
    torch.testing.assert_close(output.logits, built()(means).logits)


def test_words_may_be_numbers_of_a_vocabulary() -> None:
    options = replace(SMALL, words=True)
    assert WordAlignment.reading(options) == {"text": "tokens", "voice": "steps"}
    assert WordAlignment.reading(SMALL) == {"text": "steps", "voice": "steps"}
    batch = utterances(3, 5)
    numbers = Rows(torch.tensor([4, 1, 0, 2, 3]), batch.rows["text"].lengths)
    assert built(options, text=5, voice=7)(replace(batch, rows={**batch.rows, "text": numbers})).logits.shape[2] == 4


@pytest.mark.parametrize("name", sorted(WIDTHS))
def test_a_modality_alone_is_its_network_and_a_pooling(name: str) -> None:
    system, batch = built(**{name: WIDTHS[name]}), utterances(3, 6)
    output = system(batch)
    states = system.read[name](system.enter[name](batch.steps(name)[0]), batch.steps(name)[1])
    expected = system.label(system.pool[name](states, batch.steps(name)[1]))
    torch.testing.assert_close(output.logits[:, 0], expected)
    assert "alignment" not in output.extras


def test_an_utterance_without_words_is_refused_by_name_or_read_with_one_query() -> None:
    batch = replace(utterances(3, 6), ids=(("u1",), ("u2",)))
    silent = replace(batch, rows={**batch.rows, "text": batch.rows["text"].where(torch.tensor([[True], [False]]))})
    with pytest.raises(InputError, match=r"utterance 'u2' has no words to align; .* --set system\.wordless=query"):
        built()(silent)
    with pytest.raises(InputError, match="utterance 'number 1 of the batch' has no words"):
        built()(replace(silent, ids=()))
    system = built(replace(SMALL, wordless="query"))
    output = system(silent)
    torch.testing.assert_close(output.extras["alignment"][1].sum(-1), torch.tensor([1.0, 0.0, 0.0]))
    output.loss.backward()
    assert system.wordless.grad.any()
    torch.testing.assert_close(output.logits[0], system(batch).logits[0])


def test_options_are_refused_by_name() -> None:
    for wrong, message in (
        ({"state": 0}, "word_alignment: state is 0"),
        ({"cell": "rnn"}, "cell is 'rnn': expected one of gru, lstm"),
        ({"attention": "dot"}, "attention is 'dot': expected one of additive, multi-head"),
        ({"fusion": "late"}, "fusion is 'late': expected one of alignment, concat"),
        ({"pooling": "sum"}, "pooling is 'sum'"),
        ({"wordless": "skip"}, "wordless is 'skip'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ):
        with pytest.raises(InputError, match=message):
            WordAlignmentOptions(**wrong)
    with pytest.raises(InputError, match="width 16 over 3 heads"):
        built(replace(SMALL, attention="multi-head", heads=3))
    pooled = replace(SMALL, fusion="concat")
    assert pooled.variant == built(pooled).variant == "pooled and concatenated, without alignment"
    assert not SMALL.variant


WORDS, CODES, FRAMES, KINDS = 6, 5, 10, 3
"""Of the vocabulary; most codes in the frames of an utterance; its frames; classes."""


def planted(count: int, *, seed: int) -> tuple[Batch, torch.Tensor]:
    """Utterances whose frames carry codes of words at random places, each beside a class, among noise.

    The text has up to three of these words, in order; their frames show the class of the utterance, those of the other
    words another class. Neither words nor frames alone tell which is which.

    Returns:
        The utterances, and the frame of each word of all texts.
    """
    generator = torch.Generator().manual_seed(seed)

    def order(size: int) -> torch.Tensor:
        return torch.rand(count, size, generator=generator).argsort(1)

    codes, places = order(WORDS)[:, :CODES], order(FRAMES)[:, :CODES].sort(1).values  # (count, CODES)
    there = torch.randint(1, CODES + 1, (count, 1), generator=generator)
    said = torch.randint(1, 4, (count, 1), generator=generator).minimum(there)
    ranks = order(CODES)
    labels = torch.randint(KINDS, (count, 1), generator=generator)
    others = (labels + torch.randint(1, KINDS, (count, CODES), generator=generator)) % KINDS
    shown = torch.eye(KINDS)[torch.where(ranks < said, labels, others)]
    voice = torch.randn(count, FRAMES, WORDS + KINDS, generator=generator) * 0.2
    voice[torch.arange(count)[:, None], places] += torch.cat([torch.eye(WORDS)[codes], shown], -1) * (
        ranks < there
    )[..., None]  # fmt: skip
    frames = Rows(voice.flatten(0, 1), torch.full((count, 1), FRAMES))
    text = Rows(torch.eye(WORDS)[codes[ranks < said]], said)
    return Batch.of({"text": text, "voice": frames}, labels=labels), places[ranks < said]


@pytest.mark.timeout(120)
def test_a_planted_alignment_is_found_and_is_monotone() -> None:
    options = WordAlignmentOptions(state=16, attention_width=32, frame_width=32, dropout=0.0)
    torch.manual_seed(0)
    system = WordAlignment({"text": WORDS, "voice": WORDS + KINDS}, KINDS, options)
    optimiser = torch.optim.Adam(system.parameters(), 1e-2)
    for step in range(200):
        optimiser.zero_grad()
        system(planted(64, seed=step)[0]).loss.backward()
        optimiser.step()
    batch, places = planted(300, seed=10_000)
    real = batch.steps("text")[1]  # (B, J)
    with torch.no_grad():
        output = system.eval()(batch)
    peaks = output.extras["alignment"].argmax(-1)
    rising = (peaks.diff(dim=1) > 0)[real[:, 1:]]
    assert (peaks[real] == places).float().mean() > 0.9 and rising.float().mean() > 0.9
    assert (output.logits.argmax(-1) == batch.labels).float().mean() > 0.9
