"""Joint vectors along a dialogue: the only channel between modalities, contrast, labels that two modalities make."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from merc.errors import InputError
from merc.nn.losses import supervised_contrast
from merc.systems import SYSTEMS, Batch, Rows
from merc.systems.joint_vectors_dialogue import JointVectorsDialogue, JointVectorsDialogueOptions, Nearness

from .contract import CLASSES, SystemContract, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, trained

SMALL = JointVectorsDialogueOptions(width=32, joints=4, dropout=0.1)
WIDTHS = {"text": 6, "voice": 4}


class TestAlongTheDialogue(SystemContract):
    system = JointVectorsDialogue
    options = SMALL
    steps = 60


class TestLateFusion(SystemContract):
    system = JointVectorsDialogue
    widths: ClassVar = {"text": 12, "voice": 7}
    options = replace(SMALL, joints=0)
    steps = 60
    unreached = ("joint",)  # it has no vectors


class TestReadingSteps(SystemContract):
    system = JointVectorsDialogue
    options = replace(SMALL, reads="steps")
    steps = 60


def made(options=SMALL, widths=WIDTHS):
    torch.manual_seed(0)
    return JointVectorsDialogue(widths, CLASSES, options).eval()


def routed(system, batch):
    """By layer the gradient of the voice tokens' sum with respect to the text: ``(B, T, d)`` each."""
    found = []
    hooks = [layer.register_forward_hook(lambda _, __, out: found.append(out[1]["voice"])) for layer in system.layers]
    text = batch.vectors("text")[0].requires_grad_()
    system(with_vectors(batch, text=text))
    for hook in hooks:
        hook.remove()
    weights = torch.randn(found[0].shape, generator=torch.Generator().manual_seed(0))
    gradients = [
        torch.autograd.grad((out * weights).sum(), text, retain_graph=True, materialize_grads=True)[0] for out in found
    ]
    return gradients


def test_text_reaches_voice_tokens_from_the_second_layer_only():
    gradients = routed(made(replace(SMALL, layers=3)), made_batch(WIDTHS, (5, 4)))
    assert not gradients[0].any()
    assert (gradients[1].abs().sum((1, 2)) > 0).all() and (gradients[2].abs().sum((1, 2)) > 0).all()


def test_without_joint_vectors_there_is_no_channel():
    gradients = routed(made(replace(SMALL, joints=0, layers=3)), made_batch(WIDTHS, (5, 4)))
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(("joints", "late"), [(0, True), (4, False)])
def test_no_joint_vectors_is_late_fusion(joints, late):
    """In late fusion what a modality says adds to the logits, whatever the others say."""
    system = made(replace(SMALL, joints=joints))
    one, two = made_batch(WIDTHS, (5,)), made_batch(WIDTHS, (5,), seed=1)

    def logits(text, voice):
        return system(replace(one, rows={"text": text.rows["text"], "voice": voice.rows["voice"]})).logits

    mixed = logits(one, one) - logits(one, two) - logits(two, one) + logits(two, two)
    assert (mixed.abs().max() < 1e-5) == late
    assert hasattr(system, "label_fused") != late


def test_the_order_of_steps_matters_within_an_utterance_and_other_modalities_hear_of_it():
    torch.manual_seed(0)
    system = JointVectorsDialogue(WIDTHS, CLASSES, replace(SMALL, reads="steps", layers=2)).eval()
    lengths = torch.tensor([[4, 3], [5, 0]])
    voice, text = torch.randn(12, WIDTHS["voice"]), torch.randn(4, WIDTHS["text"])
    turned = torch.cat([voice[:4], voice[4:7].flip(0), voice[7:]])

    def output(values):
        rows = {"text": Rows(text, torch.ones(2, 2, dtype=torch.int64)), "voice": Rows(values, lengths)}
        return system(Batch.of(rows))

    one, other = output(voice), output(turned)
    differs = (one.logits - other.logits).abs().sum(-1) > 1e-6
    assert differs.tolist() == [[True, True], [False, False]]  # the dialogue of the changed utterance alone
    differs = (one.extras["fused"] - other.extras["fused"]).abs().sum(-1) > 1e-6
    assert differs[0, 1]


def test_long_utterances_are_read_in_pieces():
    torch.manual_seed(0)
    system = JointVectorsDialogue({"voice": 4}, CLASSES, replace(SMALL, reads="steps", pieces=2)).eval()
    voice = Rows(torch.randn(6, 4), torch.tensor([[6]]))
    torch.testing.assert_close(
        system(Batch.of({"voice": voice})).logits, system(Batch.of({"voice": voice.chunks(2)})).logits
    )


def test_joint_attention_has_mass_on_every_modality():
    widths = {**WIDTHS, "face": 3}
    batch = made_batch(widths, (5, 3))
    mass = made(widths=widths)(batch).extras["mass"]
    assert mass.shape == (2, 5, 3)
    assert (mass[batch.mask] > 0).all() and (mass[batch.mask] < 1).all()
    without = made(widths=widths)(batch.without("voice")).extras["mass"][batch.mask]
    assert not without[:, 1].any() and (without[:, [0, 2]] > 0).all()


def test_an_absent_modality_leaves_the_joint_vectors_to_the_others():
    """A turn's joint vectors are those of the modalities present: a layer of one modality gives the same."""
    system, batch = made(), made_batch(WIDTHS, (4,)).without("voice")
    vectors, present = batch.vectors_of(WIDTHS)
    tokens = system.entry(vectors, present)
    joint, near = system.joint.expand(1, 4, -1, -1), system.near(4)
    together, _, _ = system.layers[0](joint, tokens, near=near, keep=present)
    alone, _, _ = system.layers[0].streams["text"](joint, tokens["text"], near=near, keep=batch.mask)
    torch.testing.assert_close(together, alone)


def test_contrast_falls_as_class_centroids_separate():
    generator = torch.Generator().manual_seed(0)
    labels, noise = torch.arange(24) % 3, torch.randn(24, 8, generator=generator)
    centroids = torch.eye(8)[labels]
    values = [supervised_contrast(noise + far * centroids, labels, temperature=0.2).item() for far in (0, 1, 2, 4, 8)]
    assert values == sorted(values, reverse=True) and values[-1] < values[0] - 1


def test_contrast_enters_the_loss_with_its_weight_and_skips_the_unlabelled():
    batch = made_batch(WIDTHS, (5, 4))
    batch.labels[0, 0] = -1
    output = made(replace(SMALL, contrast=0.5, temperature=0.3))(batch)
    known = batch.labelled
    expected = supervised_contrast(output.extras["fused"][known], batch.labels[known], temperature=0.3)
    torch.testing.assert_close(output.losses["contrast"], 0.5 * expected)
    assert set(made(replace(SMALL, contrast=0.0))(batch).losses) == {"label"}


def test_contrast_separates_the_fused_vectors():
    world = World(noise=1.0, widths=WIDTHS)
    train, test = dialogues(world, 48, seed=1), dialogues(world, 24, seed=2)

    def gap(weight):
        """Mean cosine of two turns of one class less that of two turns of two classes."""
        system = trained(built(JointVectorsDialogue, world, replace(SMALL, contrast=weight)), train, epochs=12)
        with torch.no_grad():
            fused = torch.cat([system(batch).extras["fused"][batch.labelled] for batch in test])
        labels = torch.cat([batch.labels[batch.labelled] for batch in test])
        unit, same = torch.nn.functional.normalize(fused, dim=-1), labels[:, None] == labels[None]
        cosines = unit @ unit.T
        return (cosines[same].mean() - cosines[~same].mean()).item()

    assert gap(1.0) > gap(0.0) + 0.1


def test_nearness_favours_near_turns_and_counts_the_far_alike():
    bias = Nearness(2, 3)(8)
    assert bias.shape == (2, 8, 8)
    assert bias[0, 4].tolist() == [-3, -3, -2, -1, 0, -1, -2, -3]
    assert bias[1, 0].tolist() == [0, -0.5, -1, -1.5, -1.5, -1.5, -1.5, -1.5]


def together(count, *, seed, turns=4):
    """Dialogues in which text shows a sign, voice shows a sign, and the label is whether the two agree."""
    random = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (count, turns, 2), generator=random)
    noise = torch.randn(count, turns, 2, 4, generator=random) * 0.5
    shown = (2 * signs[..., None] - 1) * torch.ones(4) + noise  # (B, T, 2, 4)
    labels = (signs[..., 0] == signs[..., 1]).long()
    return Batch.of({"text": shown[:, :, 0], "voice": shown[:, :, 1]}, labels=labels)


def test_joint_vectors_know_what_late_fusion_cannot_where_two_modalities_make_the_label_together():
    train, test = [together(32, seed=seed) for seed in range(4)], [together(64, seed=9)]
    figures = {}
    for joints in (0, 4):
        torch.manual_seed(0)
        system = JointVectorsDialogue({"text": 4, "voice": 4}, 2, replace(SMALL, joints=joints))
        figures[joints] = accuracy(trained(system, train, epochs=25), test)
    assert figures[4] > 0.9
    assert figures[0] < 0.65


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": "words"}, "joint_vectors_dialogue: reads is 'words': expected one of vectors, steps"),
        ({"width": 0}, "joint_vectors_dialogue: width is 0: expected at least 1"),
        ({"joints": -1}, "joint_vectors_dialogue: joints is -1: expected at least 0"),
        ({"layers": 0}, "joint_vectors_dialogue: layers is 0: expected at least 1"),
        ({"heads": 0}, "joint_vectors_dialogue: heads is 0: expected at least 1"),
        ({"reach": -1}, "joint_vectors_dialogue: reach is -1: expected at least 0"),
        ({"width": 30}, "joint_vectors_dialogue: width is 30: expected a multiple of the 4 heads"),
        ({"dropout": 1.0}, "joint_vectors_dialogue: dropout is 1.0: expected 0 to below 1"),
        ({"contrast": -0.1}, "joint_vectors_dialogue: contrast is -0.1: expected at least 0"),
        ({"temperature": 0.0}, "temperature is 0.0: expected more than 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        JointVectorsDialogueOptions(**options)


def test_registered():
    assert SYSTEMS.get("joint_vectors_dialogue") is JointVectorsDialogue
