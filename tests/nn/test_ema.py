"""The averaged teacher: its formula after k steps, its decay, no gradient, resume."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from merc.errors import InputError
from merc.nn.ema import EmaTeacher, annealed_decay


def test_ema_after_k_steps_is_exact() -> None:
    student = nn.Linear(3, 2)
    teacher = EmaTeacher(student, start=0.9, end=0.99, updates=3)
    expected = student.weight.detach().clone()
    for step, decay in enumerate([0.9, 0.93, 0.96, 0.99, 0.99]):
        student.weight.data.copy_(torch.full((2, 3), float(step)))
        teacher.update(student)
        expected = decay * expected + (1 - decay) * step
    torch.testing.assert_close(teacher.network.weight, expected, rtol=0, atol=1e-6)  # type: ignore[arg-type]


def test_the_decay_rises_linearly_and_stays() -> None:
    found = [annealed_decay(k, start=0.999, end=0.99999, updates=20_000) for k in (0, 10_000, 20_000, 50_000)]
    assert found == pytest.approx([0.999, 0.999495, 0.99999, 0.99999], abs=1e-12)


def test_a_teacher_is_a_copy_without_gradients_in_evaluation_mode() -> None:
    student = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    teacher = EmaTeacher(student, start=0.5, end=0.5, updates=1)
    assert not any(one.requires_grad for one in teacher.network.parameters())
    assert all(one.requires_grad for one in student.parameters())
    assert not teacher.network.training and teacher.network[0].weight is not student[0].weight  # type: ignore[index]


def test_buffers_are_taken_over() -> None:
    student = nn.BatchNorm1d(2)
    teacher = EmaTeacher(student, start=1.0, end=1.0, updates=1)
    student.running_mean.fill_(7.0)  # type: ignore[union-attr]
    student.weight.data.fill_(5.0)
    teacher.update(student)
    assert teacher.network.running_mean.tolist() == [7.0, 7.0]  # type: ignore[union-attr,operator]
    assert teacher.network.weight.tolist() == [1.0, 1.0]  # type: ignore[union-attr,operator]


def test_a_stored_teacher_resumes_with_its_decay() -> None:
    student = nn.Linear(2, 2)
    first, second = (EmaTeacher(student, start=0.2, end=0.8, updates=4) for _ in range(2))
    student.weight.data.add_(1.0)
    first.update(student)
    first.update(student)
    second.load_state_dict({name: one.clone() for name, one in first.state_dict().items()})
    assert second.decay == first.decay == pytest.approx(0.5)
    assert torch.equal(second.network.weight, first.network.weight)  # type: ignore[arg-type]


def test_values_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InputError, match=r"start is 1\.2: expected 0 to 1"):
        EmaTeacher(nn.Linear(1, 1), start=1.2, end=1.0, updates=1)
    with pytest.raises(InputError, match="updates is 0"):
        EmaTeacher(nn.Linear(1, 1), start=0.9, end=1.0, updates=0)
