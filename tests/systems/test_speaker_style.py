"""Style tokens and the margin classifier: embeddings, triplets, and who is judged by which stage."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merc.errors import InputError
from merc.systems.speaker_style import (
    FRAME,
    SpeakerStyle,
    SpeakerStyleOptions,
    StyleEncoder,
    StyleOptions,
    cosine_triplet,
    speaker_triplets,
)

from .contract import CLASSES, SystemContract, made_batch

SMALL = StyleOptions(width=32, heads=4)


class TestFlat(SystemContract):
    system = SpeakerStyle
    widths: ClassVar[dict[str, int]] = {"voice": 24}
    rate = 3e-2


class TestHierarchical(TestFlat):
    options = SpeakerStyleOptions(hierarchical=True, apart=2)


def encoder(options: StyleOptions = SMALL) -> StyleEncoder:
    torch.manual_seed(0)
    return StyleEncoder(options).eval()


def sounds(*lengths: int, padding: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    sound = torch.zeros(len(lengths), max(lengths) + padding)
    for row, length in enumerate(lengths):
        sound[row, :length] = 0.3 * torch.randn(length, generator=torch.Generator().manual_seed(row))
    return sound, torch.tensor(lengths)


def test_an_embedding_has_length_1_and_256_numbers_from_10_tokens() -> None:
    usual = StyleEncoder()
    assert tuple(usual.tokens.shape) == (10, 256)
    vectors = encoder()(*sounds(4000, 2000))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    assert usual.eval()(*sounds(1000)).shape == (1, 256)


def test_the_shares_of_the_tokens_sum_to_1_and_differ_between_sounds() -> None:
    shares = encoder().shares(*sounds(4000, 2000))
    assert shares.shape == (2, 4, 10) and bool((shares > 0).all())
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 4))
    assert not torch.allclose(shares[0], shares[1], atol=1e-6)


def test_the_tokens_make_the_embedding() -> None:
    """With tokens that are all alike every sound has the same embedding: nothing goes past them."""
    one = encoder()
    with torch.no_grad():
        one.tokens.copy_(one.tokens[:1].expand_as(one.tokens).clone())
    vectors = one(*sounds(4000, 2000))
    torch.testing.assert_close(vectors[0], vectors[1])


def test_an_embedding_does_not_depend_on_batch_mates_or_padding() -> None:
    one = encoder()
    with torch.no_grad():  # batch normalisation that shifts, so that silence would not stay silent
        for norm in one.norms:
            norm.bias.fill_(0.3)
            norm.running_mean.fill_(-0.2)
        together = one(*sounds(6000, 2345, 900))
        padded = one(*sounds(6000, 2345, 900, padding=3000))
        for row, length in enumerate((6000, 2345, 900)):
            sound, lengths = sounds(6000, 2345, 900)
            alone = one(sound[row : row + 1, :length], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded, together, atol=1e-5, rtol=1e-5)


def test_the_triplet_loss_is_zero_where_the_margin_is_kept() -> None:
    a = torch.tensor([[1.0, 0.0]])
    p, n = torch.tensor([[0.8, 0.6]]), torch.tensor([[0.6, 0.8]])
    assert cosine_triplet(a, p, n, margin=0.2).item() == pytest.approx(0, abs=1e-6)
    assert cosine_triplet(a, p, n, margin=0.1).item() == 0
    assert cosine_triplet(a, p, n, margin=0.3).item() == pytest.approx(0.1)
    assert cosine_triplet(a, n, p, margin=0.3).item() == pytest.approx(0.5)


def test_hard_triplets_are_the_farthest_mate_and_the_nearest_stranger() -> None:
    angles = torch.tensor([0.0, 0.1, 0.9, 0.3, 2.0])
    vectors, people = torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([0, 0, 0, 1, 1])
    anchors, positives, negatives = speaker_triplets(vectors, people, mining="hard")
    assert anchors.tolist() == [0, 1, 2, 3, 4]
    assert positives.tolist() == [2, 2, 0, 4, 3] and negatives.tolist() == [3, 3, 3, 1, 2]
    for mining in ("hard", "random"):
        a, p, n = speaker_triplets(vectors, people, mining=mining)
        assert bool((people[a] == people[p]).all() & (a != p).all() & (people[a] != people[n]).all())
        with pytest.raises(InputError, match="no triplets"):
            speaker_triplets(vectors, torch.zeros(5, dtype=torch.int64), mining=mining)


def test_a_sound_below_a_frame_is_refused() -> None:
    with pytest.raises(InputError, match="a sound of 100 samples: expected at least one frame of 160"):
        encoder()(*sounds(4000, 100))
    assert encoder()(*sounds(FRAME)).shape == (1, 32)


@pytest.mark.timeout(120)
def test_emotion_is_left_in_embeddings_that_were_trained_on_speakers_alone() -> None:
    """Speakers differ in pitch, an emotion raises it a little: a linear probe finds it."""
    one, random = encoder().train(), np.random.default_rng(0)
    optimiser = torch.optim.Adam(one.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        sound, people, _ = planted(random, 24)
        vectors = one(sound, torch.full((24,), sound.shape[1]))
        triplet = (vectors[rows] for rows in speaker_triplets(vectors, people, mining="random"))
        loss = cosine_triplet(*triplet, margin=0.2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    read = [planted(random, count) for count in (96, 48)]
    with torch.no_grad():
        found = [one.eval()(sound, torch.full((len(sound),), sound.shape[1])).numpy() for sound, _, _ in read]
    for place, least, chance in ((1, 0.9, "a quarter"), (2, 0.6, "a half")):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000)).fit(found[0], read[0][place])
        assert probe.score(found[1], read[1][place]) > least, f"{chance} is chance"


def planted(random: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Sounds of half a second, their speakers (of 4) and emotions (of 2)."""
    people, emotion = np.arange(count) % 4, random.integers(2, size=count)
    time = np.arange(4000) / 8000
    pitch = (150 * 1.5**people)[:, None] * (1 + 0.03 * random.normal(size=(count, 1)))
    pitch = pitch * (1 + 0.15 * emotion)[:, None]
    wave = np.sin(2 * np.pi * pitch * time) + 0.5 * np.sin(6 * np.pi * pitch * time)
    wave = 0.3 * wave + 0.02 * random.normal(size=(count, 4000))
    return torch.tensor(wave, dtype=torch.float32), torch.tensor(people), emotion


def staged() -> SpeakerStyle:
    torch.manual_seed(0)
    return SpeakerStyle({"voice": 24}, CLASSES, SpeakerStyleOptions(hierarchical=True, apart=2))


def test_the_second_stage_judges_what_the_first_sent_on_and_each_item_has_one_label() -> None:
    system, batch = staged().eval(), made_batch({"voice": 24}, (40,))
    values = 16 * torch.nn.functional.normalize(batch.vectors("voice")[0], dim=-1)
    with torch.no_grad():
        said = system(batch).logits.argmax(-1)
        first, rest = system.first(values)[..., 0], system.label(values).argmax(-1)
    sad = first > 0
    assert 0 < int(sad.sum()) < 40
    others = torch.tensor([0, 1, 3])[rest]
    assert torch.equal(said, torch.where(sad, torch.full_like(said, 2), others))


def test_the_second_stage_learns_from_what_is_not_sad_alone() -> None:
    system, batch = staged().train(), made_batch({"voice": 24}, (8,))
    sad = replace(batch, labels=torch.full_like(batch.labels, 2))
    assert set(system(sad).losses) == {"first"}
    system(sad).loss.backward()
    assert system.label.weight.grad is None and system.first.weight.grad.abs().sum() > 0
    losses = system(batch).losses
    assert set(losses) == {"first", "label"}
    some = replace(batch, labels=batch.labels.masked_fill(batch.labels == 2, -1))
    torch.testing.assert_close(system(some).losses["label"], losses["label"])


@pytest.mark.parametrize(("apart", "second"), [(0, [-1, 0, 1, 2]), (1, [0, -1, 1, 2]), (3, [0, 1, 2, -1])])
def test_the_classes_of_the_second_stage_are_the_others_in_order(apart: int, second: list[int]) -> None:
    system = SpeakerStyle({"voice": 3}, 4, SpeakerStyleOptions(hierarchical=True, apart=apart))
    batch = replace(made_batch({"voice": 3}, (4,)), labels=torch.arange(4)[None])
    stages = system._stages(torch.zeros(1, 4, 1), torch.zeros(1, 4, 3), batch)
    assert stages["label"][1].tolist() == [second]
    assert stages["first"][1].tolist() == [[int(number == apart) for number in range(4)]]


def test_the_hinge_is_that_of_the_definition_and_weighs_classes() -> None:
    system = SpeakerStyle({"voice": 3}, 3, SpeakerStyleOptions(margin=1.0))
    scores, labels = torch.tensor([[2.0, 1.5, 0.0], [0.0, 0.2, 3.0]]), torch.tensor([0, 1])
    torch.testing.assert_close(system._hinge(scores, labels), torch.tensor([0.5, 0.8 + 3.8]))
    batch = made_batch({"voice": 3}, (2,))
    batch = replace(batch, labels=labels[None])
    plain = system._losses({"label": (scores[None], batch.labels)}, batch)["label"]
    torch.testing.assert_close(plain, torch.tensor((0.5 + 4.6) / 2))
    system.label_loss.configure(class_weights=torch.tensor([3.0, 1.0, 1.0]), smoothing=0.0)
    weighed = system._losses({"label": (scores[None], batch.labels)}, batch)["label"]
    torch.testing.assert_close(weighed, torch.tensor((3 * 0.5 + 4.6) / 4))


def test_what_cannot_be_classified_is_refused() -> None:
    with pytest.raises(InputError, match=r"two stages of 2 classes, class 0 apart: expected three classes or more"):
        SpeakerStyle({"voice": 3}, 2, SpeakerStyleOptions(hierarchical=True))
    system = SpeakerStyle({"voice": 24}, CLASSES)
    system.label_loss.configure(class_weights=None, smoothing=0.1)
    with pytest.raises(InputError, match="no label smoothing"):
        system(made_batch({"voice": 24}, (3,)))
    with pytest.raises(InputError, match="speaker_style: scale is 0: expected more than 0"):
        SpeakerStyleOptions(scale=0)
