"""Heads load only what their card vouches for, and answer with calibrated probabilities."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError, WeightError
from merc.heads.head import NAMES, Head, SpokenHead, fusion_card, head_models, read_weights
from merc.labels import EKMAN7


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    for path in trained.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def test_probabilities_and_emotion_vectors(trained: Path) -> None:
    head = Head.load("text", folder=trained)
    vectors = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    probabilities = head.probabilities(vectors)
    assert probabilities.shape == (5, 7)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert head.emotion_vector(vectors).shape == (5, 128)
    assert (head.emotion_vector(vectors) >= 0).all()
    assert head.probabilities(vectors[:0]).shape == (0, 7)
    assert head.labels == EKMAN7


def test_the_temperature_of_the_card_is_used(trained: Path) -> None:
    head = Head.load("text", folder=trained)
    vectors = np.eye(16, dtype=np.float32)
    powers = np.exp(head.logits(vectors) / head.card["calibration"]["temperature"])
    np.testing.assert_allclose(head.probabilities(vectors), powers / powers.sum(1, keepdims=True), rtol=1e-5)


def test_the_calibration_on_conversation_is_used_where_there_is_one(copied: Path) -> None:
    bias = dict.fromkeys(EKMAN7, 0.0) | {"neutral": 50.0}
    sha256 = json.loads((copied / "text.json").read_text())["weights"]["sha256"]
    fusion = {"heads": {"text": sha256}, "text": {"temperature": 2.0, "bias": bias, "layer": None}}
    (copied / "fusion.json").write_text(json.dumps({"fusion": fusion}))
    vectors = np.eye(16, dtype=np.float32)
    moved = Head.load("text", folder=copied).probabilities(vectors)
    assert (moved.argmax(1) == EKMAN7.index("neutral")).all()
    own = Head.load("text", folder=copied, conversation=False).probabilities(vectors)
    assert set(own.argmax(1)) != {EKMAN7.index("neutral")}


def test_the_layer_fitted_on_conversation_is_used_where_there_is_one(copied: Path) -> None:
    from safetensors.numpy import save_file

    from merc.cache import file_hash

    weight = np.zeros((7, 128 + 16), np.float32)
    weight[:, -7:] = np.eye(7)
    layer = copied / "fusion.safetensors"
    save_file({"weight": weight, "bias": np.arange(7, dtype=np.float32)}, layer)
    sha256 = json.loads((copied / "text.json").read_text())["weights"]["sha256"]
    moved = {"temperature": 1.0, "bias": {}, "layer": {"file": layer.name, "sha256": file_hash(layer)}}
    (copied / "fusion.json").write_text(json.dumps({"fusion": {"heads": {"text": sha256}, "text": moved}}))
    head = Head.load("text", folder=copied)
    vectors = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    np.testing.assert_allclose(head.logits(vectors), vectors[:, -7:] + np.arange(7), atol=1e-5)
    np.testing.assert_allclose(head.probabilities(vectors).sum(1), 1)


def test_words_in_conversation_are_judged_by_the_layers_that_were_trained_with_the_encoder(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    from merc.cache import file_hash

    random, path = np.random.default_rng(0), tmp_path / "mine.safetensors"
    shapes = {"head.1.weight": (5, 8), "head.1.bias": (5,), "head.4.weight": (7, 5), "head.4.bias": (7,)}
    layers = {name: random.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}
    save_file({**layers, "other": np.zeros(1, np.float32)}, path)
    head = SpokenHead(path, sha256=file_hash(path), temperature=2.0)
    vectors = random.normal(size=(3, 8)).astype(np.float32)
    one, two, three, four = (layers[name].astype(np.float64) for name in shapes)
    powers = np.exp((np.tanh(vectors @ one.T + two) @ three.T + four) / 2)
    np.testing.assert_allclose(head.probabilities(vectors), powers / powers.sum(1, keepdims=True))
    with pytest.raises(InputError, match=r"vectors of shape \(3, 5\); expected \(n, 8\)"):
        head.logits(vectors[:, :5])
    with pytest.raises(WeightError, match="missing, or not the file that the card of the fusion names"):
        SpokenHead(path, sha256="0" * 64, temperature=1.0)
    save_file(layers | {"head.4.bias": np.zeros(4, np.float16)}, path)
    with pytest.raises(WeightError, match="has no layers for 7 labels; name an encoder trained on meld-7"):
        SpokenHead(path, sha256=file_hash(path), temperature=1.0)


def test_a_fusion_of_another_head_is_refused(copied: Path) -> None:
    other = {"heads": {"text": "0" * 64}, "text": {"temperature": 1.0}}
    (copied / "fusion.json").write_text(json.dumps({"fusion": other}))
    message = "text head: .*fusion.json was fitted to another one; run 'merc train late-fusion'"
    with pytest.raises(WeightError, match=message):
        Head.load("text", folder=copied)


def test_other_widths_are_refused(trained: Path) -> None:
    with pytest.raises(InputError, match=r"text head: embeddings of shape \(2, 5\); expected \(n, 16\) from words"):
        Head.load("text", folder=trained).probabilities(np.zeros((2, 5), np.float32))


def test_unknown_and_missing_heads(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="head 'smell': expected text, voice, face"):
        Head.load("smell")
    with pytest.raises(
        WeightError, match=r"voice: .*voice\.json is missing; make it with 'merc train voice-head --out"
    ):
        Head.load("voice", folder=tmp_path)
    with pytest.raises(WeightError, match=r"fusion\.json is missing; make it with 'merc train late-fusion --out"):
        fusion_card(folder=tmp_path)


def test_altered_and_missing_weights(copied: Path) -> None:
    weights = copied / "text.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        WeightError, match=r"text head: .*has SHA-256 .*its card says .*train it with 'merc train text-head"
    ):
        Head.load("text", folder=copied)
    weights.unlink()
    with pytest.raises(WeightError, match=r"text head: .*text\.safetensors is missing"):
        Head.load("text", folder=copied)


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"[]", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_a_card_that_is_damaged(copied: Path, damaged: bytes) -> None:
    (copied / "text.json").write_bytes(damaged)
    with pytest.raises(WeightError, match=r"text: .*text\.json is damaged .*; train it again, or reinstall merc"):
        Head.load("text", folder=copied)


def test_files_that_are_no_heads(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "x.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(WeightError, match="is not a safetensors file"):
        read_weights(path)
    save_file({"a": np.zeros(1, np.float32)}, path)
    with pytest.raises(WeightError, match="holds a; expected weight_0, bias_0"):
        read_weights(path)


@pytest.mark.parametrize(("name", "width"), [("text", 768), ("face", 14336)])
def test_shipped_heads(name: str, width: int) -> None:
    head = Head.load(name)
    assert head.width == width
    probabilities = head.probabilities(np.random.default_rng(0).normal(size=(20, width)).astype(np.float32))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert len(set(probabilities.argmax(1))) > 1


def test_what_is_said_of_the_shipped_heads() -> None:
    models = head_models()
    assert [model.slot for model in models[:3]] == [f"{name} head" for name in NAMES]
    assert all(len(model.sha256) == 64 and "research" in model.licence for model in models)
    card = fusion_card()
    assert sum(card["prior"].values()) == pytest.approx(1, abs=1e-4)
    for name in ("voice", "face"):
        assert 0 <= card[name]["weight"] <= 1
        assert sum(card[name]["prior"].values()) == pytest.approx(1, abs=1e-4)
    assert 0 < card["abstention"]["threshold"] < 1


def test_a_face_that_always_talks_is_not_surprised_each_time() -> None:
    """An open mouth looks like surprise; that a person has it whenever the words are neutral says that it is not."""
    head = Head.load("face")
    model = head.person
    assert model is not None
    means = model.vectors(model.means + model.centre)  # (7, 128), the mean emotion vector of each label
    neutral, surprise = EKMAN7.index("neutral"), EKMAN7.index("surprise")
    opened = means[surprise] - means[neutral]
    faces = means[neutral] + np.array([0.6] * 10 + [1.4])[:, None] * opened
    words = np.where(np.arange(7) == neutral, 0.7, 0.05) * np.ones((11, 1))
    words[-1] = 1 / 7
    alone = head.classify(faces)
    joint = head.classify(faces - head.offsets(faces, ["Ada"] * 11, words))
    assert (alone.argmax(1) == surprise).all()
    assert (joint[:-1].argmax(1) == neutral).all(), joint[0].round(2)
    assert joint[-1].argmax() == surprise, "the one that is more than talking"
