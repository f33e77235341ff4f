"""Steering of gradients by classifiers: what is scaled, what is left alone, and what it changes."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.nn.gradients import cosine, label_gradient
from merc.systems.cggm import Cggm, CggmOptions, guide_of
from merc.systems.concat import Concat, ConcatOptions
from merc.systems.contract import Output
from merc.systems.m2fnet import M2FNetOptions
from merc.training.gradients import HOOKS, Modulation

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, only, trained

WIDTHS = {"text": 6, "voice": 4}
EVEN = CggmOptions(strength=2.0, direction_weight=0.0)  # with two modalities all factors are 1 until gains differ


class TestCggm(SystemContract):
    system = Cggm


@pytest.fixture
def batch():
    return made_batch(WIDTHS, (5, 3, 4))


def concat():
    torch.manual_seed(0)
    return Concat(WIDTHS, CLASSES, ConcatOptions(width=16, dropout=0.0))


def hooked(options, system=None):
    system, hook = system or concat(), Modulation(options)
    return system.train(), hook, list(hook.start(system))


def gradients(system, loss):
    system.zero_grad()
    loss.backward(retain_graph=True)
    return {name: parameter.grad.clone() for name, parameter in system.named_parameters()}


def test_encoders_are_scaled_by_their_factor_and_the_fusion_is_not(batch):
    system, hook, _ = hooked(EVEN)
    hook.guide.factors.copy_(torch.tensor([0.975, 0.325]))
    output = system(batch)
    before = gradients(system, output.loss)
    hook.before_step(system)
    for name, parameter in system.named_parameters():
        factor = 0.975 if "encode.text" in name else 0.325 if "encode.voice" in name else 1.0
        torch.testing.assert_close(parameter.grad, before[name] * factor)


def test_system_scales_as_the_hook_does(batch):
    torch.manual_seed(0)
    system = Cggm(WIDTHS, CLASSES, replace(EVEN, base_options=ConcatOptions(width=16, dropout=0.0)))
    output = system.train()(batch)
    before = gradients(system, output.loss)
    system.guide.factors.copy_(torch.tensor([0.5, 1.5]))
    after = gradients(system, output.loss)
    for name in before:
        factor = 0.5 if "encode.text" in name else 1.5 if "encode.voice" in name else 1.0
        torch.testing.assert_close(after[name], before[name] * factor)


@pytest.mark.parametrize("direction", ["logits", "features"])
def test_loss_of_the_classifiers_leaves_the_system_without_gradient(batch, direction):
    system, hook, judges = hooked(CggmOptions(direction=direction))
    losses = hook.losses(system(batch), batch)
    losses["judges"].backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in system.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in judges)
    for parameter in judges:
        parameter.grad = None
    losses["direction"].backward()
    assert all(parameter.grad is None for parameter in judges)
    assert all(p.grad.abs().sum() > 0 for name in system.encode for p in system.encode[name].parameters())


def test_direction_weight_zero_turns_it_off(batch):
    system, hook, _ = hooked(EVEN)
    assert set(hook.losses(system(batch), batch)) == {"judges"}


def run(system, hook, batches, steps=6):
    extra = list(hook.start(system)) if hook else []
    optimiser = torch.optim.Adam([*system.parameters(), *extra], 1e-2)
    torch.manual_seed(4)
    for step in range(steps):
        batch = batches[step % len(batches)]
        output = system.train()(batch)
        further = hook.losses(output, batch).values() if hook else ()
        optimiser.zero_grad()
        torch.stack([output.loss, *further]).sum().backward()
        if hook:
            hook.before_step(system)
        optimiser.step()
    return system


def test_equal_factors_of_one_and_no_direction_are_plain_training(batch):
    options = ConcatOptions(width=16, dropout=0.3)
    systems = []
    for hook in (None, Modulation(EVEN)):
        torch.manual_seed(0)
        systems.append(run(Concat(WIDTHS, CLASSES, options), hook, [batch]))
    for one, other in zip(*(system.parameters() for system in systems), strict=True):
        assert torch.equal(one, other)


def test_factors_follow_the_gains_of_a_window(batch):
    guide = guide_of(concat(), CggmOptions(window=2))
    assert guide.factors.tolist() == pytest.approx([0.65, 0.65])
    labels = batch.labels[batch.labelled]
    right = torch.nn.functional.one_hot(labels, CLASSES).float()
    wrong = right.roll(1, -1)
    half = torch.where(torch.arange(len(labels))[:, None] < len(labels) // 2, right, wrong)
    guide._count({"text": (right, labels), "voice": (half, labels)})
    assert guide.factors.tolist() == pytest.approx([0.65, 0.65])  # the window is not over
    guide._count({"text": (right, labels), "voice": (half, labels)})
    gains = torch.tensor([0.75, 0.25])  # from chance, a quarter, to 1 and to a half
    torch.testing.assert_close(guide.factors, 1.3 * (gains.sum() - gains) / gains.sum())
    assert guide.before.tolist() == [1.0, 0.5] and not guide.seen.any()


def test_absent_modality_is_neither_judged_nor_counted(batch):
    system, hook, _ = hooked(CggmOptions())
    without = batch.without("voice")
    hook.losses(system(without), without)
    assert hook.guide.seen.tolist() == [float(batch.labelled.sum()), 0.0]
    unlabelled = replace(batch, labels=torch.full_like(batch.labels, -1))
    assert hook.losses(system(unlabelled), unlabelled) == {}


def test_direction_loss_is_zero_when_the_classifier_and_the_system_agree(batch):
    _, hook, _ = hooked(CggmOptions(direction_weight=1.0, direction="logits"))
    vectors = {name: torch.zeros(*batch.mask.shape, 16) for name in WIDTHS}
    for judge in hook.guide.judges.values():
        torch.nn.init.zeros_(judge[-1].weight)
        torch.nn.init.zeros_(judge[-1].bias)
    output = Output(logits=torch.zeros(*batch.mask.shape, CLASSES), representations=vectors)
    assert hook.losses(output, batch)["direction"].item() == pytest.approx(0, abs=1e-6)


def test_the_direction_weighs_each_modality_by_its_factor(batch):
    torch.manual_seed(0)
    _, hook, _ = hooked(CggmOptions(direction_weight=0.5, direction="logits"))
    output = hooked(CggmOptions())[0](batch)
    hook.guide.factors.copy_(torch.tensor([0.4, 1.6]))
    labels = batch.labels[batch.labelled]
    gradients = [
        label_gradient(hook.guide.judges[name](output.representations[name])[batch.labelled], labels) for name in WIDTHS
    ]
    cosines = torch.stack([cosine(one, label_gradient(output.logits[batch.labelled], labels)) for one in gradients])
    wanted = (torch.tensor([0.4, 1.6]) * (1 - cosines)).mean()
    torch.testing.assert_close(hook.losses(output, batch)["direction"], 0.5 * wanted)
    assert cosines.std() > 1e-3, "of equal cosines the factors would not matter"


def test_a_faint_modality_is_heard_on_a_planted_corpus(tmp_path):
    planted_stores.wins("cggm", tmp_path, margin=0.04)


@pytest.mark.timeout(60)
def test_the_hard_modality_is_heard_better_and_so_is_the_whole():
    """Voice is faint beside text: after the same few steps at the same rate more of it has been learned."""
    heard, whole = [], []
    for seed in (1, 2):
        world = World(widths={"text": 16, "voice": 16}, noise={"text": 2.5, "voice": 2.0}, seed=seed)
        train, test = (faint(dialogues(world, count, seed=10 * seed + count, size=4)) for count in (96, 64))
        base = ConcatOptions(width=16, dropout=0.0)
        steered = CggmOptions(base_options=base, window=24, strength=2.0, direction="features", direction_weight=1.0)
        how = {"epochs": 6, "rate": 0.03, "optimiser": torch.optim.SGD}
        both = [trained(built(Concat, world, base), train, **how), trained(built(Cggm, world, steered), train, **how)]
        heard.append([accuracy(system, only(test, "voice")) for system in both])
        whole.append([accuracy(system, test) for system in both])
    (plain_heard, ours_heard), (plain, ours) = (torch.tensor(rows).mean(0).tolist() for rows in (heard, whole))
    assert ours_heard > plain_heard + 0.05
    assert ours > plain


def faint(batches):
    return [with_vectors(one, voice=one.vectors("voice")[0] * 0.3) for one in batches]


def test_steers_any_system_with_encoders_and_is_resumed(batch):
    torch.manual_seed(0)
    from merc.systems.m2fnet import M2FNet

    system = M2FNet(WIDTHS, CLASSES, M2FNetOptions(width=16, heads=2, fusions=1))
    hook = HOOKS["cggm"]()
    run(system, hook, [batch], steps=25)
    figures = hook.epoch()
    assert set(figures) == {f"cggm_{what}_{name}" for what in ("factor", "right") for name in WIDTHS}
    other = Modulation()
    other.start(system)
    other.load_state_dict(hook.state_dict())
    assert other.epoch() == figures


def test_base_can_be_another_system(batch):
    base = M2FNetOptions(width=16, heads=2, fusions=1)
    system = Cggm(WIDTHS, CLASSES, CggmOptions(base="m2fnet", base_options=base))
    assert system.eval()(batch).logits.shape == (*batch.mask.shape, CLASSES)
    assert set(system.eval()(batch).losses) == {"label"}
    assert set(system.train()(batch).losses) == {"label", "judges", "direction"}


def test_options_of_the_base_by_name():
    assert Cggm(WIDTHS, CLASSES, CggmOptions(base_options={"width": 16})).base.options == ConcatOptions(width=16)
    with pytest.raises(InputError, match="cggm: system 'concat' has no option 'length'; it has dropout, layers"):
        Cggm(WIDTHS, CLASSES, CggmOptions(base_options={"length": 16}))


def test_one_modality_alone_is_trained_plainly():
    assert Cggm({"text": 6}, CLASSES).guide.factors.tolist() == [1.0]


def test_what_cannot_be_steered_is_said():
    with pytest.raises(InputError, match="call start"):
        _ = Modulation().guide
    with pytest.raises(InputError, match="steers its own gradients"):
        Modulation().start(Cggm(WIDTHS, CLASSES))

    class Closed(Concat):
        def encoders(self):
            return {}

    with pytest.raises(InputError, match="no encoder of one modality alone"):
        Modulation().start(Closed(WIDTHS, CLASSES))


def test_vectors_that_the_fusion_does_not_read_have_no_direction(batch):
    system, hook, _ = hooked(CggmOptions())
    output = system(batch)
    aside = {name: vectors.detach().requires_grad_() for name, vectors in output.representations.items()}
    with pytest.raises(InputError, match="does not read the vectors of text; use direction='logits'"):
        hook.losses(replace(output, representations=aside), batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": 0}, "cggm: strength is 0: expected more than 0"),
        ({"direction_weight": -1}, "cggm: direction_weight is -1: expected at least 0"),
        ({"window": 0}, "cggm: window is 0: expected at least 1"),
        ({"direction": "up"}, "cggm: direction is 'up': expected one of logits, features"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        CggmOptions(**options)
