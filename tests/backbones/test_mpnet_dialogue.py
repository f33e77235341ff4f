"""Utterances in the context of their dialogue: adapters of a file, windows, threads and devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merc.backbones import mpnet_dialogue
from merc.backbones.mpnet_dialogue import DialogueEncoder, MpnetDialogue, Reading, cut, numbered, opened, told
from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError

from .made import Letters, mpnet, other_default_device

TALK = Conversation("d", (Utterance("a", "Ann", "hi"), Utterance("b", "Ben", ""), Utterance("c", "Ann", "bye bye")))


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(1)
    values = {}
    for name in ("encoder.layer.0.attention.attn.q", "encoder.layer.1.intermediate.dense"):
        layer = mpnet().get_submodule(name)
        out, width = layer.weight.shape
        values[f"base_model.model.{name}.lora_A.weight"] = torch.randn(2, width, generator=generator)
        values[f"base_model.model.{name}.lora_B.weight"] = torch.randn(out, 2, generator=generator)
    save_file(values, tmp_path / "x.safetensors", metadata=Reading(context="past").head)
    return tmp_path / "x.safetensors"


def encoder(path: Path, **options: object) -> DialogueEncoder:
    return DialogueEncoder(path, network=mpnet(), tokenizer=Letters(), **options)  # type: ignore[arg-type]


def test_an_utterance_attends_to_the_past_alone(adapters: Path) -> None:
    whole = encoder(adapters).encode([TALK])
    first = encoder(adapters).encode([Conversation("d", TALK.utterances[:2])])
    assert set(whole) == {"a", "b", "c"} and whole["a"].shape == (32,) and whole["a"].dtype == np.float32
    np.testing.assert_allclose(first["b"], whole["b"], atol=2e-2)
    other = Conversation("d", (Utterance("a", "Ann", "no!"), *TALK.utterances[1:]))
    assert np.abs(encoder(adapters).encode([other])["c"] - whole["c"]).max() > 1e-3


def test_the_last_utterance_alone_has_the_vector_that_it_has_among_all(adapters: Path) -> None:
    one = encoder(adapters)
    np.testing.assert_allclose(one.encode_last(TALK), one.encode([TALK])["c"], atol=1e-5)


def test_the_mean_of_its_tokens_is_the_vector(adapters: Path) -> None:
    one = encoder(adapters)
    vectors, tokens = one.encode([TALK]), one.encode_tokens([TALK])
    for name, vector in vectors.items():
        assert tokens[name].dtype == np.float16
        np.testing.assert_allclose(tokens[name].astype(np.float32).mean(0), vector, atol=5e-3)


def test_nothing_is_left_behind_and_no_tensor_is_made_on_another_device(adapters: Path) -> None:
    expected = encoder(adapters).encode([TALK])
    before, random = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(before + 1)
    try:
        made = encoder(adapters, threads=1)
        random = torch.get_rng_state()
        with other_default_device():
            found = made.encode([TALK])
        assert torch.get_num_threads() == before + 1 and torch.equal(torch.get_rng_state(), random)
    finally:
        torch.set_num_threads(before)
    for name, vector in expected.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)


def test_the_number_of_threads_changes_no_byte(adapters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpnet_dialogue, "WINDOW", 40)
    monkeypatch.setattr(mpnet_dialogue, "BEFORE", 16)
    talk = Conversation("d", tuple(Utterance(str(n), "Ann", f"{'word ' * (n % 3)}{n}") for n in range(200)))
    made = [encoder(adapters, threads=count).encode([talk]) for count in (1, 2, 4)]
    for name, vector in made[0].items():
        assert all(other[name].tobytes() == vector.tobytes() for other in made[1:])


def test_windows_behind_the_contract(adapters: Path) -> None:
    backbone = MpnetDialogue(mpnet(), padding=1)
    windows = cut(Letters(), [TALK], reading=Reading(), size=64, before=16)
    with torch.no_grad(), other_default_device():
        states = backbone(backbone.prepare(windows))
    assert states.values.shape[:2] == states.mask.shape and not states.mask[:, 0].any()
    assert int(states.mask.sum()) == len(windows[0].tokens) - 1
    assert len(backbone.trainable("top-k", layers=1)) == len(list(mpnet().encoder.layer[0].parameters()))


def test_speakers_by_name_letter_or_not_at_all() -> None:
    assert told(TALK, "name") == ["Ann: hi", "Ben: ...", "Ann: bye bye"]
    assert told(TALK, "letter")[:2] == ["A: hi", "B: ..."] and told(TALK, "none")[0] == "hi"
    assert [turn.speaker for turn in numbered(TALK)] == ["Speaker 1", "Speaker 2", "Speaker 1"]


def test_what_is_no_file_of_adapters(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no adapters at .*; those shipped with merc are .*meld-warm"):
        opened(tmp_path / "none.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(FormatError, match="holds no adapters .*; train them again with 'merc train'"):
        opened(tmp_path / "x.safetensors")
    for option in ({"context": "future"}, {"speakers": "number"}):
        with pytest.raises(InputError, match="expected"):
            Reading(**option)
