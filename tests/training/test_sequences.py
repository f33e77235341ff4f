"""Sequences on their way from a store through items and batches into systems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from merc.conversation import Conversation
from merc.features.feature import Feature, Scaling
from merc.features.store import Store
from merc.systems import SYSTEMS, Batch, System
from merc.systems.joint_vectors_dialogue import JointVectorsDialogue, JointVectorsDialogueOptions
from merc.systems.tripathi import Tripathi, TripathiOptions
from merc.training.data import ItemData, collate, in_order
from merc.training.material import Material
from tests.features.made_sequences import CLASSES, corpus, numbered, read_store, stored_rows


def material(read: tuple[Conversation, ...], features: Mapping[str, Feature]) -> Material:
    labels = {turn.id: str(turn.label) for one in read for turn in one}
    return Material(read, features, CLASSES, labels)


def test_each_modality_keeps_its_own_steps_inside_dialogues(tmp_path: Path) -> None:
    read = corpus(2)
    stored_rows(tmp_path, "frames", {**numbered(read, 5), "d0_u1": None})
    text = Feature.of([turn.id for one in read for turn in one], np.ones((6, 2)), source="made")
    made = material(read, {"text": text, "voice": read_store(tmp_path, "frames", read)})
    batch = collate(made.items(list(made.labels), level="dialogue"))
    assert batch.rows["voice"].lengths.tolist() == [[5, 0, 5], [5, 5, 5]]
    assert batch.rows["text"].lengths.tolist() == [[1, 1, 1]] * 2
    assert batch.vectors("voice")[0][..., 0].tolist() == [[2, 0, 2], [2, 2, 2]]
    values, mask = batch.steps("voice")
    assert values[0, :, 0].tolist() == [0, 1, 2, 3, 4] and mask.sum(1).tolist() == [5, 0, 5, 5, 5, 5]


def test_sequences_are_read_when_a_batch_is_loaded_and_then_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = corpus(4)
    stored_rows(tmp_path, "frames", numbered(read, 4))
    made = material(read, {"voice": read_store(tmp_path, "frames", read)})
    seen: list[str] = []
    rows = Store.rows
    monkeypatch.setattr(Store, "rows", lambda self, name, one: seen.append(one) or rows(self, name, one))
    monkeypatch.setattr(Store, "get", lambda *_: pytest.fail("the whole store was read"))
    data = ItemData(made.items(list(made.labels), level="dialogue"), size=1)
    plans = data.plan(1, torch.Generator().manual_seed(0))
    assert not seen
    batch = data.load(plans[0])
    assert tuple(seen) == batch.ids[0]


def test_batches_of_sequences_for_evaluation_are_loaded_anew_and_vectors_are_kept(tmp_path: Path) -> None:
    read = corpus(3)
    stored_rows(tmp_path, "frames", numbered(read, 4))
    lazy, kept = (
        in_order(made.items(list(made.labels), level="dialogue"), 2)
        for made in (material(read, {"voice": read_store(tmp_path, "frames", read, tokens=on)}) for on in (True, False))
    )
    assert not isinstance(lazy, list) and isinstance(kept, list)
    assert [batch.ids for batch in lazy] == [batch.ids for batch in lazy] == [batch.ids for batch in kept]
    for one, other in zip(lazy, kept, strict=True):
        torch.testing.assert_close(one.vectors("voice"), other.vectors("voice"))


def test_ten_tokens_beside_three_hundred_frames_are_ten_tokens(tmp_path: Path) -> None:
    """The gradient of Tripathi's text branch reaches each token of the utterance, though its frames are many."""
    read = corpus(2, turns=1)
    stored_rows(
        tmp_path, "tokens", {name: np.random.default_rng(0).normal(size=(10, 3)) for name in ("d0_u0", "d1_u0")}
    )
    stored_rows(
        tmp_path, "frames", {name: np.random.default_rng(1).normal(size=(300, 2)) for name in ("d0_u0", "d1_u0")}
    )
    made = material(read, {"text": read_store(tmp_path, "tokens", read), "voice": read_store(tmp_path, "frames", read)})
    batch = collate(made.items(list(made.labels), level="utterance"))
    batch.rows["text"].values.requires_grad_()
    options = TripathiOptions(width=8, text_state=8, voice_state=8, glances=2)
    Tripathi({"text": 3, "voice": 2}, 2, options).eval()(batch).loss.backward()
    gradient = batch.rows["text"].values.grad
    assert gradient is not None and (gradient.view(2, 10, 3).abs().sum(-1) > 0).all()


def test_mamba_reads_one_frame_for_each_token(tmp_path: Path) -> None:
    read = corpus(1, turns=1)
    stored_rows(tmp_path, "tokens", numbered(read, 3))
    stored_rows(tmp_path, "frames", numbered(read, 5))
    made = material(read, {"text": read_store(tmp_path, "tokens", read), "voice": read_store(tmp_path, "frames", read)})
    batch = collate(made.items(list(made.labels), level="utterance"))
    values, _ = batch.aligned()
    assert values["voice"][0, :, 0].tolist() == [0, 2, 4] and values["text"][0, :, 0].tolist() == [0, 1, 2]
    batch.rows["voice"].values.requires_grad_()
    mamba = SYSTEMS["mamba"]
    mamba({"text": 1, "voice": 1}, 2).eval()(batch).loss.backward()
    gradient = batch.rows["voice"].values.grad
    assert gradient is not None and (gradient[:, 0] != 0).tolist() == [True, False, True, False, True]


def test_standardisation_of_sequences_is_measured_in_blocks_and_applied_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, random = corpus(3), np.random.default_rng(0)
    sequences = {turn.id: random.normal(5, 3, size=(random.integers(2, 9), 2)) for one in read for turn in one}
    stored_rows(tmp_path, "frames", sequences)
    feature = read_store(tmp_path, "frames", read)
    whole = np.concatenate([row.astype(np.float16) for row in sequences.values()]).astype(np.float64)
    for block in (1, 30, 10_000):
        monkeypatch.setattr("merc.features.feature._BLOCK", block)
        scaling = Scaling.fit(feature, sequences)
        np.testing.assert_allclose(scaling.mean, whole.mean(0), rtol=1e-6)
        np.testing.assert_allclose(scaling.deviation, whole.std(0), rtol=1e-6)
    made = material(read, {"voice": feature})
    scalings = made.scalings(("voice",), list(sequences))
    batch = collate(made.items(list(made.labels), level="dialogue", scalings=scalings))
    torch.testing.assert_close(batch.rows["voice"].values.mean(0), torch.zeros(2), atol=1e-5, rtol=0)


def trained(system: System, batches: list[Batch], *, epochs: int) -> System:
    torch.manual_seed(1)
    steps = torch.optim.Adam(system.parameters(), 3e-3)
    for _ in range(epochs):
        for batch in batches:
            steps.zero_grad()
            system.train()(batch).loss.backward()
            steps.step()
    return system.eval()


def accuracy(system: System, batches: list[Batch]) -> float:
    hits = [(system(one).logits.argmax(-1) == one.labels)[one.labelled] for one in batches]
    return float(torch.cat(hits).float().mean())


@pytest.mark.parametrize(("reads", "least", "most"), [("steps", 0.9, 1.0), ("vectors", 0.3, 0.7)])
def test_joint_vectors_read_frames_of_utterances_in_a_dialogue(
    tmp_path: Path, reads: str, least: float, most: float
) -> None:
    """One frame shows the class and another takes it back, so that their mean says nothing."""
    read, random = corpus(24, turns=4), np.random.default_rng(0)
    rows: dict[str, np.ndarray | None] = {}
    for turn in (turn for one in read for turn in one):
        row = 0.1 * random.normal(size=(random.integers(6, 12), 4))
        shown = np.eye(4)[0 if turn.label == "calm" else 1] * 3
        places = random.permutation(len(row))[:2]
        row[places[0]] += shown
        row[places[1]] -= shown
        rows[turn.id] = row - row.mean(0)
    stored_rows(tmp_path, "frames", rows)
    options = JointVectorsDialogueOptions(width=16, joints=2, layers=1, dropout=0.0, contrast=0.0, reads=reads, reach=0)
    sequences = JointVectorsDialogue.reading(options)["voice"] == "steps"
    made = material(read, {"voice": read_store(tmp_path, "frames", read, tokens=sequences)})
    ids = list(made.labels)
    parts = [[name for name in ids if (int(name.split("_")[0][1:]) < 16) == first] for first in (True, False)]
    train, test = (list(in_order(made.items(part, level="dialogue"), 8)) for part in parts)
    torch.manual_seed(0)
    found = accuracy(trained(JointVectorsDialogue({"voice": 4}, 2, options), train, epochs=40), test)
    assert least <= found <= most
