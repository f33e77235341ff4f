"""The Mamba fusion: the five inherited tests, its size, causality within an utterance, and bad options."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.nn.losses import LabelLoss
from merc.systems import Batch, Rows
from merc.systems.mamba import MambaFusion, MambaFusionOptions

from . import planted_stores
from .contract import SystemContract, made_batch, with_vectors
from .planted import World, accuracy, built, only, sequences, trained

SMALL = MambaFusionOptions(d_state=8, modality_width=6, dropout=0.1)


class TestMamba(SystemContract):
    system = MambaFusion
    options = SMALL
    rate = 1e-2


class TestMambaOfNarrowText(SystemContract):
    system = MambaFusion
    options = replace(SMALL, text_width=6)
    rate = 1e-2


@pytest.mark.parametrize(
    ("width", "parameters"), [(128, 153_344), (256, 511_488), (768, 3_992_064), (896, 5_374_208), (1024, 6_961_152)]
)
def test_the_block_has_the_published_number_of_parameters(width, parameters):
    system = MambaFusion({"text": width}, 7)
    assert sum(parameter.numel() for parameter in system.block.parameters()) == parameters


def test_three_modalities_make_tokens_of_1024():
    system = MambaFusion({"text": 768, "voice": 512, "face": 512}, 7)
    assert system.block.options.d_model == 1024


def test_text_may_be_brought_to_a_width_of_its_own_first():
    system = MambaFusion({"text": 768, "voice": 47}, 7, MambaFusionOptions(text_width=128))
    assert system.block.options.d_model == 256


def test_a_voice_vector_is_the_same_on_every_token_and_frames_are_spread_in_chunks():
    voice, frames = torch.arange(3.0), torch.arange(8.0).view(4, 2)
    rows = {
        "text": Rows(torch.zeros(15, 2), torch.tensor([[15]])),
        "voice": Rows(voice[None], torch.tensor([[1]])),
        "face": Rows(frames, torch.tensor([[4]])),
    }
    values, masks = Batch.of(rows).aligned()
    assert (values["voice"][0] == voice).all() and masks["voice"].all()
    assert torch.bincount(values["face"][0, :, 0].long() // 2).tolist() == [4, 4, 4, 3]


def test_later_tokens_do_not_change_what_the_block_says_of_earlier_ones():
    block = MambaFusion({"text": 12}, 4, SMALL).block.eval()
    tokens = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    other = torch.cat([tokens[:5], tokens[5:] + 1.0])
    with torch.no_grad():
        before, after = (block(one, torch.tensor([0, 9])) for one in (tokens, other))
        torch.testing.assert_close(after[:5], before[:5])
        assert not torch.allclose(after[5:], before[5:])
        state, said = block.start(1), []
        for token in tokens:
            out, state = block.step(token[None], state)
            said.append(out)
        torch.testing.assert_close(torch.cat(said), before, atol=1e-5, rtol=1e-5)


def test_the_loss_of_the_source_s_recipe_is_torch_s():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(40, 7, generator=generator), torch.randint(7, (40,), generator=generator)
    weights = torch.tensor([15.0, 15.0, 6.0, 1.0, 3.0, 6.0, 4.0])
    ours = LabelLoss(7, class_weights=weights, smoothing=0.2)(logits, labels)
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.2))


def test_without_residual_nothing_stands_around_the_block():
    system = MambaFusion({"text": 12}, 4, replace(SMALL, residual=False)).eval()
    batch = made_batch({"text": 12}, (5, 3), level="utterance")
    entered = system.enter["text"](batch.rows["text"].values)
    offsets = torch.tensor([0, 5, 8])
    with torch.no_grad():
        alone = system.block(entered, offsets, pool=True)
        torch.testing.assert_close(system(batch).extras["fused"][:, 0], alone)


def test_the_paper_s_configuration_is_one_block_and_a_linear_layer():
    source = MambaFusion.description.configurations["source"][""].options
    system = MambaFusion({"text": 768, "voice": 128, "face": 128}, 7, MambaFusionOptions(**source))
    assert sum(one.numel() for one in system.parameters()) == 6_961_152 + 1024 * 7 + 7
    assert not [module for module in system.modules() if isinstance(module, torch.nn.LayerNorm)]
    batch = made_batch({"text": 768, "voice": 128, "face": 128}, (3,), level="utterance")
    values = torch.cat([batch.rows[name].values for name in ("text", "voice", "face")], -1)
    with torch.no_grad():
        alone = system.eval().block(values, torch.tensor([0, 3]), pool=True)
        torch.testing.assert_close(system(batch).extras["fused"][:1, 0], alone)


def spoken(frames: int) -> Batch:
    """One utterance of three tokens and so many frames."""
    generator = torch.Generator().manual_seed(0)
    voice = Rows(torch.randn(frames, 7, generator=generator), torch.tensor([[frames]]))
    return Batch.of({"text": Rows(torch.randn(3, 12, generator=generator), torch.tensor([[3]])), "voice": voice})


def built_along(**changes: object) -> MambaFusion:
    torch.manual_seed(0)
    return MambaFusion({"text": 12, "voice": 7}, 4, replace(SMALL, **changes)).eval()


def test_along_the_voice_every_frame_is_a_step_with_the_token_of_its_moment(monkeypatch):
    seen, run = [], MambaFusion._run
    monkeypatch.setattr(MambaFusion, "_run", lambda self, steps, real: seen.append(steps) or run(self, steps, real))
    batch, system = spoken(8), built_along(along="voice")
    system(batch)
    (steps,) = seen
    assert steps.shape == (1, 8, 12 + SMALL.modality_width)
    tokens, frames = (system.enter[name](batch.rows[name].values) for name in ("text", "voice"))
    torch.testing.assert_close(steps[0, :, :12], tokens[[0, 0, 0, 1, 1, 1, 2, 2]])
    torch.testing.assert_close(steps[0, :, 12:], frames)


@pytest.mark.parametrize(("along", "read"), [("text", 3), ("voice", 8)])
def test_the_loss_reaches_every_frame_along_the_voice_and_one_for_each_token_along_the_text(along, read):
    batch = spoken(8)
    batch.rows["voice"].values.requires_grad_()
    built_along(along=along)(batch).logits[0, 0, 0].backward()
    assert int((batch.rows["voice"].values.grad.abs().sum(1) > 0).sum()) == read


def test_frames_may_be_read_at_a_lower_rate():
    batch, slow = spoken(8), built_along(along="voice", frames=3)
    means = replace(batch, rows={**batch.rows, "voice": batch.rows["voice"].slower(3)})
    torch.testing.assert_close(slow(batch).logits, built_along(along="voice")(means).logits)
    assert not torch.allclose(slow(batch).logits, built_along(along="voice")(batch).logits)
    assert torch.isfinite(slow(batch.without("voice")).logits).all()


def test_along_the_voice_batch_mates_of_other_lengths_change_nothing():
    short, long, system = spoken(5), spoken(30), built_along(along="voice")
    rows = {
        name: Rows(
            *(torch.cat([getattr(one.rows[name], part) for one in (short, long)]) for part in ("values", "lengths"))
        )
        for name in short.rows
    }
    torch.testing.assert_close(system(Batch.of(rows)).logits[:1], system(short).logits, atol=1e-5, rtol=1e-5)


def test_pooled_tokens_are_read_as_one_step_that_holds_their_mean():
    batch = made_batch({"text": 12}, (5, 3), level="utterance")
    torch.manual_seed(0)
    system = MambaFusion({"text": 12}, 4, replace(SMALL, pooled=True)).eval()
    torch.manual_seed(0)
    plain = MambaFusion({"text": 12}, 4, SMALL).eval()
    tokens = batch.rows["text"].values
    single = with_vectors(batch, text=torch.stack([tokens[:5].mean(0), tokens[5:].mean(0)])[:, None])
    with torch.no_grad():
        torch.testing.assert_close(system(batch).logits, plain(single).logits)
        assert not torch.allclose(system(batch).logits, plain(batch).logits)


def test_an_utterance_without_any_modality_gets_the_prior_of_the_last_layer():
    system = MambaFusion({"text": 12}, 4, SMALL).eval()
    batch = made_batch({"text": 12}, (5, 3), level="utterance").without("text")
    with torch.no_grad():
        assert torch.equal(system(batch).logits, system.label.bias.expand(2, 1, 4))


def test_a_class_pair_that_only_a_face_tells_apart_needs_the_face():
    world = World(classes=4, widths={"text": 8, "face": 6}, alike={"text": ((0, 1),), "face": ((2, 3),)}, seed=3)
    train, test = sequences(world, 160, seed=0), sequences(world, 80, seed=1)
    whole = trained(built(MambaFusion, world, SMALL), train, rate=1e-2)
    text = trained(built(MambaFusion, world, SMALL, names=["text"]), only(train, "text"), rate=1e-2)
    assert accuracy(whole, test) > accuracy(text, only(test, "text")) + 0.15


def test_tokens_in_order_win_over_their_mean_on_a_planted_corpus(tmp_path):
    planted_stores.wins("mamba", tmp_path, margin=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality_width": -1}, "mamba: modality_width is -1"),
        ({"text_width": -2}, "mamba: text_width is -2"),
        ({"dropout": 1.0}, "dropout is 1.0: expected 0 to below 1"),
        ({"d_state": 0}, "d_state is 0"),
        ({"frames": 0}, "mamba: frames is 0"),
        ({"along": "face"}, "mamba: along is .face.: expected one of text, voice"),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(InputError, match=message):
        MambaFusionOptions(**change)
