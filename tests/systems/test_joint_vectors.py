"""Joint vectors: the only channel between words and sound, contrast by label, labels that two modalities make."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from merc.errors import InputError
from merc.nn.losses import supervised_contrast
from merc.systems import SYSTEMS, Rows
from merc.systems.joint_vectors import JointVectors, JointVectorsOptions

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch

SMALL = JointVectorsOptions(width=32, joints=4, dropout=0.1)
WIDTHS = {"text": 6, "voice": 4}


class TestJointVectors(SystemContract):
    system = JointVectors
    options = SMALL
    steps = 60


class TestLateFusion(SystemContract):
    system = JointVectors
    widths: ClassVar = {"text": 12, "voice": 7}
    options = replace(SMALL, joints=0)
    steps = 60
    unreached = ("joint",)  # it has no vectors


def made(options=SMALL, widths=WIDTHS):
    torch.manual_seed(0)
    return JointVectors(widths, CLASSES, options).eval()


def utterances(lengths=(5, 4), **more):
    return made_batch(WIDTHS, lengths, level="utterance", **more)


def routed(system, batch):
    """By layer the gradient of the voice's steps with respect to the text: ``(N, d)`` each."""
    found = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: found.append(out[2]["voice"][0])) for layer in system.layers
    ]
    text = batch.rows["text"].values.clone().requires_grad_()
    system(replace(batch, rows={**batch.rows, "text": replace(batch.rows["text"], values=text)}))
    for hook in hooks:
        hook.remove()
    weights = torch.randn(found[0].shape, generator=torch.Generator().manual_seed(0))
    return [
        torch.autograd.grad((out * weights).sum(), text, retain_graph=True, materialize_grads=True)[0] for out in found
    ]


def test_words_reach_the_steps_of_voice_from_the_second_layer_only():
    gradients = routed(made(replace(SMALL, layers=3)), utterances())
    assert not gradients[0].any()
    assert (gradients[1].abs().sum(1) > 0).all() and (gradients[2].abs().sum(1) > 0).all()


def test_without_joint_vectors_there_is_no_channel():
    gradients = routed(made(replace(SMALL, joints=0, layers=3)), utterances())
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(("joints", "late"), [(0, True), (4, False)])
def test_no_joint_vectors_is_late_fusion(joints, late):
    """In late fusion what a modality says adds to the logits, whatever the others say."""
    system = made(replace(SMALL, joints=joints))
    one, two = utterances((5,)), utterances((5,), seed=1)

    def logits(text, voice):
        return system(replace(one, rows={"text": text.rows["text"], "voice": voice.rows["voice"]})).logits

    mixed = logits(one, one) - logits(one, two) - logits(two, one) + logits(two, two)
    assert (mixed.abs().max() < 1e-5) == late
    assert hasattr(system, "label_fused") != late


def test_both_classifiers_are_read_half_each():
    system, batch = made(), utterances()
    whole = system(batch).logits
    with torch.no_grad():
        alone = []
        for kept in ("label_tokens", "label_fused"):
            system = made()
            for name in {"label_tokens", "label_fused"} - {kept}:
                for one in getattr(system, name).parameters():
                    one.zero_()
            alone.append(system(batch).logits)
    torch.testing.assert_close(whole, alone[0] + alone[1])
    assert all(one.abs().sum() > 0 for one in alone)


def test_the_order_of_words_and_of_frames_is_seen():
    system, batch = made(), utterances((6,))
    for name in WIDTHS:
        rows = batch.rows[name]
        turned = replace(batch, rows={**batch.rows, name: replace(rows, values=rows.values.flip(0))})
        assert not torch.allclose(system(batch).logits, system(turned).logits, atol=1e-5), name


def test_modalities_keep_their_own_steps_and_long_ones_are_read_in_pieces():
    voice, text = Rows(torch.randn(6, 4), torch.tensor([[6]])), Rows(torch.randn(3, 6), torch.tensor([[3]]))
    batch = replace(utterances((1,)), rows={"text": text, "voice": voice})
    cut = replace(batch, rows={"text": text, "voice": voice.chunks(3)})
    torch.testing.assert_close(made(replace(SMALL, pieces=3))(batch).logits, made(replace(SMALL, pieces=3))(cut).logits)
    assert not torch.allclose(made()(batch).logits, made()(cut).logits, atol=1e-5)


def test_an_absent_modality_leaves_the_joint_vectors_to_the_others():
    """The copies of the modalities present are averaged: with one of them alone they are its own."""
    system, batch = made(), utterances((4,)).without("voice")
    steps, means = system._entered(batch)
    tokens = {name: one[:, 0] for name, one in means.items()}
    joint = system.joint.expand(1, -1, -1)
    together, _, _ = system.layers[0](joint, tokens, steps)
    values, real = steps["text"]
    seen = torch.cat([joint, tokens["text"][:, None], values], 1)
    alone = system.layers[0].layers["text"](seen, keep=torch.ones(1, 4 + 1 + 4, dtype=torch.bool))
    torch.testing.assert_close(together, alone[:, :4])
    assert real.all()


def test_contrast_enters_the_loss_with_its_weight_and_skips_the_unlabelled():
    batch = utterances((5, 4, 3, 4, 2, 3))
    batch.labels[:, 0] = torch.tensor([-1, 0, 1, 1, 2, 0])
    output = made(replace(SMALL, contrast=0.5, temperature=0.3))(batch)
    known = batch.labelled
    expected = supervised_contrast(output.extras["fused"][known], batch.labels[known], temperature=0.3)
    torch.testing.assert_close(output.losses["contrast"], 0.5 * expected)
    assert set(made(replace(SMALL, contrast=0.0))(batch).losses) == {"label"}


def test_the_classifier_reads_the_representations():
    output = made()(utterances((5, 4)))
    for name, values in output.representations.items():
        (gradient,) = torch.autograd.grad(output.logits.sum(), values, retain_graph=True)
        assert gradient.abs().sum() > 0, name


def test_the_joint_vectors_hear_words_and_voice_in_each_layer():
    system, batch, found = made(), utterances(), []
    for layer in system.layers:
        layer.register_forward_hook(lambda _, __, out: found.append(out[0]))
    values = {name: batch.rows[name].values.clone().requires_grad_() for name in WIDTHS}
    system(replace(batch, rows={name: replace(batch.rows[name], values=one) for name, one in values.items()}))
    weights = torch.randn(found[0].shape, generator=torch.Generator().manual_seed(0))
    for joint in found:
        gradients = torch.autograd.grad((joint * weights).sum(), list(values.values()), retain_graph=True)
        assert all((one.abs().sum(1) > 0).all() for one in gradients)


def test_the_fused_vector_is_the_mean_of_the_last_layer_s_joint_vectors():
    system, found = made(), []
    system.layers[-1].register_forward_hook(lambda _, __, out: found.append(out[0]))
    fused = system(utterances()).extras["fused"]
    torch.testing.assert_close(fused[:, 0], system.norm(found[0].mean(1)))


def test_joint_vectors_win_over_late_fusion_on_a_planted_corpus(tmp_path):
    planted_stores.wins("joint_vectors", tmp_path, margin=0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "joint_vectors: width is 0: expected at least 1"),
        ({"joints": -1}, "joint_vectors: joints is -1: expected at least 0"),
        ({"layers": 0}, "joint_vectors: layers is 0: expected at least 1"),
        ({"pieces": 0}, "joint_vectors: pieces is 0: expected at least 1"),
        ({"width": 30}, "joint_vectors: width is 30: expected a multiple of the 4 heads"),
        ({"dropout": 1.0}, "joint_vectors: dropout is 1.0: expected 0 to below 1"),
        ({"temperature": 0.0}, "temperature is 0.0: expected more than 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        JointVectorsOptions(**options)


def test_registered():
    assert SYSTEMS.get("joint_vectors") is JointVectors
    assert set(JointVectors.reading().values()) == {"steps"}
