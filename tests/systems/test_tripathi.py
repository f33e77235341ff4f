"""Three branches: shapes, time bins, missing streams, and that all three are needed."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from merc.errors import InputError
from merc.systems.cggm import Cggm, CggmOptions
from merc.systems.contract import Batch, Rows
from merc.systems.tripathi import (
    PictureBranch,
    TextBranch,
    Tripathi,
    TripathiOptions,
    VoiceBranch,
    compacted,
    run_over,
    time_bins,
)
from merc.training.gradients import Modulation

from . import planted_stores
from .contract import CLASSES, SystemContract
from .planted import World, accuracy, built, only, sequences, trained

SMALL = TripathiOptions(width=32, text_state=16, voice_state=16, glances=2, bins=12, filters=(8, 8), dropout=0.1)


class TestTripathi(SystemContract):
    system = Tripathi
    widths = {"text": 12, "voice": 7, "motion": 5}  # noqa: RUF012
    options = SMALL
    steps = 80
    rate = 1e-2


def batch_of(features):
    """Single utterances of sequences that are real throughout, ``(B, S, d)`` or ``(B, S)``."""
    return Batch.of(
        {
            name: Rows.of_steps(values, torch.ones(values.shape[:2], dtype=torch.bool))
            for name, values in features.items()
        }
    )


def test_published_shapes_with_token_numbers():
    torch.manual_seed(0)
    system = Tripathi({"text": 100, "voice": 34, "motion": 189}, 4, TripathiOptions(words=True)).eval()
    tokens = torch.randint(100, (2, 50))
    with torch.no_grad():
        output = system(
            batch_of({"text": tokens, "voice": torch.randn(2, 100, 34), "motion": torch.randn(2, 200, 189)})
        )
    assert output.logits.shape == (2, 1, 4)
    assert all(vectors.shape == (2, 1, 256) for vectors in output.representations.values())
    convolutions = [layer.weight.shape[0] for layer in system.branches["motion"].look[::3]]
    assert convolutions == [32, 64, 64, 128, 128]


@pytest.mark.parametrize("length", [1, 2, 7, 199, 200, 201, 1234])
def test_a_constant_signal_stays_constant_in_200_bins(length):
    values = torch.tensor([2.5, -1.0, 0.1]).expand(1, length, 3)
    found = time_bins(values, torch.ones(1, length, dtype=torch.bool), bins=200)
    torch.testing.assert_close(found, torch.tensor([2.5, -1.0, 0.1]).expand(1, 200, 3))


def test_bins_are_means_of_stretches_and_short_recordings_repeat():
    values = torch.arange(6.0)[None, :, None]
    present = torch.ones(1, 6, dtype=torch.bool)
    assert time_bins(values, present, bins=3).flatten().tolist() == [0.5, 2.5, 4.5]
    assert time_bins(values[:, :2], present[:, :2], bins=4).flatten().tolist() == [0.0, 0.0, 1.0, 1.0]
    present[0, 1:3] = False
    assert time_bins(values, present, bins=2).flatten().tolist() == [1.5, 4.5]


def test_nan_never_reaches_the_model():
    motion = torch.full((1, 40, 5), 3.0)
    motion[0, ::3, 2] = float("nan")
    motion[0, :, 4] = float("nan")
    found = time_bins(motion, torch.ones(1, 40, dtype=torch.bool), bins=8)
    torch.testing.assert_close(found, torch.tensor([3.0, 3.0, 3.0, 3.0, 0.0]).expand(1, 8, 5))
    system = Tripathi({"motion": 5}, CLASSES, SMALL).eval()
    assert torch.isfinite(system(batch_of({"motion": motion})).logits).all()


def test_nothing_gives_zeros_and_steps_move_to_the_front():
    values, present = torch.arange(1.0, 7.0).view(2, 3, 1), torch.tensor([[False, True, True], [False, False, False]])
    moved, counts = compacted(values, present)
    assert moved[..., 0].tolist() == [[2.0, 3.0, 0.0], [0.0, 0.0, 0.0]] and counts.tolist() == [2, 0]
    assert not time_bins(values, present, bins=4)[1].any()


def test_all_streams_missing_but_one_gives_finite_output():
    system = Tripathi({"text": 12, "voice": 7, "face": 5}, CLASSES, SMALL).eval()
    world = World()
    (batch,) = sequences(world, 4, seed=0)
    for name in world.widths:
        (alone,) = only([batch], name)
        output = system(alone)
        assert torch.isfinite(output.logits).all()
        assert all(vectors.any() == (other == name) for other, vectors in output.representations.items())


@pytest.mark.parametrize("axis", [1, 2])
def test_the_order_of_time_and_of_markers_is_seen_in_the_picture(axis):
    torch.manual_seed(0)
    branch = PictureBranch(6, replace(SMALL, bins=8, dropout=0.0)).eval()
    values, present = torch.randn(2, 8, 6), torch.ones(2, 8, dtype=torch.bool)
    assert not torch.allclose(branch(values, present), branch(values.flip(axis), present), atol=1e-4)
    flat = values.mean(axis, keepdim=True).expand_as(values)
    assert not torch.allclose(branch(values, present), branch(flat, present), atol=1e-4)


def test_a_glance_weighs_the_states_of_the_frames_by_their_scores():
    torch.manual_seed(0)
    branch = VoiceBranch(3, replace(SMALL, glances=1, dropout=0.0)).eval()
    branch.score.weight.data *= 30
    values, present = torch.randn(1, 6, 3) * 3, torch.ones(1, 6, dtype=torch.bool)
    states, last = run_over(branch.lstm, values, torch.tensor([6]))
    scores = torch.tanh(branch.query(last) + branch.key(states[0])) @ branch.score.weight[0]  # (S,)
    weights = torch.softmax(scores, 0)
    assert weights.max() > 0.3, "one frame stands out"
    seen = branch.step((weights[:, None] * states[0]).sum(0, keepdim=True), last)
    torch.testing.assert_close(branch(values, present), branch.out(seen))
    uniform = branch.step(states[0].mean(0, keepdim=True), last)
    assert not torch.allclose(branch.out(uniform), branch.out(seen), atol=1e-3)


def test_at_the_start_no_value_of_the_text_is_behind_a_closed_relu_for_all_utterances():
    """With the biases that torch draws it is half of them."""
    torch.manual_seed(0)
    system = Tripathi({"text": 64}, CLASSES).eval()
    vectors = torch.nn.functional.normalize(torch.randn(32, 6, 64), dim=-1)
    found = system(batch_of({"text": vectors})).representations["text"][:, 0]
    assert ((found > 0).any(0) & (found < 0).any(0)).float().mean() > 0.95
    forget = system.branches["text"].lstm.bias_ih_l0.chunk(4)[1] + system.branches["text"].lstm.bias_hh_l0.chunk(4)[1]
    assert (forget == 1).all()


def test_each_glance_begins_with_what_the_one_before_left_and_all_are_read():
    torch.manual_seed(0)
    branch = VoiceBranch(3, replace(SMALL, glances=3, dropout=0.0)).eval()
    values, present = torch.randn(2, 6, 3) * 3, torch.ones(2, 6, dtype=torch.bool)
    states, last = run_over(branch.lstm, values, torch.tensor([6, 6]))
    seen = []
    for _ in range(3):
        scores = branch.score(torch.tanh(branch.query(last)[:, None] + branch.key(states)))  # (B, S, 1)
        last = branch.step((torch.softmax(scores, 1) * states).sum(1), last)
        seen.append(last)
    torch.testing.assert_close(branch(values, present), branch.out(torch.cat(seen, -1)))


def test_text_is_the_last_state_of_its_second_lstm_layer():
    torch.manual_seed(0)
    branch = TextBranch(4, replace(SMALL, dropout=0.0)).eval()
    values, present = torch.randn(1, 5, 4), torch.tensor([[True, True, True, False, False]])
    states, _ = branch.lstm(values[:, :3])
    torch.testing.assert_close(branch(values, present), branch.out(states[:, -1]))


def test_the_source_s_sizes_give_its_number_of_parameters():
    """By the layers of the authors' code; an LSTM of torch has two biases where that of Keras has one."""
    source = Tripathi.description.configurations["source"]
    options = {**source[""].options, **source["iemocap4-excited"].options}
    system = Tripathi({"text": 2700, "voice": 34, "motion": 189}, 4, TripathiOptions(**options))

    def lstm(wide, state):
        return 4 * state * (wide + state + 2)

    def count(part):
        return sum(one.numel() for one in part.parameters())

    filters, dense = (1, 32, 64, 64, 128, 128), 256 * 256 + 256
    pictures = sum(9 * before * after + after for before, after in pairwise(filters))
    assert count(system.branches["text"]) == 2700 * 300 + lstm(300, 256) + lstm(256, 256) + dense
    assert count(system.branches["motion"]) == pictures + (128 * 7 * 6 * 256 + 256)  # 200 x 189 halved five times
    assert count(system.branches["voice"].lstm) == lstm(34, 128)
    assert count(system.branches["voice"].out) == 100 * 128 * 256 + 256  # as many glances as frames
    assert count(system.label) == 3 * 256 * 256 + 256 + 256 * 4 + 4


def test_gradient_reaches_each_branch():
    system = Tripathi({"text": 12, "voice": 7, "face": 5}, CLASSES, SMALL)
    (batch,) = sequences(World(), 6, seed=0)
    system(batch).loss.backward()
    for parameters in system.encoders().values():
        assert sum(parameter.grad.abs().sum() for parameter in parameters) > 0


def test_each_modality_alone_carries_a_class_pair():
    alike = {"text": [(2, 3), (4, 5)], "voice": [(0, 1), (4, 5)], "face": [(0, 1), (2, 3)]}
    world = World(classes=6, alike=alike, noise=0.6)
    train, test = sequences(world, 192, seed=1), sequences(world, 96, seed=2)
    whole = accuracy(trained(built(Tripathi, world, SMALL), train, epochs=7, rate=5e-3), test)
    for name in world.widths:
        system = trained(built(Tripathi, world, SMALL, names=[name]), train, epochs=7, rate=5e-3)
        assert whole > accuracy(system, test) + 0.15


def test_text_is_cut_and_steps_may_differ_between_modalities():
    system = Tripathi({"text": 12, "voice": 7}, CLASSES, replace(SMALL, tokens=3)).eval()
    batch = batch_of({"text": torch.randn(2, 5, 12), "voice": torch.randn(2, 9, 7)})
    cut = batch_of({"text": batch.steps("text")[0][:, :3], "voice": batch.steps("voice")[0]})
    torch.testing.assert_close(system(batch).logits, system(cut).logits)


def test_gradients_of_single_utterances_can_be_steered():
    world = World()
    (batch,) = sequences(world, 6, seed=0)
    system, hook = built(Tripathi, world, SMALL), Modulation()
    hook.start(system)
    assert set(hook.losses(system.train()(batch), batch)) == {"judges", "direction"}
    with pytest.raises(InputError, match="base 'tripathi' does not read dialogues"):
        Cggm({"text": 12}, CLASSES, CggmOptions(base="tripathi"))


def test_it_beats_means_and_single_streams_on_a_planted_corpus(tmp_path):
    planted_stores.wins("tripathi", tmp_path, margin=0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "tripathi: bins is 0: expected at least 1"),
        ({"filters": ()}, r"tripathi: filters is \(\): expected one or more"),
        ({"dropout": 1.0}, "dropout is 1.0: expected 0 to below 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        TripathiOptions(**options)
