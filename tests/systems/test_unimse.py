"""UniMSE: adapters inside the encoder, contrast, likelihoods of label texts, frozen layers, a ready T5."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from merc.backbones.t5 import load, token_rows, token_sequences
from merc.errors import InputError, WeightError
from merc.nn.losses import info_nce
from merc.nn.pooling import LastState
from merc.systems import Rows
from merc.systems.cggm import Cggm, CggmOptions
from merc.systems.generation import new_t5
from merc.systems.unimse import Adapter, UniMse
from merc.systems.unimse_options import UniMseOptions
from merc.systems.universal import CLASS, SCORES, VALUES

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch
from .planted import World, accuracy, built, dialogues, trained

SMALL = UniMseOptions(width=32, inner=48, heads=2, head=16, layers=2, fused=2, side=12, down=16, dropout=0.0)
WIDTHS = {"text": 12, "voice": 7, "face": 5}


class TestUniMse(SystemContract):
    system = UniMse
    options = replace(SMALL, labels=("anger", "joy", "neutral", "surprise"), fields=("polarity", "meld"))
    steps = 100
    rate = 5e-3

    def batch(self, lengths, **more):
        """Voice and face as three steps each, so that there is something to recur over."""
        batch = super().batch(lengths, **more)
        rows = {name: in_steps(batch.rows[name]) for name in ("voice", "face")}
        return replace(batch, rows={**batch.rows, **rows})


class TestVectors(SystemContract):
    system = UniMse
    options = replace(SMALL, reads="vectors")
    steps = 100
    rate = 5e-3
    unreached = tuple(  # the class is one token, which has none before it to attend to
        f"t5.decoder.block.0.layer.0.SelfAttention.{name}" for name in ("q", "k", "relative_attention_bias")
    )


def in_steps(rows):
    """Three steps in the place of each vector."""
    three = torch.stack([rows.values, rows.values.flip(1), -rows.values], 1).flatten(0, 1)
    return Rows(three, rows.lengths * 3)


def system_of(widths=WIDTHS, **changes):
    torch.manual_seed(0)
    return UniMse(widths, CLASSES, replace(SMALL, **changes))


# adapters, contrast, frozen layers


def test_an_adapter_with_zero_up_projection_is_identity():
    adapter = Adapter(6, 4, down=3)
    torch.nn.init.zeros_(adapter.up.weight)
    state, sides = torch.randn(2, 5, 6), torch.randn(2, 5, 4)
    assert torch.equal(adapter(state, sides), state)
    system, batch = system_of().eval(), made_batch(WIDTHS, (4, 2))
    for one in system.adapters:
        torch.nn.init.zeros_(one.up.weight)
    assert torch.equal(system(batch).logits, system(batch.without("voice").without("face")).logits)


def test_adapters_stand_in_the_last_layers_only_while_they_are_used():
    system, batch = system_of(fused=1), made_batch(WIDTHS, (4, 2))
    calls = []
    system.adapters[0].register_forward_hook(lambda *_: calls.append(1))
    system(batch)
    assert calls == [1] and not any(block._forward_hooks for block in system.t5.encoder.block)


def test_an_adapter_follows_the_last_layer_of_the_encoder_and_reaches_its_norm():
    system, order = system_of(fused=1), []
    for name, part in (("first", system.t5.encoder.block[0]), ("last", system.t5.encoder.block[1])):
        part.register_forward_hook(lambda *_, name=name: order.append(name))
    system.adapters[0].register_forward_hook(lambda *_: order.append("adapter"))
    system.t5.encoder.final_layer_norm.register_forward_hook(lambda *_: order.append("norm"))
    system(made_batch(WIDTHS, (4, 2)))
    assert order == ["first", "last", "adapter", "norm"]


def test_the_decoder_looks_at_the_states_of_the_turns_around_marked_by_place():
    system, mask = system_of(around=1), torch.tensor([[True, True, True], [True, True, False]])
    states = torch.randn(2, 3, SMALL.width)
    memory, real = system._around(states, mask)
    first, middle, last = [False, True, True], [True, True, True], [True, True, False]
    assert real.tolist() == [first, middle, last, first, last]
    torch.testing.assert_close(memory[1], states[0] + system.place)
    torch.testing.assert_close(memory[3, 1:], states[1, :2] + system.place[1:])


def test_a_t5_of_the_source_s_sizes_has_its_number_of_parameters():
    """T5-base has 222,903,552; the paper adds three adapters of 64, LSTMs of 32 and a contrast of 30."""
    base = UniMseOptions(width=768, inner=3072, heads=12, head=64, layers=12, decoder_layers=12, vocabulary=32128)
    new_t5(SMALL, tokens=8)  # torch 2.6 cannot import what it needs while another device is the default
    with torch.device("meta"):
        t5 = new_t5(base, tokens=32128)
    assert sum(one.numel() for one in t5.parameters()) == 222_903_552
    system = system_of({"text": 768, "voice": 74, "face": 35}, width=768, layers=3, fused=3, side=32, down=64)
    wide = 768 + 2 * 32
    adapter = (wide * 64 + 64) + (64 * wide + wide) + (wide * 768 + 768)
    assert [sum(one.numel() for one in part.parameters()) for part in system.adapters] == [adapter] * 3
    assert sum(one.numel() for one in system.lstms["voice"].lstm.parameters()) == 4 * 32 * (74 + 32 + 2)
    assert sum(one.numel() for one in system.compare["voice"].parameters()) == 32 * 30 + 30
    usual = UniMseOptions.of(t5.config, "t5-base")
    assert (usual.side, usual.down, usual.fused, usual.shared, usual.tuned) == (32, 64, 3, 30, 2)


def test_frozen_blocks_are_bit_identical_after_a_step():
    system, batch = system_of(tuned=1), made_batch(WIDTHS, (5, 3))
    before = {name: value.clone() for name, value in system.state_dict().items()}
    optimiser = torch.optim.AdamW([one for one in system.parameters() if one.requires_grad], 1e-2)
    system(batch).loss.backward()
    optimiser.step()
    same = {name for name, value in system.state_dict().items() if torch.equal(value, before[name])}
    frozen = {name for name in before if name.startswith(("t5.encoder.block.0", "t5.shared", "t5.lm_head"))}
    assert frozen and frozen <= same
    assert not same & {name for name in before if name.startswith(("t5.encoder.block.1", "adapters", "text"))}


def test_info_nce_is_lowest_on_the_diagonal():
    rows = torch.eye(4)
    best = info_nce(rows, rows)
    assert best < 0.001
    for turned in ((1, 0, 2, 3), (1, 2, 3, 0)):
        assert info_nce(rows, rows[list(turned)]) > best + 1
    expected = -torch.log(torch.e ** torch.tensor(10.0) / (torch.e ** torch.tensor(10.0) + 3))
    torch.testing.assert_close(best, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(info_nce(rows, torch.ones(4, 4)), torch.log(torch.tensor(4.0)))
    assert info_nce(rows[:1], rows[:1]) == 0


def test_contrast_is_between_fused_text_and_each_other_modality():
    batch = made_batch(WIDTHS, (5, 3))
    losses = system_of()(batch).losses
    assert set(losses) == {"label", "outside", "contrast_voice", "contrast_face"}
    assert set(system_of(contrast=0.0)(batch).losses) == {"label", "outside"}
    assert system_of()(batch.without("voice")).losses["contrast_voice"] == 0


def test_the_contrast_pairs_each_utterance_with_its_own_voice_and_face():
    batch = made_batch(WIDTHS, (5, 3))
    system = system_of().eval()
    output, mask = system(batch), batch.mask
    fused = system.fused_compare(output.extras["fused"][mask])
    for name in ("voice", "face"):
        own = system.compare[name](output.representations[name][mask])
        wanted = info_nce(fused, own, temperature=system.options.temperature)
        torch.testing.assert_close(output.losses[f"contrast_{name}"], system.options.contrast * wanted)
        assert not torch.allclose(wanted, info_nce(fused, own.roll(1, 0), temperature=system.options.temperature))


@pytest.mark.parametrize("left", [("text",), ("text", "voice"), ("text", "face")])
def test_removing_audio_leaves_shapes_valid(left):
    batch = made_batch(WIDTHS, (4, 1))
    for system in (system_of({name: WIDTHS[name] for name in left}), system_of(), system_of(inside=False)):
        for given in (batch, batch.without("voice")):
            output = system.eval()(given)
            assert output.logits.shape == (2, 4, CLASSES) and torch.isfinite(output.loss)


# generation


FIELDS = ("polarity", "score", "meld")
EMOTIONS = ("anger", "joy", "neutral", "surprise")


def labelled(**changes):
    return system_of(labels=EMOTIONS, fields=FIELDS, **changes)


def with_universal(batch, seed=0):
    """The same dialogues with a value of each field."""
    random = torch.Generator().manual_seed(seed)
    columns = [torch.randint(len(VALUES[name]), batch.mask.shape, generator=random) for name in FIELDS]
    return replace(batch, universal=torch.stack(columns, -1).masked_fill(~batch.mask[..., None], -1))


def test_a_field_is_written_behind_the_values_that_were_generated_for_those_before_it():
    """Each likelihood is that of the whole text, token by token, less that of what stands before."""
    torch.manual_seed(0)
    sequences = (
        ((2, 3), (4,), (2, 5)),
        tuple((6 + number,) for number in range(31)),
        tuple((40 + n,) for n in range(7)),
    )
    system, batch = labelled(sequences=sequences).eval(), made_batch(WIDTHS, (3,))
    with torch.no_grad():
        output = system(batch)
        memory, seen = system._around(output.extras["fused"], batch.mask)

        def likelihood(row, text):
            written = torch.tensor([text])
            said = system.t5(
                encoder_outputs=(memory[row : row + 1],), attention_mask=seen[row : row + 1].long(), labels=written
            )
            return -F.cross_entropy(said.logits.transpose(1, 2), written, reduction="sum")

        for row, (polarity, score, _) in enumerate(output.extras["written"].tolist()):
            assert polarity == max(range(3), key=lambda value: float(likelihood(row, sequences[0][value])))
            before = [*sequences[0][polarity], *sequences[1][score]]
            for place, emotion in enumerate(EMOTIONS):
                token = sequences[2][VALUES["meld"].index(emotion)]
                wanted = likelihood(row, [*before, *token]) - likelihood(row, before)
                torch.testing.assert_close(output.logits[0, row, place], wanted, atol=1e-4, rtol=1e-4)


def test_in_training_a_field_follows_the_labels_values_and_in_prediction_those_generated():
    system, batch = labelled(), with_universal(made_batch(WIDTHS, (4, 3)))
    written = system.train()(batch).extras["written"]
    assert torch.equal(written, batch.universal[batch.mask])
    holes = replace(batch, universal=batch.universal.clone())
    holes.universal[..., 0] = -1
    assert not torch.equal(system(holes).extras["written"][:, 0], written[:, 0])
    assert torch.equal(system(holes).extras["written"][:, 1:], written[:, 1:])
    predicted, other = (system.eval()(one) for one in (batch, with_universal(batch, seed=1)))
    assert torch.equal(predicted.logits, other.logits), "a label reaches a prediction"


def test_each_known_field_has_its_cross_entropy_and_unknown_ones_none():
    system, batch = labelled().train(), with_universal(made_batch(WIDTHS, (4, 2)))
    output = system(batch)
    assert {"label", "outside", "polarity", "score"} <= set(output.losses) and "meld" not in output.losses
    holes = replace(batch, universal=batch.universal.clone())
    holes.universal[..., 1] = -1
    assert "score" not in system(holes).losses
    bare = replace(batch, labels=torch.full_like(batch.labels, -1))
    assert {"polarity", "score", "meld"} <= set(system(bare).losses)  # a lender's label that is none of the classes
    gold = output.logits[batch.labelled].gather(1, batch.labels[batch.labelled][:, None])
    torch.testing.assert_close(output.losses["label"] + output.losses["outside"], -gold.mean())


def test_four_classes_of_iemocap_count_excited_as_happy():
    system = system_of(labels=("angry", "happy", "neutral", "sad"), fields=("polarity", "iemocap")).eval()
    likely = {"iemocap": torch.randn(2, 6)}
    logits = system._logits(likely, torch.ones(1, 2, dtype=torch.bool))
    names = VALUES["iemocap"]
    happy = likely["iemocap"][:, [names.index("happy"), names.index("excited")]].logsumexp(-1)
    torch.testing.assert_close(logits[0, :, 1], happy)
    torch.testing.assert_close(logits[0, :, 3], likely["iemocap"][:, names.index("sad")])


def test_a_score_is_generated_and_decoded():
    torch.manual_seed(0)
    system = UniMse(WIDTHS, 0, replace(SMALL, fields=("polarity", "score")), dimensions=1)
    batch = made_batch(WIDTHS, (6, 5, 4))
    random = torch.Generator().manual_seed(0)
    scores = (torch.randint(-15, 16, (*batch.mask.shape, 1), generator=random) / 5).masked_fill(
        ~batch.mask[..., None], float("nan")
    )
    batch = replace(batch, targets=scores, labels=torch.full_like(batch.labels, -1))
    output = system.train()(batch)
    assert output.logits is None and "values" in output.losses and "label" not in output.losses
    trained(system, [batch], epochs=60, rate=5e-3)
    with torch.no_grad():
        values = system(batch).values[batch.mask]
    assert set(values.flatten().tolist()) <= set(torch.tensor(SCORES).tolist())
    assert (values - scores[batch.mask]).abs().mean() < 0.5
    assert system._numbers(torch.tensor([-3.0, 1.25, float("nan")])).tolist() == [0, 21, -1]


def test_what_cannot_be_written_is_refused():
    with pytest.raises(InputError, match="2 labels for 4 classes"):
        system_of(labels=("joy", "anger"), fields=("polarity", "meld"))
    with pytest.raises(
        InputError, match="classes anger, joy, neutral, surprise are values of none of polarity, iemocap"
    ):
        system_of(labels=EMOTIONS, fields=("polarity", "iemocap"))
    with pytest.raises(InputError, match="3 values to predict, .* it writes one value, the sentiment score: choose"):
        UniMse(WIDTHS, 0, SMALL, dimensions=3)


# voice and face


def test_the_last_real_state_of_the_lstm_stands_for_voice():
    torch.manual_seed(0)
    side = LastState(3, 5)
    steps, real = torch.randn(2, 4, 3), torch.tensor([[True] * 3 + [False], [False] * 4])
    found = side(steps, real)
    torch.testing.assert_close(found[0], side.norm(side.lstm(steps[:1, :3])[0][0, -1]))
    assert not found[1].any()


def test_the_order_of_frames_is_heard_and_vectors_read_their_mean():
    batch = made_batch(WIDTHS, (4, 2))
    rows = in_steps(batch.rows["voice"])
    turned = Rows(rows.values.view(-1, 3, 7).flip(1).flatten(0, 1), rows.lengths)
    one, other = (replace(batch, rows={**batch.rows, "voice": each}) for each in (rows, turned))
    for reads, same in (("steps", False), ("vectors", True)):
        system = system_of(reads=reads).eval()
        with torch.no_grad():
            for adapter in system.adapters:
                adapter.up.weight.normal_()
        assert torch.allclose(system(one).logits, system(other).logits, atol=1e-5) == same


def test_all_but_the_t5_has_a_share_of_the_learning_rate():
    system = system_of(other_rates=0.25)
    ((owned, share),) = system.rate_shares().values()
    assert share == 0.25
    rest = {id(one) for one in system.t5.parameters()}
    assert {id(one) for one in owned} | rest == {id(one) for one in system.parameters()}
    assert not {id(one) for one in owned} & rest


# a ready T5


WORDS = {"text": 6, "voice": 7, "face": 5}


def spoken_batch(lengths, *, padding=0, **more):
    """Dialogues whose text is the token numbers of one to six words."""
    batch = made_batch(WORDS, lengths, padding=padding, **more)
    words = torch.randint(2, 40, (len(lengths), 64, 6), generator=torch.Generator().manual_seed(3))
    said = torch.arange(6) <= torch.arange(64)[:, None] % 6
    real = said[: batch.mask.shape[1]] & batch.mask[..., None]
    text = Rows.of_steps(words[:, : batch.mask.shape[1]].flatten(0, 1), real.flatten(0, 1), shape=batch.mask.shape)
    return replace(batch, rows={**batch.rows, "text": text, "voice": in_steps(batch.rows["voice"])})


def adopted(**changes):
    """A system around a ready T5 of 40 tokens, and that T5."""
    torch.manual_seed(0)
    ready = system_of(vocabulary=40).t5
    torch.nn.init.normal_(ready.shared.weight)
    texts = (((9, 1), (8, 7, 1), (6,), (5,)),)
    options = UniMseOptions.of(ready.config, "some/t5", **{"fused": 2, "sequences": texts, "dropout": 0.0, **changes})
    system = UniMse(WORDS, CLASSES, options)
    system.adopt(ready)
    return system, ready


def test_a_ready_t5_is_adopted_and_survives_saving():
    system, ready = adopted()
    system, options, batch = system.eval(), system.options, spoken_batch((3, 2))
    assert (options.width, options.layers, options.vocabulary, options.tuned) == (32, 2, 40, 2)
    with pytest.raises(InputError, match="the weights of 'some/t5' were not adopted"):
        UniMse(WORDS, CLASSES, options)(batch)
    assert all(torch.equal(own, given) for own, given in zip(system.t5.parameters(), ready.parameters(), strict=True))
    again = UniMse(WORDS, CLASSES, options).eval()
    again.load_state_dict(system.state_dict())
    assert torch.equal(again(batch).logits, system(batch).logits)
    assert system.variant == "T5 't5'" and "randomly initialised" in system_of().variant


def test_words_are_read_by_the_t5_itself_and_padding_of_any_kind_changes_nothing():
    system, _ = adopted()
    system.eval()
    batch = spoken_batch((5, 3, 1))
    with torch.no_grad():
        whole = system(batch).logits
        padded = system(spoken_batch((5, 3, 1), padding=4)).logits[:, :5]
        torch.testing.assert_close(padded[batch.mask], whole[batch.mask], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(system(spoken_batch((5,))).logits[0], whole[0], atol=1e-5, rtol=1e-5)
        words = batch.rows["text"]
        turned = replace(batch, rows={**batch.rows, "text": replace(words, values=words.values.flip(0))})
        assert not torch.allclose(system(turned).logits[batch.mask], whole[batch.mask], atol=1e-4)


def test_an_utterance_without_words_voice_or_face_is_answered_and_what_is_absent_is_not_read():
    system, _ = adopted()
    system, batch = system.eval(), spoken_batch((4, 2))
    for name in WORDS:
        without = batch.without(name)
        logits = system(without).logits[batch.mask]
        assert torch.isfinite(logits).all()
        assert not torch.allclose(system(batch).logits[batch.mask], logits, atol=1e-5)


@pytest.mark.parametrize("inside", [True, False])
def test_a_gradient_reaches_every_parameter_that_is_tuned_and_voice_is_heard_at_every_word(inside):
    system, _ = adopted(inside=inside, tuned=1)
    batch = spoken_batch((6, 6, 4, 5))
    batch = replace(batch, rows={**batch.rows, "face": in_steps(batch.rows["face"])})
    system.train()(batch).loss.backward()
    tuned = {name for name, one in system.named_parameters() if one.requires_grad}
    reached = {name for name, one in system.named_parameters() if one.grad is not None and one.grad.abs().sum() > 0}
    assert tuned == reached
    assert not any(name.startswith(("t5.shared", "t5.encoder.block.0")) for name in tuned)


def test_words_teach_a_ready_t5():
    system, _ = adopted(tuned=None)
    batch = spoken_batch((6, 5, 4, 6, 3, 5, 2, 6))
    trained(system, [batch], epochs=60, rate=5e-3)
    assert accuracy(system, [batch]) > 0.95


def test_text_that_is_no_token_numbers_is_refused():
    system, _ = adopted()
    for wrong in (0.5, 40, -1):
        batch = spoken_batch((2,))
        text = replace(batch.rows["text"], values=torch.full_like(batch.rows["text"].values * type(wrong)(1), wrong))
        with pytest.raises(InputError, match="text for the T5 'some/t5' must be token numbers below 40"):
            system(replace(batch, rows={**batch.rows, "text": text}))


def test_a_t5_of_other_sizes_is_refused():
    with pytest.raises(InputError, match="the T5 does not fit the options"):
        system_of().adopt(system_of(width=48).t5)
    untied = system_of(tied=False)
    torch.nn.init.normal_(untied.t5.lm_head.weight)
    with pytest.raises(InputError, match="output layer is not tied"):
        system_of().adopt(untied.t5)
    system_of(tied=False).adopt(untied.t5)
    assert not UniMseOptions.of(untied.t5.config, "t5-of-version-1.1").tied


def test_a_t5_that_cannot_be_reached_is_a_clear_error(tmp_path):
    with pytest.raises(WeightError, match="the T5 'nobody/no-t5' is not available .* leave the name out"):
        load("nobody/no-t5", local_only=True)
    with pytest.raises(WeightError, match="holds no T5 with its tokenizer"):
        load(str(tmp_path))


def test_a_t5_in_a_folder_is_loaded_adopted_and_held_to_its_label_texts(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "negative", "neutral", "positive", "sad", "joy", "surprise"]
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path)
    system_of(vocabulary=9).t5.save_pretrained(tmp_path)
    model, tokenizer = load(str(tmp_path))
    sequences = (token_sequences(tokenizer, ("sad", "neutral", "joy", "surprise")),)
    assert sequences == (((6,), (4,), (7,), (8,)),)
    rows, cut = token_rows(tokenizer, ["joy sad", "never heard of joy joy"], longest=4)
    assert rows.tolist() == [[7, 6, 0, 0], [2, 2, 2, 7]] and cut == 1
    system = UniMse({"text": 4}, CLASSES, UniMseOptions.of(model.config, "t5", fused=2, sequences=sequences)).eval()
    system.adopt(model)
    batch = made_batch({"text": 4}, (2,))
    words = torch.tensor(rows)
    text = Rows.of_steps(words, words != 0, shape=(1, 2))
    assert torch.isfinite(system(replace(batch, rows={"text": text})).loss)


# the idea


def test_fusion_inside_the_encoder_beats_fusion_behind_it():
    """Text and voice each tell half of a class, and each dialogue adds a vector of its own to all that is shown in it:
    to know a voice it must be held against the others, so layers that look along the dialogue must follow its entry."""
    alike, widths = {"text": ((0, 1), (2, 3)), "voice": ((0, 2), (1, 3))}, {"text": 12, "voice": 7}
    world = World(noise=0.3, dialogue_bias=4.0, alike=alike, turns=(8, 12), widths=widths)
    train, test = dialogues(world, 128, seed=1), dialogues(world, 48, seed=2)
    options = replace(SMALL, layers=3, fused=3, contrast=0.0, around=0)
    inside, behind = (
        accuracy(trained(built(UniMse, world, chosen), train, epochs=40, rate=5e-3), test)
        for chosen in (options, replace(options, inside=False))
    )
    assert inside > behind + 0.1


def test_labels_of_another_corpus_win_on_a_planted_corpus(tmp_path, monkeypatch):
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))  # where the stores are prepared
    planted_stores.wins("unimse", tmp_path, margin=0.2)


def test_gradients_of_the_modalities_can_be_steered():
    torch.manual_seed(0)
    system = Cggm(WIDTHS, CLASSES, CggmOptions(base="unimse"))
    assert torch.isfinite(system.train()(made_batch(WIDTHS, (4, 3))).loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "unimse: width is 0: expected at least 1"),
        ({"dropout": 1.0}, "unimse: dropout is 1.0: expected 0 to below 1"),
        ({"fused": 9}, "unimse: fused is 9: expected 0 to 3 layers"),
        ({"reads": "frames"}, "unimse: reads is 'frames': expected one of steps, vectors"),
        ({"tuned": -1}, r"unimse: tuned is -1: expected at least 0 \(the last so many layers\)"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        UniMseOptions(**options)


def test_bad_vocabulary_and_sequences():
    with pytest.raises(InputError, match="vocabulary 3; the label texts use tokens up to 5"):
        system_of(vocabulary=3)
    with pytest.raises(InputError, match="sequences of 2 fields; expected 1"):
        system_of(sequences=(((1,),), ((2,),)))
    assert system_of().fields == (CLASS,)
