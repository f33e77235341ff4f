"""COGMEN: the checks of its card, and dialogues in which only the type of an edge tells the label."""

import pytest
import torch

from merc.errors import InputError
from merc.nn.graph import edges, window_pairs
from merc.systems import SYSTEMS
from merc.systems.cogmen import Cogmen, CogmenOptions, attention_heads, relation_types

from . import planted_stores
from .contract import CLASSES, SystemContract, in_order, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, trained

SMALL = CogmenOptions(context=32, layers=1, feedforward=32, graph=24, dropout=0.1)


class TestCogmen(SystemContract):
    system = Cogmen
    options = CogmenOptions(dropout=0.1)


class TestCogmenWithEverything(SystemContract):
    system = Cogmen
    options = CogmenOptions(context=0, layers=1, heads=2, past=-1, future=2, skip=True, dropout=0.0)


@pytest.mark.parametrize(("turns", "count"), [(20, 190), (6, 36), (5, 25), (1, 1)])
def test_edge_count(turns, count):
    mask = torch.ones(1, turns, dtype=torch.bool)
    assert int(window_pairs(mask, past=5, future=5).sum()) == count
    if turns >= 5:
        assert count == 11 * turns - 30


def test_relation_table_size_is_twice_the_square_of_the_speakers():
    speakers = torch.tensor([[0, 1, 1, 0, 0, 1]])
    for limit, size in ((1, 2), (2, 8)):
        assert relation_types(speakers, limit).unique().tolist() == list(range(size))
        assert len(Cogmen({"text": 3}, 2, CogmenOptions(speakers=limit)).speak.weight) == size
    assert relation_types(torch.tensor([[0, 1, 2, 3]]), 3).max() < 18  # the fourth speaker shares the third's number


def test_swapping_two_speakers_permutes_relations_but_not_edges():
    speakers, mask = torch.tensor([[0, 1, 1, 0, 1]]), torch.ones(1, 5, dtype=torch.bool)
    pairs = window_pairs(mask, past=2, future=2)
    one, other = (edges(pairs, mask, relation_types(who, 2)) for who in (speakers, 1 - speakers))
    assert torch.equal(one.source, other.source) and torch.equal(one.target, other.target)
    moved = {(int(a), int(b)) for a, b in zip(one.relation, other.relation, strict=True)}
    assert not torch.equal(one.relation, other.relation)
    assert len(moved) == len({a for a, _ in moved}) == len({b for _, b in moved})  # a permutation


def test_relation_depends_on_direction():
    types = relation_types(torch.zeros(1, 3, dtype=torch.long), 2)[0]
    assert types.tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]


def test_window_of_minus_one_is_full_context():
    mask = torch.tensor([[True] * 7 + [False] * 2])
    assert int(window_pairs(mask, past=-1, future=-1).sum()) == 49
    assert int(window_pairs(mask, past=-1, future=0).sum()) == 28
    with pytest.raises(InputError, match="window of -2 earlier and 0 later turns"):
        window_pairs(mask, past=-2, future=0)


class Untouched(torch.nn.Module):
    """Stands where the transformer was, so that only the graph carries what is said to other turns."""

    def forward(self, values, **_):
        return values


@pytest.mark.parametrize(("past", "future", "reached"), [(1, 0, [3, 4, 5]), (0, 1, [1, 2, 3]), (2, 0, [3, 4, 5, 6, 7])])
def test_a_turn_is_heard_by_those_whose_window_holds_it(past, future, reached):
    """Two layers of the graph, so twice as far as the window; the turns after hear with the past, those before with
    the future."""
    torch.manual_seed(0)
    options = CogmenOptions(context=16, layers=1, graph=12, past=past, future=future, dropout=0.0)
    system = Cogmen({"text": 6}, CLASSES, options).eval()
    system.context = Untouched()
    batch = made_batch({"text": 6}, (9,))
    other, _ = batch.vectors("text")
    other[0, 3] += 1
    differs = (system(batch).logits - system(with_vectors(batch, text=other)).logits).abs().sum(-1)[0] > 1e-6
    assert differs.nonzero()[:, 0].tolist() == reached


def test_permuting_a_batch_permutes_its_outputs():
    torch.manual_seed(0)
    system = Cogmen({"text": 6, "voice": 4}, CLASSES, SMALL).eval()
    batch = made_batch({"text": 6, "voice": 4}, (6, 3, 5))
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(system(in_order(batch, order)).logits, system(batch).logits[order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("width", "heads"), [(1380, 10), (128, 8), (97, 1), (100, 10)])
def test_heads_are_the_first_divisor_from_seven(width, heads):
    assert attention_heads(width) == heads


def test_compat_looks_at_padding_and_says_so():
    wrong, right = (Cogmen({"text": 6}, CLASSES, CogmenOptions(compat=on)).eval() for on in (True, False))
    wrong.load_state_dict(right.state_dict())
    short, long = (made_batch({"text": 6}, (4, 2), padding=more) for more in (0, 6))
    real = short.mask
    assert not torch.allclose(wrong(short).logits[real], wrong(long).logits[:, :4][real], atol=1e-4)
    assert not wrong.comparable and "padding" in wrong.incomparable_why
    assert right.comparable and not right.incomparable_why


def test_features_stand_side_by_side_where_the_context_has_no_width_of_its_own():
    torch.manual_seed(0)
    system = Cogmen({"text": 6, "voice": 8}, CLASSES, CogmenOptions(context=0, layers=1, feedforward=16)).eval()
    batch = made_batch({"text": 6, "voice": 8}, (4, 2))
    seen = []
    system.context.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    system(batch.without("voice"))
    torch.testing.assert_close(seen[0][..., :6], batch.vectors("text")[0])
    assert seen[0].shape[-1] == 14 and not seen[0][..., 6:].any()
    assert not system.encoders() and system.narrow.in_features == 14


def test_the_source_s_sizes_give_its_number_of_parameters():
    """Features of 100 + 768 + 512 side by side, two speakers, two layers of the transformer as torch counts them."""
    options = Cogmen.description.configurations["source"][""].options
    system = Cogmen({"voice": 100, "text": 768, "face": 512}, 6, CogmenOptions(**options, speakers=2))
    h, inner, g = 1380, 2048, 100
    layer = 3 * (h * h + h) + (h * h + h) + (h * inner + inner) + (inner * h + h) + 2 * 2 * h
    relational = 2 * 2**2 * g * g + g * g + g  # 2 S^2 relations, and the turn itself
    transformer = (g * g + g) + 3 * g * g  # query with a bias, key, value and skip without
    expected = 2 * layer + h * g + g + relational + transformer + 2 * g + (g * g + g) + g * 6 + 6
    assert sum(one.numel() for one in system.parameters()) == expected
    assert round(expected / 1e6, 1) == 26.8


def test_a_single_utterance_can_be_trained_on():
    system = Cogmen({"text": 6}, CLASSES, SMALL).train()
    loss = system(made_batch({"text": 6}, (1,))).loss
    loss.backward()
    assert torch.isfinite(loss)


def test_typed_edges_beat_untyped_ones_where_the_speaker_matters():
    """What a turn shows is its label shifted by who speaks: without the types of edges nobody knows who does."""
    world = World(classes=3, widths={"text": 8}, noise=0.4, shifted=True, switch=0.5, turns=(8, 12))
    train, test = dialogues(world, 96, seed=1), dialogues(world, 48, seed=2)
    typed = accuracy(trained(built(Cogmen, world, SMALL), train, epochs=15), test)
    plain = CogmenOptions(context=32, layers=1, feedforward=32, graph=24, dropout=0.1, relations=False)
    untyped = accuracy(trained(built(Cogmen, world, plain), train, epochs=15), test)
    assert typed > untyped + 0.15


def test_direction_tells_the_turn_before_from_the_turn_after():
    """The evidence stands one turn earlier; without directions the turns before and after look the same."""
    world = World(classes=3, widths={"text": 8}, noise=0.4, lag=1, speakers=1, turns=(8, 12))
    train, test = dialogues(world, 96, seed=1), dialogues(world, 48, seed=2)
    sizes = {"context": 32, "layers": 1, "feedforward": 32, "graph": 24, "dropout": 0.1, "past": 1, "future": 1}
    figures = [
        accuracy(trained(built(Cogmen, world, CogmenOptions(**sizes, relations=on)), train, epochs=15), test)
        for on in (True, False)
    ]
    assert figures[0] > figures[1] + 0.15


def test_typed_edges_win_on_a_planted_corpus(tmp_path):
    planted_stores.wins("cogmen", tmp_path, margin=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph": 0}, "cogmen: graph is 0: expected at least 1"),
        ({"past": -2}, "cogmen: past is -2: expected at least -1"),
        ({"dropout": 1.0}, "cogmen: dropout is 1.0: expected 0 to below 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        CogmenOptions(**options)


def test_registered():
    assert SYSTEMS.get("cogmen") is Cogmen
