"""The voice head on weights made for the purpose, and as it ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from merc.cache import file_hash
from merc.errors import InputError, WeightError
from merc.heads.voice import LEAST, TENSORS, VoiceHead, gate_inputs
from merc.labels import EKMAN7

NEUTRAL = EKMAN7.index("neutral")


def made(gate: float = 20.0) -> VoiceHead:
    """Labels are the first seven of eight columns; a gate that is always open, or with -20 always shut."""
    eye = 5 * np.eye(7, 8, dtype=np.float32)
    weights = {
        "centre": np.ones(8, np.float32),
        "alone": eye,
        "alone_bias": np.zeros(7, np.float32),
        "moved": eye,
        "moved_bias": np.zeros(7, np.float32),
        "hidden": np.eye(2, 8, k=6, dtype=np.float32),
        "hidden_bias": np.full(2, -9, np.float32),  # asleep: no test vector reaches 9
        "out": np.ones((7, 2), np.float32),
        "gate": np.array([gate, 0, 0, 0, 0, 0], np.float32),
        "share": np.array([1.0, 0.0], np.float32),
    }
    return VoiceHead(weights, {})


def spoken(labels: list[int], offset: np.ndarray) -> np.ndarray:
    return np.asarray(np.eye(8)[labels] + 1 + offset, np.float32)


def test_the_mean_of_the_speaker_is_taken_out() -> None:
    labels, offset = [NEUTRAL, 0, 1, 2, 3, 5, 6], 3 * np.eye(8)[2]
    vectors = spoken(labels, offset)
    assert (made().probabilities(vectors, ["a"] * 7).argmax(1) == labels).all()
    assert (made(-20).probabilities(vectors, ["a"] * 7).argmax(1) == 2).all()
    alone = made().probabilities(vectors, [None] * 7)
    np.testing.assert_allclose(alone, made(-20).probabilities(vectors, ["a"] * 7), atol=1e-6)


def test_speakers_are_kept_apart_and_few_utterances_are_judged_alone() -> None:
    head, labels = made(), [0, 1, 2, 3]
    first, second = spoken(labels, np.zeros(8)), spoken(labels, 3 * np.eye(8)[5])
    both = head.probabilities(np.concatenate([first, second]), ["a"] * 4 + ["b"] * 4)
    np.testing.assert_allclose(both[:4], head.probabilities(first, ["a"] * 4), atol=1e-6)
    np.testing.assert_allclose(both[4:], both[:4], atol=1e-5)
    few = second[: LEAST - 1]
    np.testing.assert_allclose(head.probabilities(few, ["b"] * len(few)), head.probabilities(few, [None] * len(few)))


def test_hidden_units_add_to_the_second_map_alone() -> None:
    head, vectors = made(), np.ones((4, 8), np.float32) + 4 * np.eye(8, dtype=np.float32)[[6, 6, 7, 7]]
    awake = {"hidden_bias": np.zeros(2, np.float32), "out": 9 * np.eye(7, 2, dtype=np.float32)}
    found = VoiceHead(head.weights | awake, {})
    assert found.probabilities(vectors, ["a"] * 4)[2:].argmax(1).tolist() == [1, 1]  # unit 1 reads column 7
    assert head.probabilities(vectors, ["a"] * 4)[2:].argmax(1).tolist() != [1, 1]  # which no linear part reads
    alone = [one.probabilities(vectors, [None] * 4) for one in (head, found)]
    np.testing.assert_array_equal(*alone)


def test_windows_are_judged_as_their_speaker_is() -> None:
    head, vectors = made(), spoken([0, 1, 2, 3], 3 * np.eye(8)[5])
    speakers = head.speakers(vectors, ["a"] * 4)
    np.testing.assert_array_equal(head.judge(vectors, speakers), head.probabilities(vectors, ["a"] * 4))
    twice = head.judge(vectors[[2, 2]], speakers.of(2, 2))
    np.testing.assert_allclose(twice, head.probabilities(vectors, ["a"] * 4)[[2, 2]])


def test_what_the_gate_reads_tells_one_mood_from_several() -> None:
    sure = np.where(np.eye(7) > 0, 0.94, 0.01)
    several, one = gate_inputs(sure, sure), gate_inputs(sure[[0] * 7], sure[[0] * 7])
    assert several[1] > 1 and abs(one[1]) < 1e-9
    assert several[3] == pytest.approx(one[3])
    assert several[5] == pytest.approx(np.log(7))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"vectors of shape \(2, 5\) for 2 people; expected \(n, 8\)"):
        made().probabilities(np.zeros((2, 5)), ["a", "a"])
    with pytest.raises(InputError, match="for 1 people"):
        made().probabilities(np.zeros((2, 8)), ["a"])


def write(folder: Path, head: VoiceHead) -> None:
    save_file(head.weights, folder / "voice.safetensors")
    weights = {"file": "voice.safetensors", "sha256": file_hash(folder / "voice.safetensors")}
    (folder / "voice.json").write_text(json.dumps({"weights": weights}))


def test_a_folder_is_read_and_what_is_missing_or_altered_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match=r"voice\.json is missing; train it with 'merc train voice-head --out"):
        VoiceHead.load(tmp_path)
    write(tmp_path, made())
    np.testing.assert_array_equal(VoiceHead.load(tmp_path).weights["alone"], made().weights["alone"])
    altered = tmp_path / "altered"
    altered.mkdir()
    write(altered, made())
    (altered / "voice.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightError, match="missing or not the file of its card"):
        VoiceHead.load(altered)
    for number, damaged in enumerate((b"", b"[]", b"[" * 100_000, b"{}", b'{"weights": 1}')):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, made())
        (folder / "voice.json").write_bytes(damaged)
        with pytest.raises(WeightError, match=r"voice\.json is damaged .*; train it with 'merc train voice-head"):
            VoiceHead.load(folder)


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    head = made()
    write(tmp_path, VoiceHead({name: head.weights[name] for name in TENSORS[1:]}, {}))
    with pytest.raises(WeightError, match="holds alone, .*; expected centre, alone"):
        VoiceHead.load(tmp_path)


def test_the_shipped_head_reads_vectors_of_the_encoder_that_its_card_names() -> None:
    head = VoiceHead.load()
    assert head.card["base"]["name"] == "whisper-base" and head.width == head.card["base"]["options"]["width"]
    found = head.probabilities(np.tile(head.weights["centre"], (5, 1)), ["a"] * 5)
    np.testing.assert_allclose(found.sum(1), 1)
    assert "tess" not in {one["name"] for one in head.card["data"]["sources"]}
