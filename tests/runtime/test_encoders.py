from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

import torch
from transformers import PreTrainedTokenizerFast

from merc import weights
from merc.backbones.mpnet_dialogue import Reading, batches, cut, numbered, read, scored
from merc.backbones.mpnet_windows import pooled
from merc.conversation import Conversation, Utterance
from merc.errors import InputError, MissingExtra
from merc.features.expression import RATE
from merc.nn.whisper import WhisperNetwork
from merc.onnx import encoder, encoders
from merc.onnx.encoder import Axis, ExportedEncoder
from merc.runtime import load_encoder
from merc.runtime.encoders import ConversationEncoder, SentenceEncoder, _Words
from tests.backbones import made
from tests.onnx import made_models

WORDS = ["speaker", "1", "2", "3", ":", ".", "it", "is", "so", "good", "bad", "not", "and", "but", "why"]
SETTINGS = {"speakers": "number", "context": "past", "longest": 12, "window": 30, "before": 12}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A tokenizer of a few words."""
    return made_models.tokenizer(tmp_path)


def small(module: torch.nn.Module, tokenizer: Path, **more: object) -> ExportedEncoder:
    def example(size: int) -> tuple[torch.Tensor, ...]:
        tokens, owners = encoders._window(size)
        return (tokens % 40 + 5, owners) if isinstance(module, encoders.Conversation) else (tokens % 40 + 5,)

    axes = (Axis("tokens", (1, "L"), "int64", "numbers"), Axis("owners", (1, "L"), "int64", "utterances"))
    made_ = ExportedEncoder(
        name="small",
        module=module,
        inputs=axes[: 2 if isinstance(module, encoders.Conversation) else 1],
        output=(1, "U", 32),
        example=example,
        reads="conversation",
        description={"encoder": "small"},
        licence="none",
        settings=SETTINGS,
        files={"tokenizer.json": tokenizer},
    )
    return replace(made_, **more)  # type: ignore[arg-type]


def dialogue(count: int) -> Conversation:
    random = np.random.default_rng(count)
    texts = [" ".join(random.choice(WORDS[6:], random.integers(1, 9))) for _ in range(count)]
    people = [("Ann", "Ben", "Cy", None)[place] for place in random.integers(4, size=count)]
    turns = (
        Utterance(str(place), text=text, speaker=by) for place, (text, by) in enumerate(zip(texts, people, strict=True))
    )
    return Conversation("talk", tuple(turns))


def test_five_hundred_utterances_have_the_vectors_that_torch_gives_in_their_windows(
    tokenizer: Path, tmp_path: Path
) -> None:
    network, talk = made.mpnet(), dialogue(500)
    encoder.write(small(encoders.Conversation(network, "past"), tokenizer), tmp_path / "out")
    own = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), pad_token="<pad>")
    sizes = {"size": SETTINGS["window"], "before": SETTINGS["before"], "longest": SETTINGS["longest"]}
    windows = cut(own, [numbered(talk)], reading=Reading(), **sizes)  # type: ignore[arg-type]
    wanted = {}
    for batch in batches(windows, 200):  # several windows in one batch, padded
        with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
            patch.setattr("merc.backbones.mpnet_dialogue.multiplies_bfloat16", lambda device: False)
            means = pooled(*read(network, batch, padding=1, context="past")).numpy()
        wanted |= {one.id: means[row, place] for row, place, one in scored(batch, [talk])}
    loaded = load_encoder(tmp_path / "out")
    assert isinstance(loaded, ConversationEncoder)
    found = loaded.encode([turn.text for turn in talk], [turn.speaker for turn in talk])
    np.testing.assert_allclose(found, np.stack([wanted[turn.id] for turn in talk]), atol=1e-4)
    assert loaded.encode([], []).shape == (0, 32)
    with pytest.raises(InputError, match="1 speakers for 2 texts; expected one for each"):
        loaded.encode(["so", "not"], ["Ann"])


def test_a_text_alone_is_the_mean_of_its_tokens_of_length_one(tokenizer: Path, tmp_path: Path) -> None:
    network = made.mpnet()
    what = small(encoders.Sentence(network), tokenizer, reads="text", output=(1, 32), settings={"longest": 64})
    encoder.write(what, tmp_path / "out")
    loaded = load_encoder(tmp_path / "out")
    texts = ["it is so good", "not"]
    found = loaded.encode(texts)
    assert isinstance(loaded, SentenceEncoder)
    for row, text in zip(found, texts, strict=True):
        with torch.no_grad():
            states = network(input_ids=torch.tensor(loaded.tokens([text]))).last_hidden_state[0]
        mean = states.mean(0).numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-5)
    with pytest.raises(InputError, match="text 1 of 2 is empty"):
        loaded.encode(["so", " "])


def test_the_tokens_are_those_of_the_library_that_torch_uses(weight: Callable[..., None], data: Path) -> None:
    weight("mpnet")
    from merc.backbones import mpnet
    from merc.corpora import conversations_of

    folder = weights.path("mpnet")
    manifest = {"settings": {"longest": 40}, "tokenizer": "tokenizer.json", "width": 768}
    own: _Words = SentenceEncoder(manifest, None, folder)
    texts = [turn.text or "." for one in conversations_of(["meld"], data)[:80] for turn in one]
    texts += ["caf\u00e9 \U0001f600 <mask> </s>", "a" * 3000, "\u4f60\u597d, world\n\tx"]
    assert len(texts) > 500
    assert own.tokens(texts) == mpnet.tokenizer()(texts, truncation=True, max_length=40)["input_ids"]


def test_sounds_have_statistics_at_their_own_length_and_at_most_thirty_seconds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    what = ExportedEncoder(
        name="small",
        module=encoders.Statistics(WhisperNetwork(16, 2, 2).eval(), first=1, layers=2),
        inputs=(Axis("mels", (1, 80, "F"), "float32", "log-mel"),),
        output=(1, 64),
        example=encoders._mels,
        reads="sound",
        description={},
        licence="none",
        settings={"shortest": RATE // 5, "longest": 30 * RATE},
    )
    encoder.write(what, tmp_path)
    loaded = load_encoder(tmp_path)
    sound = (np.random.default_rng(0).normal(size=31 * RATE) * 3000).astype(np.int16)
    found = loaded.encode([sound, sound[: 30 * RATE], sound[:800], np.pad(sound[:800], (0, 2400))])
    assert found.shape == (4, 64)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    with pytest.raises(InputError, match="sound 0 of type int32"):
        loaded.encode([sound.astype(np.int32)])


def test_the_speaker_encoder_gives_what_merc_gives(weight: Callable[..., None], tmp_path: Path) -> None:
    weight("campplus")
    from merc.features.voice import VoiceEncoder

    encoder.write(encoders.exported("campplus"), tmp_path)
    random = np.random.default_rng(0)
    seconds = (0.05, 0.3, 0.8, 1.234, 12.3)
    sounds = [(random.normal(size=int(one * RATE)) * 0.1).astype(np.float32) for one in seconds]
    found, wanted = load_encoder(tmp_path).encode(sounds), VoiceEncoder().encode(sounds)
    assert np.isnan(found[0]).all() and np.isnan(wanted[0]).all()
    np.testing.assert_allclose(found[1:], wanted[1:], atol=1e-3)
    unit = [one[1:] / np.linalg.norm(one[1:], axis=1, keepdims=True) for one in (found, wanted)]
    assert (unit[0] * unit[1]).sum(1).min() > 1 - 1e-5


def test_an_encoder_that_this_merc_does_not_know_and_a_missing_package_are_named(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder.write(small(encoders.Sentence(made.mpnet(1)), tokenizer, reads="smell"), tmp_path / "out")
    with pytest.raises(InputError, match="reads 'smell'; this merc knows text, conversation, sound, voice, face"):
        load_encoder(tmp_path / "out")
    encoder.write(small(encoders.Sentence(made.mpnet(1)), tokenizer, reads="text"), tmp_path / "out")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match="pip install tokenizers"):
        load_encoder(tmp_path / "out")
