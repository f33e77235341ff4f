"""emotion2vec's pretraining: targets, both losses, the teacher, no collapse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from merc.nn.pooling import masked_mean
from merc.recipes.pretraining.distillation import (
    Distilling,
    Student,
    Teacher,
    distillation_losses,
    distillation_task,
    normalised_over_time,
    targets_of,
    utterance_loss,
)
from merc.recipes.pretraining.encoder import MaskedEncoder
from merc.recipes.pretraining.sounds import Batch
from merc.training.loop import Run, fit
from merc.training.options import LoopOptions
from tests.recipes.pretraining.made import WIDTH, batch, network, sounds


def made(settings: Distilling | None = None, *, tokens: int = 10, layers: int = 2) -> tuple[Student, Teacher]:
    encoder = MaskedEncoder(network(layers), tokens=tokens)
    torch.manual_seed(1)
    student = Student(encoder, decoder_layers=2)
    return student, Teacher(student, settings or Distilling(top=2), start=0.9, end=0.99, updates=10)


def masked(given: Batch, student: Student, teacher: Teacher, seed: int = 0) -> Batch:
    augment = distillation_task(student, sounds(2), teacher, facts={}).augment
    assert augment is not None
    return augment(given, torch.Generator().manual_seed(seed))  # type: ignore[no-any-return]


def values(student: Student, teacher: Teacher, given: Batch) -> dict[str, float]:
    with torch.no_grad():
        return {name: float(one) for name, one in distillation_losses(student, given, teacher).items()}


def states(given: Batch, layers: int = 3) -> list[Tensor]:
    torch.manual_seed(3)
    return [torch.randn(*given.real.shape, WIDTH) + 2 for _ in range(layers + 1)]


def test_the_target_is_the_mean_of_the_top_layers_each_normalised_over_real_frames() -> None:
    given = batch(2, seconds=(0.2, 0.4))
    made_up = states(given)
    found = targets_of(made_up, given.real, top=2)
    for row, frames in enumerate(given.mels.frames.tolist()):
        layers = [one[row, :frames] for one in made_up[-2:]]
        normal = [(one - one.mean(0)) / (one.var(0, unbiased=False) + 1e-5).sqrt() for one in layers]
        torch.testing.assert_close(found.frames[row, :frames], sum(normal) / 2)
        mean = (sum(layers) / 2).mean(0)  # type: ignore[union-attr]
        torch.testing.assert_close(found.utterances[row], torch.nn.functional.layer_norm(mean, mean.shape))


def test_the_literal_utterance_target_is_zero_and_the_default_is_not() -> None:
    given = batch(2)
    literal = targets_of(states(given), given.real, top=3, utterance="normalised")
    assert float(literal.utterances.abs().max()) < 1e-5
    assert float(targets_of(states(given), given.real, top=3).utterances.std()) > 0.9


def test_padding_does_not_enter_the_normalisation() -> None:
    given = batch(2, seconds=(0.2, 0.4))
    values = torch.randn(2, given.real.shape[1], WIDTH)
    other = torch.where(given.real[..., None], values, torch.full_like(values, 50.0))
    torch.testing.assert_close(normalised_over_time(values, given.real), normalised_over_time(other, given.real))


def test_the_frame_loss_ignores_unmasked_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = made()
    given = masked(batch(), student, teacher)
    before = values(student, teacher, given)
    original = teacher.targets

    def shifted(places: Tensor) -> dict[str, float]:
        def targets(sound: Tensor, real: Tensor):  # type: ignore[no-untyped-def]
            found = original(sound, real)
            return replace(found, frames=found.frames + 3.0 * places[..., None])

        monkeypatch.setattr(teacher, "targets", targets)
        return values(student, teacher, given)

    assert shifted(~given.masked) == before
    assert shifted(given.masked)["frame"] > before["frame"] + 1


def test_the_frame_loss_is_the_mean_square_over_masked_frames() -> None:
    student, teacher = made()
    given = masked(batch(), student, teacher)
    with torch.no_grad():
        sound = student.encoder.front_end(given.mels)
        frames, _ = student(sound, given)
        wanted = teacher.targets(sound, given.real).frames
    rows = [(frames[b, s] - wanted[b, s]).square().mean() for b, s in given.masked.nonzero().tolist()]
    assert values(student, teacher, given)["frame"] == pytest.approx(float(torch.stack(rows).mean()), rel=1e-5)


def test_the_utterance_loss_is_zero_where_tokens_equal_the_mean_of_the_teacher() -> None:
    target = torch.randn(3, WIDTH)
    spread = torch.randn(3, 10, WIDTH)
    tokens = target[:, None] + spread - spread.mean(1, keepdim=True)
    assert float(utterance_loss(tokens, target)) < 1e-10
    assert float(utterance_loss(tokens + 1, target)) == pytest.approx(1.0, rel=1e-4)


def test_alpha_zero_is_data2vec() -> None:
    student, teacher = made(Distilling(top=2, alpha=0.0))
    both, second = made(Distilling(top=2, alpha=0.5))
    given = masked(batch(), student, teacher)
    alone, found = values(student, teacher, given), values(both, second, given)
    assert list(alone) == ["frame"] and alone["frame"] == found["frame"]
    once = values(*made(Distilling(top=2, alpha=1.0)), given)
    assert found["utterance"] == pytest.approx(once["utterance"] / 2)


def test_the_teacher_has_no_gradient_and_follows_the_student_by_its_decay() -> None:
    student, teacher = made()
    given = masked(batch(), student, teacher)
    sum(distillation_losses(student, given, teacher).values()).backward()  # type: ignore[union-attr]
    assert all(one.grad is None and not one.requires_grad for one in teacher.ema.network.parameters())
    layer = student.encoder.network.layers[0].narrow.weight
    assert layer.grad is not None
    before = teacher.ema.network.layers[0].narrow.weight.clone()  # type: ignore[index,union-attr,operator]
    layer.data.add_(1.0)
    teacher.after_step(student, 1)
    moved = teacher.ema.network.layers[0].narrow.weight - before  # type: ignore[index,union-attr,operator]
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1), rtol=0, atol=1e-5)


def test_the_teacher_reads_whole_sounds() -> None:
    student, teacher = made()
    with torch.no_grad():
        sound = student.encoder.front_end(batch().mels)
        first = teacher.targets(sound, batch().real).frames
        student.encoder.mask_vector.data.add_(100.0)
        student.encoder.tokens.data.add_(100.0)
        assert torch.equal(teacher.targets(sound, batch().real).frames, first)


def test_masked_copies_of_a_sound_share_their_target() -> None:
    student, teacher = made(Distilling(top=2, clones=3))
    given = masked(batch(), student, teacher)
    assert len(given.masked) == 12 and len(given.labels) == 4
    assert not torch.equal(given.masked[:4], given.masked[4:8])
    parts = [values(student, teacher, replace(given, masked=given.masked[n : n + 4])) for n in (0, 4, 8)]
    shares = [int(given.masked[n : n + 4].sum()) for n in (0, 4, 8)]
    expected = sum(part["frame"] * share for part, share in zip(parts, shares, strict=True)) / sum(shares)
    found = values(student, teacher, given)
    assert found["frame"] == pytest.approx(expected, rel=1e-4)
    assert found["utterance"] == pytest.approx(sum(part["utterance"] for part in parts) / 3, rel=1e-4)


def test_right_padding_changes_neither_prediction_nor_target() -> None:
    student, teacher = made()
    alone, together = batch(1, seconds=(0.3, 0.6)), batch(2, seconds=(0.3, 0.6))
    found = []
    with torch.no_grad():
        for given in (alone, together):
            sound = student.encoder.front_end(given.mels)
            found.append((*student(sound, given), teacher.targets(sound, given.real).frames))
    frames = int(alone.mels.frames[0])
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(second[0, :frames], first[0, :frames], rtol=1e-3, atol=1e-4)


def test_a_tiny_run_falls_and_does_not_collapse_and_its_std_is_in_the_history() -> None:
    student, teacher = made(layers=3)
    data = sounds(16)
    assert masked_mean(torch.ones(1, 1, 1), torch.ones(1, 1, dtype=torch.bool)).item() == 1
    history = fit(
        distillation_task(student, data, teacher, facts={}),
        LoopOptions(epochs=12, metric=None, learning_rate=2e-3),
        Run(hooks=[teacher]),
    ).history
    assert history[-1]["training_loss"] < 0.75 * history[0]["training_loss"]
    assert all(row["target_std"] > 0.3 and row["teacher_std"] > 0.05 for row in history)
    assert history[-1]["teacher_std"] > 0.3 * history[0]["teacher_std"]


def test_the_deviations_are_those_of_the_targets_and_start_anew_each_epoch() -> None:
    student, teacher = made()
    given = batch()
    with torch.no_grad():
        found = teacher.targets(student.encoder.front_end(given.mels), given.real)
    logged = teacher.epoch()
    assert logged["target_std"] == pytest.approx(float(found.frames[given.real].std(0).mean()))
    assert logged["teacher_std"] == pytest.approx(float(found.raw[given.real].std(0).mean()))
    assert teacher.epoch() == {"target_std": 0.0, "teacher_std": 0.0}


def test_the_state_of_the_teacher_resumes() -> None:
    student, teacher = made()
    teacher.targets(student.encoder.front_end(batch().mels), batch().real)
    student.encoder.network.norm.weight.data.add_(1.0)
    teacher.after_step(student, 1)
    _, other = made()
    other.load_state_dict({name: one.clone() for name, one in teacher.state_dict().items()})
    assert other.ema.decay == teacher.ema.decay > 0.9
    assert torch.equal(other.ema.network.norm.weight, teacher.ema.network.norm.weight)  # type: ignore[arg-type,union-attr]
    assert other.epoch() == teacher.epoch()
