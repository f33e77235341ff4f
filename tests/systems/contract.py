"""The five tests that every system inherits: shape, padding and batch mates, a missing modality, gradients, overfit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch

from merc.evaluation.metrics import kendall_tau
from merc.systems import UNLABELLED, Batch, Output, Rows, System

CLASSES = 4
DIMENSIONS = 2


def given(output: Output) -> torch.Tensor:
    """The logits of a system, or the values of one that predicts no classes."""
    return output.values if output.logits is None else output.logits


def made_batch(
    widths: dict[str, int],
    lengths: tuple[int, ...],
    *,
    level: str = "dialogue",
    seed: int = 0,
    padding: int = 0,
) -> Batch:
    """Random dialogues (or utterances of so many steps) of two to three speakers, every label taken."""
    steps = max(lengths) + padding
    real = torch.arange(steps)[None] < torch.tensor(lengths)[:, None]
    turns = steps if level == "dialogue" else 1
    mask = real if level == "dialogue" else torch.ones(len(lengths), 1, dtype=torch.bool)
    rows, labels, speakers = {}, [], []
    for row in range(len(lengths)):  # one dialogue after the other: what stands in one does not depend on its mates
        labels.append(torch.randint(CLASSES, (turns,), generator=torch.Generator().manual_seed(seed * 97 + row)))
        speakers.append(torch.arange(turns) % (2 + row % 2))
    for number, (name, width) in enumerate(sorted(widths.items())):
        generators = [torch.Generator().manual_seed(seed * 97 + 13 * row + number) for row in range(len(lengths))]
        values = torch.stack([torch.randn(64, width, generator=one)[:steps] for one in generators])
        rows[name] = Rows.of_vectors(values, real) if level == "dialogue" else Rows.of_steps(values, real)
    rated = [
        torch.rand(turns, DIMENSIONS, generator=torch.Generator().manual_seed(seed * 97 + 57 + row))
        for row in range(len(lengths))
    ]
    return Batch.of(
        rows,
        mask,
        targets=torch.stack(rated).masked_fill(~mask[..., None], float("nan")),
        speakers=torch.stack(speakers).masked_fill(~mask, 0),
        labels=torch.stack(labels).masked_fill(~mask, UNLABELLED),
        ids=tuple(tuple(f"{row}_{turn}" for turn in range(int(mask[row].sum()))) for row in range(len(lengths))),
    )


def with_vectors(batch: Batch, **values: torch.Tensor) -> Batch:
    """The same batch with other vectors ``(B, T, d)`` of some modalities, where they are present."""
    changed = {name: Rows.of_vectors(one, batch.present(name)) for name, one in values.items()}
    return replace(batch, rows={**batch.rows, **changed})


def in_order(batch: Batch, order: torch.Tensor) -> Batch:
    """The dialogues of a batch of vectors in another order."""
    rows = {name: Rows.of_vectors(*(one[order] for one in batch.vectors(name))) for name in batch.rows}
    others = {name: getattr(batch, name)[order] for name in ("speakers", "labels", "weights")}
    return Batch.of(rows, batch.mask[order], **others)


class SystemContract:
    """Subclass as ``class TestX(SystemContract)`` with ``system`` and, where needed, widths, options, steps."""

    system: ClassVar[type[System]]
    widths: ClassVar[dict[str, int]] = {"text": 12, "voice": 7, "face": 5}
    options: ClassVar[Any] = None
    steps: ClassVar[int] = 150  # of training to overfit eight dialogues
    rate: ClassVar[float] = 3e-3
    lengths: ClassVar[tuple[int, ...]] = (5, 3, 1)
    unreached: ClassVar[tuple[str, ...]] = ()  # parameters that get no gradient by design, with the reason beside

    def build(self) -> System:
        torch.manual_seed(0)
        if not self.system.description.predicts_classes:
            return self.system(self.widths, 0, self.options, dimensions=DIMENSIONS)
        return self.system(self.widths, CLASSES, self.options)

    def batch(self, lengths: tuple[int, ...], **more: Any) -> Batch:
        return made_batch(self.widths, lengths, level=self.system.description.level, **more)

    def test_shape(self) -> None:
        batch = self.batch(self.lengths)
        output = self.build().eval()(batch)
        assert given(output).shape == (*batch.mask.shape, CLASSES if output.values is None else DIMENSIONS)
        assert torch.isfinite(given(output)[batch.mask]).all()
        assert output.loss.ndim == 0 and torch.isfinite(output.loss)
        bare = {
            "labels": torch.full_like(batch.labels, UNLABELLED),
            "targets": torch.full_like(batch.targets, torch.nan),
        }
        unlabelled = replace(batch, **bare)
        assert not self.build().eval()(unlabelled).losses

    def test_padding_and_batch_mates(self) -> None:
        system = self.build().eval()
        batch, padded = self.batch(self.lengths), self.batch(self.lengths, padding=4)
        with torch.no_grad():
            whole = given(system(batch))
            longer = given(system(padded))[:, : whole.shape[1]]
            torch.testing.assert_close(longer[batch.mask], whole[batch.mask], atol=1e-5, rtol=1e-5)
            alone = given(system(self.batch(self.lengths[:1])))  # the first dialogue is also the longest
            torch.testing.assert_close(alone[0], whole[:1, : alone.shape[1]][0], atol=1e-5, rtol=1e-5)

    def test_missing_modality(self) -> None:
        system = self.build().eval()
        batch = self.batch(self.lengths)
        for name in self.widths:
            without = batch.without(name)
            with torch.no_grad():
                assert torch.isfinite(given(system(without))[batch.mask]).all(), f"without {name}"
            values, present = without.vectors(name)
            assert not present.any() and not values.any(), f"{name} is still there"

    def test_gradient_reaches_every_parameter(self) -> None:
        system = self.build().train()
        batch = self.batch((6, 6, 4, 5))
        system(batch).loss.backward()
        without = [
            name
            for name, parameter in system.named_parameters()
            if parameter.requires_grad
            and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
            and not name.startswith(self.unreached or ("\0",))
        ]
        assert not without

    def test_bfloat16(self) -> None:
        system, batch = self.build().train(), self.batch(self.lengths)
        with torch.autocast("cpu", torch.bfloat16):
            loss = system(batch).loss
        loss.backward()
        assert torch.isfinite(loss)
        plain = system.eval()(batch)
        with torch.autocast("cpu", torch.bfloat16):
            reduced = system(batch)
        torch.testing.assert_close(given(reduced)[batch.mask].float(), given(plain)[batch.mask], atol=0.1, rtol=0.1)

    @pytest.mark.timeout(120)
    def test_overfits_eight_dialogues(self) -> None:
        system = self.build()
        batch = self.batch((6, 5, 4, 6, 3, 5, 2, 6))
        optimiser = torch.optim.Adam(system.parameters(), self.rate)
        torch.manual_seed(1)
        system.train()
        for _ in range(self.steps):
            optimiser.zero_grad()
            system(batch).loss.backward()
            optimiser.step()
        with torch.no_grad():
            output = system.eval()(batch)
        if output.logits is None:
            assert min(order(output.values[batch.mask], batch.targets[batch.mask])) > 0.9
            return
        hit = (output.logits.argmax(-1) == batch.labels)[batch.labelled].float().mean()
        assert hit > 0.95


def order(values: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Kendall's tau-b of each dimension ``(n, A)``."""
    return [kendall_tau(t.numpy(), v.numpy()) for t, v in zip(targets.T, values.T, strict=True)]
