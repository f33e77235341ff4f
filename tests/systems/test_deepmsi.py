"""DeepMSI-MER: the checks of its card, and frames of which the text says where to look."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from merc.errors import InputError
from merc.nn.visual import compress
from merc.systems import SYSTEMS, Rows
from merc.systems.deepmsi import DeepMsi, DeepMsiOptions, contrast

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch, with_vectors

WIDTHS = {"text": 6, "voice": 4, "face": 4 * 5}
SMALL = DeepMsiOptions(width=32, cells=4, keep=(3, 2), dropout=0.1)


class TestDeepMsi(SystemContract):
    system = DeepMsi
    widths: ClassVar = WIDTHS
    options = SMALL
    steps = 60


class TestTextOnlyGuide(SystemContract):
    system = DeepMsi
    widths: ClassVar = {"text": 12, "face": 2 * 5}
    options = replace(SMALL, cells=2, keep=(1,), contrast=0.1)
    steps = 60


def built(**changes):
    torch.manual_seed(0)
    return DeepMsi(WIDTHS, CLASSES, replace(SMALL, dropout=0.0, **changes)).eval()


def framed(lengths=(6, 3), **changes):
    return made_batch(WIDTHS, lengths, level="utterance", **changes)


def test_of_each_frame_the_keep_number_of_cells_is_left_in_their_order():
    chosen = built(keep=(3, 2))(framed()).extras["chosen"]
    assert chosen.shape == (9, 2)  # six frames and three
    assert (chosen[:, 0] < chosen[:, 1]).all() and (chosen >= 0).all() and (chosen < 4).all()


def test_the_cells_kept_are_those_nearest_to_the_guide_and_the_frame():
    system, batch = built(keep=(2,), threshold=2.0), framed()
    with torch.no_grad():
        output = system(batch)
        values = batch.modality("face").values.view(9, 4, 5)  # one cell after the other
        tokens = system.stages[0](system.see(values) + system.place, torch.ones(9, 4, dtype=torch.bool))
        wanted = tokens.mean(1) + output.extras["guide"].repeat_interleave(torch.tensor([6, 3]), 0)
        near = torch.cosine_similarity(wanted[:, None], tokens, dim=-1)
    assert torch.equal(output.extras["chosen"], near.topk(2).indices.sort().values)


def test_changing_the_text_changes_which_cells_are_kept_in_its_own_frames_alone():
    batch = framed((12, 12))
    text, _ = batch.vectors("text")
    text[0] *= -9
    one, other = (built(keep=(1,))(given).extras["chosen"] for given in (batch, with_vectors(batch, text=text)))
    assert not torch.equal(one[:12], other[:12]) and torch.equal(one[12:], other[12:])
    one, other = (
        built(keep=(1,), guided=False)(given).extras["chosen"] for given in (batch, with_vectors(batch, text=text))
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["text", "voice"])
def test_text_and_voice_both_make_the_guide(name):
    system, batch = built(), framed()
    other = with_vectors(batch, **{name: batch.vectors(name)[0] + torch.arange(WIDTHS[name])})
    assert not torch.allclose(system(batch).extras["guide"], system(other).extras["guide"])
    face = replace(batch, rows={**batch.rows, "face": batch.rows["face"].chunks(1)})
    assert torch.equal(system(batch).extras["guide"], system(face).extras["guide"])


def test_all_kept_and_nothing_folded_is_no_compression():
    system, batch = built(keep=(4, 4)), framed()
    assert (system(batch).extras["chosen"] == torch.arange(4)).all()
    with torch.no_grad():
        tokens, real = torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool)
        left, _, _ = compress(tokens, real, torch.randn(2, 8), keep=4, threshold=-1.0)
    torch.testing.assert_close(left, tokens)


def test_the_order_of_frames_and_the_place_of_cells_are_seen():
    system, batch = built(), framed((6,))
    frames = batch.modality("face").values
    turned = replace(batch, rows={**batch.rows, "face": Rows(frames.flip(0), torch.tensor([[6]]))})
    assert not torch.allclose(system(batch).logits, system(turned).logits, atol=1e-4)
    moved = frames.view(6, 4, 5).flip(1).flatten(1)
    moved = replace(batch, rows={**batch.rows, "face": Rows(moved, torch.tensor([[6]]))})
    assert not torch.allclose(system(batch).logits, system(moved).logits, atol=1e-4)


def test_contrast_excludes_self_pairs_and_handles_anchors_without_a_partner():
    torch.manual_seed(0)
    visual, other = torch.randn(2, 4, 8)
    nobody = torch.full((4,), -1)
    assert contrast(visual, other, nobody, temperature=0.5) == 0
    alone = contrast(visual[:1], visual[:1], torch.tensor([2]), temperature=0.5)
    assert torch.isfinite(alone) and alone == 0  # its twin is all there is besides itself
    labels = torch.tensor([0, 0, 1, -1])
    near, far = torch.eye(8)[labels.clamp_min(0)], torch.eye(8)[:4]
    assert contrast(near, near, labels, temperature=0.5) < contrast(far, near, labels, temperature=0.5)
    unlabelled = contrast(visual, other, labels, temperature=0.5)
    assert unlabelled == contrast(visual[:3], other[:3], labels[:3], temperature=0.5)


def test_the_contrast_is_of_face_with_each_guide_by_the_labels_of_those_that_have_both():
    system, batch = built(contrast=0.3), framed((6, 5, 4, 3, 5))
    for given, rows in ((batch, 5), (lacking(batch, "voice", 0), 4)):
        output = system(given)
        read = {name: values[:, 0] for name, values in output.representations.items()}
        for name in ("text", "voice"):
            start = 5 - rows if name == "voice" else 0
            pair = read["face"][start:], read[name][start:], given.labels[start:, 0]
            wanted = contrast(*pair, temperature=system.options.temperature)
            torch.testing.assert_close(output.losses[f"contrast_{name}"], 0.3 * wanted)
        assert set(output.losses) == {"label", "contrast_text", "contrast_voice"}


def lacking(batch, name, row):
    """The same utterances, one of them without a modality."""
    kept = torch.ones_like(batch.mask)
    kept[row] = False
    return replace(batch, rows={**batch.rows, name: batch.rows[name].where(kept)})


def test_the_classifier_reads_the_representations():
    system, batch = built(), framed((6, 5, 4, 3))
    output = system(batch)
    for name, values in output.representations.items():
        (gradient,) = torch.autograd.grad(output.logits.sum(), values, retain_graph=True)
        assert gradient.abs().sum() > 0, name


def test_compat_folds_nothing_and_says_so():
    right = built(threshold=-1.0)
    wrong = built(threshold=-1.0, compat=True)
    assert not torch.allclose(wrong(framed()).logits, right(framed()).logits)
    assert not wrong.comparable and "nothing is folded in" in wrong.incomparable_why
    assert right.comparable and not right.incomparable_why


def test_an_utterance_of_one_frame_and_one_without_a_face_can_be_trained_on():
    batch = lacking(framed((1, 4)), "face", 1)
    loss = DeepMsi(WIDTHS, CLASSES, SMALL)(batch).loss
    loss.backward()
    assert torch.isfinite(loss)


def test_a_guided_choice_wins_over_an_unguided_one_on_a_planted_corpus(tmp_path):
    planted_stores.wins("deepmsi", tmp_path, margin=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ()}, r"deepmsi: keep is \(\): expected numbers from 1 that do not grow"),
        ({"keep": (2, 4)}, r"keep is \(2, 4\)"),
        ({"cells": 1}, "deepmsi: cells is 1: expected at least 2 tokens of a frame, as one alone cannot be compressed"),
        ({"width": 30}, "deepmsi: width is 30: expected a multiple of the 4 heads"),
        ({"fold": 1.5}, "deepmsi: fold is 1.5: expected 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0: expected more than 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        DeepMsiOptions(**options)


def test_needs_frames_of_cells_and_a_guide():
    with pytest.raises(InputError, match="system 'deepmsi' needs face"):
        DeepMsi({"text": 6}, CLASSES)
    with pytest.raises(InputError, match="needs text or voice as the guide; the features have face alone"):
        DeepMsi({"face": 16}, CLASSES)
    with pytest.raises(InputError, match="frames of 16 cells, those of face have 17 numbers; choose"):
        DeepMsi({"text": 6, "face": 17}, CLASSES)


def test_registered():
    assert SYSTEMS.get("deepmsi") is DeepMsi
    assert DeepMsi.reading() == {"text": "vectors", "voice": "vectors", "face": "cells"}
