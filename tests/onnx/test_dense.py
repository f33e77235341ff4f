from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.nn.rows import Rows
from merc.onnx.dense import DenseBatch, DenseSteps, dense
from merc.onnx.folder import Exported, Input, write
from merc.onnx.systems import Dense
from merc.runtime import load
from merc.systems import SYSTEMS, Batch, System

WIDTHS = {"text": 12, "voice": 8, "face": 6}
LABELS = tuple("abcde")
COUNT = 500


def padded(count: int, width: int, seed: int, *, least: int = 0) -> tuple[Tensor, Tensor]:
    """Sequences of 0 to 9 steps, zeros behind their ends, and their lengths."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(least, 10, (count, 1), generator=random)
    values = torch.randn(count, max(int(lengths.max()), 1), width, generator=random)
    return values * (torch.arange(values.shape[1])[None] < lengths)[..., None], lengths


def packed(values: Tensor, lengths: Tensor) -> Rows:
    return Rows.of_steps(values, torch.arange(values.shape[1])[None] < lengths)


@pytest.mark.parametrize("how", [("chunks", 4), ("slower", 3), ("slower", 1)])
def test_chunks_and_slower_steps_are_those_of_packed_rows(how: tuple[str, int]) -> None:
    values, lengths = padded(40, 5, seed=0)
    name, size = how
    found = getattr(DenseSteps(values, lengths), name)(size)
    wanted = getattr(packed(values, lengths), name)(size)
    assert torch.equal(found.lengths, wanted.lengths) and torch.equal(found.present, wanted.present)
    steps, mask = wanted.steps()
    own, own_mask = found.steps()
    torch.testing.assert_close(own[own_mask], steps[mask])
    torch.testing.assert_close(found.vectors(), wanted.vectors())


@pytest.mark.parametrize("to", ["text", "voice"])
def test_steps_are_aligned_as_packed_rows_are(to: str) -> None:
    rows = {name: padded(60, width, seed=place) for place, (name, width) in enumerate(WIDTHS.items())}
    batch = dense({name: DenseSteps(*one) for name, one in rows.items()}, torch.zeros(60, 1).long())
    assert isinstance(batch, DenseBatch)
    wanted, masks = Batch.of({name: packed(*one) for name, one in rows.items()}).aligned(to=to)
    found, own_masks = batch.aligned(to=to)
    for name in rows:
        torch.testing.assert_close(found[name][own_masks[name]], wanted[name][masks[name]])
        assert own_masks[name].sum() == masks[name].sum()


SEQUENCES: Mapping[str, tuple[Mapping[str, int], Mapping[str, Any]]] = {
    "bridge_tokens": (WIDTHS, {"width": 16}),
    "deepmsi": ({"text": 12, "voice": 8, "face": 64}, {"width": 16}),
    "joint_vectors": (WIDTHS, {"pieces": 6, "width": 16}),
    "mamba": (WIDTHS, {"d_state": 4, "modality_width": 8, "frames": 2}),
    "speech": ({"voice": 8}, {"aggregator": "ecapa", "width": 16, "attention": 8}),
    "tripathi": ({**WIDTHS, "motion": 7}, {"bins": 8, "glances": 2, "tokens": 7, "width": 16, "filters": (4, 4)}),
    "word_alignment": ({"text": 12, "voice": 8}, {"wordless": "query", "state": 8, "frame_width": 16}),
}


def made(name: str, widths: Mapping[str, int], options: Mapping[str, Any]) -> tuple[System, Exported]:
    """A system with random weights, and a copy as a model to export."""
    torch.manual_seed(0)
    kind = SYSTEMS[name]
    chosen = kind.Options(**options)
    system = kind(widths, len(LABELS), chosen).eval()
    reading = kind.reading(chosen)
    inputs = [Input(one, wide, needed=False, reads=reading.get(one, "vectors")) for one, wide in system.inputs.items()]
    module = Dense(copy.deepcopy(system), reading)
    return system, Exported(module, kind.description.level, inputs, LABELS, {"name": name})


@pytest.mark.parametrize("name", SEQUENCES)
def test_five_hundred_utterances_of_any_lengths_have_the_probabilities_of_the_system(name: str, tmp_path: Path) -> None:
    system, model = made(name, *SEQUENCES[name])
    write(model, tmp_path)
    rows: dict[str, Rows] = {}
    features: dict[str, list[np.ndarray | None]] = {}
    for place, one in enumerate(model.inputs):
        values, lengths = padded(COUNT, one.width, seed=place, least=int(place == 0))
        if one.reads == "vectors":
            lengths = lengths.clamp_max(1)
            rows[one.name] = Rows.of_vectors(values[:, :1], lengths > 0)
            features[one.name] = np.where(lengths > 0, values[:, 0], np.nan)  # type: ignore[assignment]
        else:
            rows[one.name] = packed(values, lengths)
            cut = zip(values.numpy(), lengths[:, 0].tolist(), strict=True)
            features[one.name] = [steps[:count] if count else None for steps, count in cut]
    with torch.no_grad():  # all utterances in one batch, padded to the longest
        wanted = torch.softmax(system(Batch.of(rows, torch.ones(COUNT, 1).bool())).logits[:, 0].double(), -1).numpy()
    found = load(tmp_path).probabilities(features)
    assert found.shape == (COUNT, len(LABELS)) and np.ptp(found, axis=0).max() > 0.01
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["tripathi", "word_alignment"])
def test_texts_as_numbers_of_a_vocabulary_are_read(name: str, tmp_path: Path) -> None:
    more = {"wordless": "query"} if name == "word_alignment" else {"bins": 4, "glances": 2}
    system, model = made(name, {"text": 30, "voice": 8}, {"words": True, **more})
    write(model, tmp_path)
    random = np.random.default_rng(0)
    texts = [random.integers(30, size=size) for size in (1, 5, 9)]
    voices = [random.normal(size=(size, 8)).astype(np.float32) for size in (4, 7, 2)]
    found = load(tmp_path).probabilities({"text": texts, "voice": voices})
    for place in range(3):
        values = {
            "text": Rows(torch.from_numpy(texts[place]), torch.tensor([[len(texts[place])]])),
            "voice": Rows(torch.from_numpy(voices[place]), torch.tensor([[len(voices[place])]])),
        }
        with torch.no_grad():
            wanted = torch.softmax(system(Batch.of(values)).logits[0, 0], -1).numpy()
        np.testing.assert_allclose(found[place], wanted, atol=1e-4)


DIALOGUES: Mapping[str, tuple[Mapping[str, int], Mapping[str, Any]]] = {
    "guided_window": (WIDTHS, {}),
    "lsdgnn": (WIDTHS, {"width": 16}),
    "mamba_dialogue": (WIDTHS, {"d_model": 16, "d_state": 4}),
    "unimse": (WIDTHS, {"reads": "vectors", "width": 16, "inner": 16, "head": 8, "heads": 2}),
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_five_hundred_utterances_of_dialogues_have_the_probabilities_of_the_system(name: str, tmp_path: Path) -> None:
    system, model = made(name, *DIALOGUES[name])
    write(model, tmp_path)
    loaded, random = load(tmp_path), np.random.default_rng(0)
    total = 0
    for turns in (1, 2, 3, 9, 33, 70, 120, 262):
        people = [("Ann", "Ben", "Cy")[one] for one in random.integers(3, size=turns)]
        features = {one: random.normal(size=(turns, wide)).astype(np.float32) for one, wide in WIDTHS.items()}
        for rows in features.values():
            rows[random.random(turns) < 0.1] = np.nan
        given = {
            one: Rows.of_vectors(torch.from_numpy(np.nan_to_num(v))[None], torch.from_numpy(~np.isnan(v[:, 0]))[None])
            for one, v in features.items()
        }
        numbers: dict[str, int] = {}
        speakers = torch.tensor([[numbers.setdefault(one, len(numbers)) for one in people]])
        with torch.no_grad():
            logits = system(Batch.of(given, torch.ones(1, turns).bool(), speakers=speakers)).logits[0]
        wanted = torch.softmax(logits.double(), -1).numpy()
        np.testing.assert_allclose(loaded.probabilities(features, speakers=people), wanted, atol=1e-4)
        total += turns
    assert total == COUNT
