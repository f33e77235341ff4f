"""LSDGNN: the checks of its card, and dialogues in which who spoke before decides."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.nn.graph import same_speaker_reach
from merc.systems import SYSTEMS
from merc.systems.lsdgnn import BiAffine, Lsdgnn, LsdgnnOptions, difference

from . import planted_stores
from .contract import CLASSES, SystemContract, in_order, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, trained

SMALL = LsdgnnOptions(width=24, layers=1, dropout=0.1, hidden=1)


class TestLsdgnn(SystemContract):
    system = Lsdgnn
    options = LsdgnnOptions(width=48, dropout=0.1)


class TestLsdgnnPlainAndUncoupled(SystemContract):
    system = Lsdgnn
    options = LsdgnnOptions(width=48, layers=1, dropout=0.0, plain=True, couple=False, hidden=0)


@pytest.fixture
def speakers():
    return torch.tensor([[0, 1, 1, 0, 1, 0, 0, 1, 2, 0]])


def test_adjacency_is_strictly_lower_triangular_and_short_lies_within_long(speakers):
    mask = torch.ones_like(speakers, dtype=torch.bool)
    short, long = (same_speaker_reach(mask, speakers, turns)[0] for turns in (1, 5))
    assert not short.triu().any() and not long.triu().any()
    assert (short <= long).all() and (short != long).any()
    assert not short[0].any() and not long[0].any()  # the first turn has no predecessor


def test_row_reaches_back_exactly_to_the_same_speakers_turn(speakers):
    found = same_speaker_reach(torch.ones_like(speakers, dtype=torch.bool), speakers, 2)[0]
    assert found[6].nonzero().flatten().tolist() == [3, 4, 5]  # speaker 0 spoke at 5 and, second last, at 3
    assert found[8].nonzero().flatten().tolist() == list(range(8))  # speaker 2 never spoke before


def test_difference_falls_as_stacks_diverge_and_is_finite_for_one_dialogue():
    torch.manual_seed(0)
    short, other = torch.randn(2, 1, 6, 8)
    mask = torch.ones(1, 6, dtype=torch.bool)
    values = [float(difference(short, short + far * other, mask, floor=0.05)) for far in (0.0, 0.3, 1.0, 5.0)]
    assert values == sorted(values, reverse=True) and values[0] == pytest.approx(20.0)
    opposite = float(difference(short, -short, mask, floor=0.05))
    assert opposite == pytest.approx(1 / 4.05)
    for length in (1, 6):
        one = short[:, :length].clone().requires_grad_()
        value = difference(one, other[:, :length], mask[:, :length], floor=0.05)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(one.grad).all()


def test_biaffine_rows_sum_to_one_over_real_turns():
    torch.manual_seed(0)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    short, long = torch.randn(2, 2, 4, 8)
    *_, first, second = BiAffine(8)(short, long, mask)
    for shares in (first, second):
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, 4))
        assert not shares[1, :, 2:].any()


def test_each_stack_reads_the_states_of_the_other_through_its_own_weights():
    torch.manual_seed(0)
    couple, mask = BiAffine(8), torch.ones(2, 4, dtype=torch.bool)
    short, long = torch.randn(2, 2, 4, 8)
    to_long, to_short = (
        torch.softmax(one @ weight @ other.mT, -1)
        for one, weight, other in ((short, couple.to_long, long), (long, couple.to_short, short))
    )
    found = couple(short, long, mask)
    torch.testing.assert_close(found[0], to_long @ long)
    torch.testing.assert_close(found[1], to_short @ short)


def test_each_layer_reads_the_states_of_the_layer_before():
    torch.manual_seed(0)
    system, seen = Lsdgnn({"text": 6}, CLASSES, replace(SMALL, layers=3)).eval(), []
    for layer in system.stacks:
        layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    system(made_batch({"text": 6}, (7, 5)))
    assert torch.equal(seen[1][0], seen[0][1]) and torch.equal(seen[2][0], seen[1][1])


def test_the_source_s_sizes_give_its_number_of_parameters():
    """IEMOCAP's 4 layers of 300, on vectors of 1024 + 1582 + 342: by the layers of the authors' code."""
    options = Lsdgnn.description.configurations["source"][""].options
    system = Lsdgnn({"text": 1024, "voice": 1582, "face": 342}, 6, LsdgnnOptions(**options))
    d, wide = 300, 1024 + 1582 + 342
    entry = wide * d + 3 * d + 3 * 2 * d  # of each modality, with a normalisation of its own
    recurrence = 2 * d + 2 * d * d + 2 * (6 * d * d + 6 * d)  # score, weights by speaker, two GRUs
    classifier = (d * (2 * 4 + 1) + wide) * d + d + d * d + d + d * 6 + 6
    total = sum(one.numel() for one in system.parameters())
    assert total == entry + 4 * (2 * recurrence + 2 * d * d) + classifier
    assert round(total / 1e6, 1) == 13.5


def test_stacks_never_see_the_future_and_coupling_does():
    torch.manual_seed(0)
    system = Lsdgnn({"text": 6}, CLASSES, SMALL).eval()
    batch = made_batch({"text": 6}, (7,))
    changed, _ = batch.vectors("text")
    changed[:, 5:] += 1
    one, other = system(batch), system(with_vectors(batch, text=changed))
    for name in ("short", "long"):
        torch.testing.assert_close(one.extras[name][:, :5], other.extras[name][:, :5])
    assert not torch.allclose(one.logits[:, :5], other.logits[:, :5])
    causal = Lsdgnn({"text": 6}, CLASSES, replace(SMALL, couple=False)).eval()
    one, other = causal(batch), causal(with_vectors(batch, text=changed))
    torch.testing.assert_close(one.logits[:, :5], other.logits[:, :5])


def test_permuting_dialogues_permutes_outputs():
    torch.manual_seed(0)
    system = Lsdgnn({"text": 6}, CLASSES, SMALL).eval()
    batch, order = made_batch({"text": 6}, (6, 3, 5)), torch.tensor([1, 2, 0])
    moved = in_order(batch, order)
    torch.testing.assert_close(system(moved).logits, system(batch).logits[order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(system(moved).loss, system(batch).loss)


def test_regulariser_keeps_the_stacks_apart():
    world = World(widths={"text": 8}, turns=(5, 7))
    train, ended = dialogues(world, 32, seed=1), []
    for beta in (0.0, 1.0):
        system = trained(built(Lsdgnn, world, replace(SMALL, beta=beta)), train, epochs=5)
        ended.append(float(system(train[0]).extras["difference"]))
    assert ended[1] < ended[0]


def test_compat_looks_at_padding_and_says_so():
    wrong, right = (Lsdgnn({"text": 6}, CLASSES, replace(SMALL, compat=on)).eval() for on in (True, False))
    wrong.load_state_dict(right.state_dict())
    short, long = (made_batch({"text": 6}, (4, 2), padding=more) for more in (0, 6))
    real = short.mask
    assert not torch.allclose(wrong(short).logits[real], wrong(long).logits[:, :4][real], atol=1e-4)
    one, two = made_batch({"text": 6}, (4,)), made_batch({"text": 6}, (4, 4))
    assert torch.isinf(wrong(one).extras["difference"])  # the mean of one dialogue leaves nothing, as in the source
    assert torch.isfinite(right(one).loss) and torch.isfinite(wrong(two).loss)
    stacks = [wrong(two).extras[name].flatten(1) for name in ("short", "long")]
    a, b = (torch.nn.functional.normalize(one - one.mean(0), dim=1) for one in stacks)
    torch.testing.assert_close(wrong(two).extras["difference"], 1 / (a - b).square().sum(1).mean())  # without a floor
    assert not wrong.comparable and "compat=True" in wrong.incomparable_why
    assert right.comparable and not right.incomparable_why


def test_who_spoke_beats_not_knowing_it():
    """The evidence of a label is the speaker's own turn before; with one number for all it cannot be found."""
    world = World(classes=3, widths={"text": 8}, noise=0.4, lag=1, lag_within_speaker=True, switch=0.5, turns=(8, 12))
    train, test = dialogues(world, 64, seed=1), dialogues(world, 48, seed=2)
    known = accuracy(trained(built(Lsdgnn, world, SMALL), train, epochs=12), test)
    train, test = ([replace(batch, speakers=batch.speakers * 0) for batch in part] for part in (train, test))
    unknown = accuracy(trained(built(Lsdgnn, world, SMALL), train, epochs=12), test)
    assert known > unknown + 0.15


def test_each_stack_reaches_as_far_as_its_own_graph():
    """Another reach of the short graph changes the short stack alone, and of the long graph the long one alone."""
    batch, states = made_batch({"text": 6}, (12, 9)), {}
    for short, long in ((1, 5), (4, 5), (1, 3)):
        torch.manual_seed(0)
        system = Lsdgnn({"text": 6}, CLASSES, replace(SMALL, short=short, long=long)).eval()
        extras = system(batch).extras
        states[short, long] = extras["short"], extras["long"]
    base = states[1, 5]
    assert not torch.allclose(states[4, 5][0], base[0]) and torch.equal(states[4, 5][1], base[1])
    assert torch.equal(states[1, 3][0], base[0]) and not torch.allclose(states[1, 3][1], base[1])


def test_the_curriculum_belongs_to_the_recipe():
    assert Lsdgnn.description.recipe.curriculum == "weighted_shift"


def test_the_long_graph_wins_on_a_planted_corpus(tmp_path):
    """The same network with both stacks reaching back one turn must carry it all the way; the long one looks it up."""
    planted_stores.wins("lsdgnn", tmp_path, margin=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "lsdgnn: width is 0: expected at least 1"),
        ({"short": 3, "long": 2}, "lsdgnn: long 2 reaches less far than short 3; swap them"),
        ({"floor": 0.0}, "lsdgnn: floor is 0.0: expected more than 0"),
        ({"dropout": 1.0}, "lsdgnn: dropout is 1.0: expected 0 to below 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        LsdgnnOptions(**options)


def test_registered():
    assert SYSTEMS.get("lsdgnn") is Lsdgnn
