"""emotion2vec in its authors' layout: names, shapes, masks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from merc.backbones import speech
from merc.backbones.emotion2vec import Emotion2vecBackbone, convolutions, slopes
from merc.errors import InputError, WeightError

from .made import EMOTION2VEC, emotion2vec_folder


def waves(*seconds: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [np.asarray(0.3 * random.normal(size=round(16_000 * one)), np.float32) for one in seconds]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Emotion2vecBackbone:
    made = speech.load(str(emotion2vec_folder(tmp_path_factory.mktemp("made") / "tiny", prefix="d2v_model.")))
    assert isinstance(made, Emotion2vecBackbone) and not made.training
    return made


def test_all_states_of_all_blocks_without_the_tokens_in_front(backbone: Emotion2vecBackbone) -> None:
    sound = waves(0.4)
    with torch.no_grad():
        states = backbone(backbone.prepare(sound))
    frames = ((6400 - 40) // 20 + 1 - 4) // 2 + 1
    frames = (frames - 4) // 2 + 1
    assert backbone.steps(6400) == frames and states.values.shape == (1, frames, 4, 24)
    assert (backbone.levels, backbone.width, len(backbone.layers())) == (4, 24, 3)


def test_states_do_not_depend_on_padding_or_batch_mates(backbone: Emotion2vecBackbone) -> None:
    sounds = waves(0.5, 0.3, 0.9)
    with torch.no_grad():
        together = backbone(backbone.prepare(sounds))
        for row, sound in enumerate(sounds):
            alone = backbone(backbone.prepare([sound]))
            torch.testing.assert_close(together.values[row][together.mask[row]], alone.values[0], atol=1e-5, rtol=1e-4)


def test_the_blocks_of_the_context_encoder_come_first_and_the_tensors_of_pretraining_are_left_out(
    tmp_path: Path,
) -> None:
    folder = emotion2vec_folder(tmp_path / "tiny")
    made = speech.load(str(folder))
    stored = torch.load(folder / "model.pt", weights_only=True)["model"]
    own = made.network.state_dict()
    audio = "modality_encoders.AUDIO."
    for name, theirs in {
        "blocks.0.attn.qkv.weight": f"{audio}context_encoder.blocks.0.attn.qkv.weight",
        "blocks.1.mlp.fc2.bias": "blocks.0.mlp.fc2.bias",
        "blocks.2.norm2.weight": "blocks.1.norm2.weight",
        "places.1.weight": f"{audio}relative_positional_encoder.2.0.weight",
        "hear.2.weight": f"{audio}local_encoder.conv_layers.2.0.weight",
        "hear_norms.1.bias": f"{audio}local_encoder.conv_layers.1.2.1.bias",
        "project.weight": f"{audio}project_features.2.weight",
        "norm.bias": f"{audio}context_encoder.norm.bias",
    }.items():
        assert torch.equal(own[name], stored[theirs]), name


def test_one_block_is_attention_with_linear_biases_normalised_behind(backbone: Emotion2vecBackbone) -> None:
    block, states = backbone.own.blocks[1], torch.randn(1, 5, 24, generator=torch.Generator().manual_seed(1))
    bias = backbone.own._bias(torch.ones(1, 3, dtype=torch.bool), 2)
    assert bias.shape == (1, 3, 5, 5) and not bias[..., :2, :].any() and not bias[..., :2].any()
    assert bias[0, :, 2, 4].tolist() == pytest.approx([-2 * 0.5 * one for one in slopes(3)])
    with torch.no_grad():
        query, keys, values = block.attn["qkv"](states)[0].chunk(3, -1)
        heads = []
        for head in range(3):
            part = slice(8 * head, 8 * head + 8)
            scores = query[:, part] @ keys[:, part].T / 8**0.5 + bias[0, head]
            heads.append(scores.softmax(-1) @ values[:, part])
        middle = block.norm1(states[0] + block.attn["proj"](torch.cat(heads, -1)))
        inner = block.mlp["fc2"](torch.nn.functional.gelu(block.mlp["fc1"](middle)))
        torch.testing.assert_close(block(states, bias)[0], block.norm2(middle + inner), atol=1e-5, rtol=1e-5)


def test_slopes_and_convolutions_are_those_of_the_paper() -> None:
    assert slopes(8) == [2.0**-n for n in range(1, 9)]
    assert slopes(12)[8:] == [2.0 ** -(n + 0.5) for n in range(4)]
    spec = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
    assert convolutions(spec) == [(512, 10, 5), *[(512, 3, 2)] * 4, (512, 2, 2), (512, 2, 2)]
    with pytest.raises(ValueError, match="malformed"):
        convolutions("__import__('os')")


def test_what_is_tuned(backbone: Emotion2vecBackbone) -> None:
    trained = backbone.trainable("top-k", layers=1)
    assert len(trained) == len(list(backbone.layers()[-1].parameters()))
    backbone.trainable("all-but-front-end")
    frozen = {name for name, one in backbone.network.named_parameters() if not one.requires_grad}
    assert frozen and all(name.startswith("hear") for name in frozen)
    backbone(backbone.prepare(waves(0.2))).values.square().mean().backward()
    assert backbone.own.alibi_scale.grad is not None
    backbone.trainable("frozen")


def test_what_is_not_emotion2vec_is_refused(tmp_path: Path) -> None:
    folder = emotion2vec_folder(tmp_path / "tiny")
    (folder / "config.yaml").write_text(EMOTION2VEC.replace("    normalize: true\n", ""))
    with pytest.raises(InputError, match=r"config.yaml has no model_conf.normalize; copy it from where"):
        speech.described(str(folder))
    (folder / "config.yaml").write_text(EMOTION2VEC.replace("layer_norm_first: false", "layer_norm_first: true"))
    with pytest.raises(WeightError, match="config.yaml is not that of emotion2vec .blocks that normalise first"):
        speech.described(str(folder))
    (folder / "config.yaml").write_text(EMOTION2VEC.replace("depth: 2\n", "depth: 3\n", 1))
    speech.described.cache_clear()
    with pytest.raises(WeightError, match="does not hold the weights of its config.yaml"):
        speech.load(str(folder))
    (folder / "model.pt").unlink()
    speech.described.cache_clear()
    with pytest.raises(WeightError, match=r"has no \*.pt; copy the weights there"):
        speech.described(str(folder))
