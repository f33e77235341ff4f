"""A guided window of faces: what it keeps, what guides it, and faces of which the text says where to look."""

from typing import ClassVar

import pytest
import torch

from merc.errors import InputError
from merc.systems import SYSTEMS, Batch
from merc.systems.deepmsi import contrast
from merc.systems.guided_window import GuidedWindow, GuidedWindowOptions

from .contract import CLASSES, SystemContract, made_batch, with_vectors
from .planted import accuracy, trained

WIDTHS = {"text": 6, "voice": 4, "face": 5}


class TestGuidedWindow(SystemContract):
    system = GuidedWindow
    options = GuidedWindowOptions(dropout=0.1)
    steps = 70


class TestTextOnlyGuide(SystemContract):
    system = GuidedWindow
    widths: ClassVar = {"text": 12, "face": 5}
    options = GuidedWindowOptions(past=3, future=0, keep=(2,), dropout=0.1, contrast=0.1)
    steps = 100


def test_chosen_places_are_the_keep_number_and_lie_in_the_window():
    torch.manual_seed(0)
    system = GuidedWindow(WIDTHS, CLASSES, GuidedWindowOptions(past=2, future=1, keep=(3, 2))).eval()
    batch = made_batch(WIDTHS, (6, 3))
    chosen = system(batch).extras["chosen"]
    assert chosen.shape == (9, 2) and (chosen < 4).all()
    assert chosen[0].tolist()[1] in (2, 3) and -1 not in chosen[3].tolist()  # the first turn has no earlier face
    nothing = system(batch.without("face")).extras["chosen"]
    assert (nothing == -1).all()


def test_changing_the_text_changes_which_faces_are_kept():
    torch.manual_seed(0)
    system = GuidedWindow(WIDTHS, CLASSES, GuidedWindowOptions(keep=(2,))).eval()
    batch = made_batch(WIDTHS, (12,))
    other = with_vectors(batch, text=-3 * batch.vectors("text")[0])
    assert not torch.equal(system(batch).extras["chosen"], system(other).extras["chosen"])
    blind = GuidedWindow(WIDTHS, CLASSES, GuidedWindowOptions(keep=(2,), guided=False)).eval()
    assert torch.equal(blind(batch).extras["chosen"], blind(other).extras["chosen"])


def test_the_contrast_is_of_face_with_each_guide_by_the_labels_of_the_batch():
    torch.manual_seed(0)
    system = GuidedWindow(WIDTHS, CLASSES, GuidedWindowOptions(dropout=0.0, contrast=0.3)).eval()
    batch = made_batch(WIDTHS, (6, 5))
    output = system(batch)
    rows = {name: values[batch.mask] for name, values in output.representations.items()}
    for name in ("text", "voice"):
        wanted = contrast(rows["face"], rows[name], batch.labels[batch.mask], temperature=system.options.temperature)
        torch.testing.assert_close(output.losses[f"contrast_{name}"], 0.3 * wanted)
    assert set(output.losses) == {"label", "contrast_text", "contrast_voice"}


@pytest.mark.parametrize("name", ["text", "voice"])
def test_text_and_voice_both_make_the_guide(name):
    torch.manual_seed(0)
    system, batch = GuidedWindow(WIDTHS, CLASSES).eval(), made_batch(WIDTHS, (5,))
    other = with_vectors(batch, **{name: batch.vectors(name)[0] + torch.arange(WIDTHS[name])})
    assert not torch.allclose(system(batch).extras["guide"], system(other).extras["guide"])
    face = with_vectors(batch, face=batch.vectors("face")[0] + 1)
    assert torch.equal(system(batch).extras["guide"], system(face).extras["guide"])


def test_future_zero_sees_no_later_face():
    torch.manual_seed(0)
    system = GuidedWindow(WIDTHS, CLASSES, GuidedWindowOptions(future=0)).eval()
    batch = made_batch(WIDTHS, (8,))
    face, _ = batch.vectors("face")
    face[:, 5:] += 2
    one, other = system(batch), system(with_vectors(batch, face=face))
    torch.testing.assert_close(one.logits[:, :5], other.logits[:, :5])
    assert not torch.allclose(one.logits[:, 5:], other.logits[:, 5:])


def test_a_single_utterance_can_be_trained_on():
    loss = GuidedWindow(WIDTHS, CLASSES)(made_batch(WIDTHS, (1,))).loss
    loss.backward()
    assert torch.isfinite(loss)


def pointed(count, *, seed, kinds=4, classes=3):
    """Dialogues with one face of each kind; a turn's text names a kind, and its label is what that face shows."""
    random = torch.Generator().manual_seed(seed)
    kind = torch.stack([torch.randperm(kinds, generator=random) for _ in range(count)])  # (B, T) of each face
    shown = torch.randint(classes, (count, kinds), generator=random)  # (B, T) class of each face
    wanted = torch.randint(kinds, (count, kinds), generator=random)  # (B, T) kind that each text names
    where = (kind[:, None] == wanted[:, :, None]).int().argmax(-1)  # (B, T)
    face = torch.cat([torch.eye(kinds)[kind], torch.eye(classes)[shown]], -1) * 2
    return Batch.of({"text": torch.eye(kinds)[wanted] * 2, "face": face}, labels=shown.gather(1, where))


def test_guided_choice_beats_an_unguided_one_where_the_text_says_where_to_look():
    train, test = [pointed(64, seed=seed) for seed in range(4)], [pointed(128, seed=9)]
    figures = []
    for guided in (True, False):
        options = GuidedWindowOptions(width=32, past=3, future=3, keep=(1,), guided=guided, dropout=0.0, contrast=0.0)
        torch.manual_seed(0)
        figures.append(accuracy(trained(GuidedWindow({"text": 4, "face": 7}, 3, options), train, epochs=40), test))
    assert figures[0] > figures[1] + 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ()}, r"guided_window: keep is \(\): expected numbers from 1 that do not grow"),
        ({"keep": (2, 4)}, r"keep is \(2, 4\)"),
        ({"past": -1}, "guided_window: past is -1: expected at least 0"),
        ({"fold": 1.5}, "guided_window: fold is 1.5: expected 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0: expected more than 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        GuidedWindowOptions(**options)


def test_needs_a_face_and_a_guide():
    with pytest.raises(InputError, match="system 'guided_window' needs face"):
        GuidedWindow({"text": 6}, CLASSES)
    with pytest.raises(InputError, match="needs text or voice as the guide; the features have face alone"):
        GuidedWindow({"face": 6}, CLASSES)


def test_registered():
    assert SYSTEMS.get("guided_window") is GuidedWindow
