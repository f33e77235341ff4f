"""Upstream, aggregation and back end: each by an option, tuned as deep as an option says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from merc.backbones import speech as encoders
from merc.errors import InputError
from merc.systems import Batch, Rows
from merc.systems.speech import AGGREGATORS, LayerMix, Speech, SpeechOptions
from tests.backbones.made import emotion2vec_folder, speech_folder

from .contract import CLASSES, SystemContract

FRAMES = {"voice": 24}
STATES = ((3, 8),)


class TestSpeech(SystemContract):
    system = Speech
    widths = FRAMES
    options = SpeechOptions(states=STATES, dropout=0.0)


class TestEcapa(SystemContract):
    system = Speech
    widths = FRAMES
    options = SpeechOptions(states=STATES, aggregator="ecapa", backend="mlp", width=16, attention=8, dropout=0.0)
    steps = 60


def frames(*lengths: int, width: int = 24, padding: int = 0) -> Batch:
    real = torch.arange(max(lengths) + padding)[None] < torch.tensor(lengths)[:, None]
    random = torch.Generator().manual_seed(0)
    values = torch.randn(len(lengths), 64, width, generator=random)[:, : real.shape[1]]
    labels = (torch.arange(len(lengths)) % CLASSES)[:, None]
    return Batch.of({"voice": Rows.of_steps(values, real)}, labels=labels)


def sounds(*seconds: float) -> Batch:
    random = np.random.default_rng(0)
    waves = [torch.from_numpy(0.2 * random.normal(size=round(16_000 * one))).float() for one in seconds]
    lengths = torch.tensor([[len(one)] for one in waves])
    labels = (torch.arange(len(waves)) % CLASSES)[:, None]
    return Batch.of({"voice": Rows(torch.cat(waves), lengths)}, labels=labels)


@pytest.mark.parametrize("aggregator", AGGREGATORS)
@pytest.mark.parametrize("backend", ["linear", "mlp"])
@pytest.mark.parametrize("layer", ["sum", "all", "last", 1])
def test_components_are_swapped_by_options_only(aggregator: str, backend: str, layer: str | int) -> None:
    options = SpeechOptions(states=STATES, aggregator=aggregator, backend=backend, layer=layer, width=16, attention=8)
    system = Speech(FRAMES, CLASSES, options)
    output = system(frames(9, 5, 2))
    assert output.logits is not None and output.logits.shape == (3, 1, CLASSES)
    output.loss.backward()
    assert all(one.grad is not None for one in system.parameters() if one.requires_grad)


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_pooling_is_invariant_to_padding_and_to_batch_composition(aggregator: str) -> None:
    torch.manual_seed(0)
    options = SpeechOptions(states=STATES, aggregator=aggregator, width=16, attention=8)
    system = Speech(FRAMES, CLASSES, options).eval()
    with torch.no_grad():
        whole = system(frames(9, 5, 2)).logits
        torch.testing.assert_close(system(frames(9, 5, 2, padding=7)).logits, whole, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(system(frames(9)).logits[0], whole[0], atol=1e-5, rtol=1e-5)


def test_layers_are_summed_by_learned_weights_or_taken_alone() -> None:
    states = torch.randn(2, 5, 3, 8)
    mix = LayerMix(3, "sum")
    torch.testing.assert_close(mix(states), states.mean(2))
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([-50.0, 50.0, -50.0]))
    torch.testing.assert_close(mix(states), states[:, :, 1])
    assert LayerMix(3, "all")(states).shape == (2, 5, 24) and LayerMix(3, "all").share == 3
    assert (LayerMix(3, "last")(states) == states[:, :, 2]).all() and (LayerMix(3, 0)(states) == states[:, :, 0]).all()
    with pytest.raises(InputError, match="layer is 3: the upstream has layers 0 to 2"):
        LayerMix(3, 3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("made")
    return speech_folder(root / "one"), speech_folder(root / "other", "hubert", width=8)


def tuned(folders: tuple[Path, ...], tuning: str) -> Speech:
    torch.manual_seed(0)
    upstreams = [encoders.load(str(folder)) for folder in folders]
    states = tuple((one.levels, one.width) for one in upstreams)
    options = SpeechOptions(backbone="+".join(map(str, folders)), tuning=tuning, states=states, top=1, rank=2)
    system = Speech({"voice": 1}, CLASSES, options)
    system.adopt(upstreams)
    return system


@pytest.mark.parametrize("tuning", ["frozen", "top-k", "lora", "all-but-front-end", "full"])
def test_frozen_upstreams_stay_bit_identical_and_tuned_ones_change(folders: tuple[Path, Path], tuning: str) -> None:
    system = tuned(folders[:1], tuning).train()
    before = {name: one.detach().clone() for name, one in system.upstreams.named_parameters()}
    optimiser = torch.optim.SGD([one for one in system.parameters() if one.requires_grad], 0.1)
    system(sounds(0.3, 0.5, 0.2, 0.4)).loss.backward()
    optimiser.step()
    changed = {name for name, one in system.upstreams.named_parameters() if not torch.equal(one, before[name])}
    if tuning == "frozen":
        assert not changed and all(one.grad is None for one in system.upstreams.parameters())
    elif tuning in ("top-k", "lora"):
        mark = ".layers.2." if tuning == "top-k" else "lora_"
        assert changed and all(mark in name for name in changed)
    else:
        front = {name for name in changed if "feature_extractor" in name}
        assert len(changed) > 10 and bool(front) == (tuning == "full")


def test_two_upstreams_give_both_widths_at_one_frame_rate(folders: tuple[Path, Path]) -> None:
    system = tuned(folders, "top-k").eval()
    batch = sounds(0.3, 0.5)
    with torch.no_grad():
        frames_, mask = system._frames(*batch.steps("voice"))
        alone, _ = tuned(folders[:1], "top-k").eval()._frames(*batch.steps("voice"))
        other, _ = tuned(folders[1:], "top-k").eval()._frames(*batch.steps("voice"))
    assert frames_.shape[-1] == 16 + 8 and frames_.shape[:2] == mask.shape
    torch.testing.assert_close(frames_[..., :16][mask], alone[mask])
    torch.testing.assert_close(frames_[..., 16:][mask], other[mask])


def test_a_faster_upstream_is_read_at_the_frame_rate_of_the_first(folders: tuple[Path, Path], tmp_path: Path) -> None:
    fast = emotion2vec_folder(tmp_path / "fast")
    batch = sounds(0.3)
    with torch.no_grad():
        both, mask = tuned((folders[0], fast), "top-k").eval()._frames(*batch.steps("voice"))
        alone, all_ = tuned((fast,), "top-k").eval()._frames(*batch.steps("voice"))
    slow, quick = int(mask.sum()), int(all_.sum())
    assert quick > 4 * slow
    middle = (2 * torch.arange(slow) + 1) * quick // (2 * slow)
    torch.testing.assert_close(both[0, :, 16:], alone[0, middle])


def test_an_upstream_learns_at_its_share_of_the_rate(folders: tuple[Path, Path]) -> None:
    system = tuned(folders[:1], "top-k")
    (name, (own, share)), *others = system.rate_shares().items()
    assert (name, share, others) == ("upstream", 0.02, [])
    assert {id(one) for one in own} == {id(one) for one in system.upstreams.parameters() if one.requires_grad}
    assert not Speech(FRAMES, CLASSES).rate_shares()


def test_an_utterance_without_sound_has_no_influence(folders: tuple[Path, Path]) -> None:
    system = tuned(folders[:1], "top-k").eval()
    batch = sounds(0.3, 0.5)
    lacking = replace(batch, rows={"voice": batch.rows["voice"].where(torch.tensor([[True], [False]]))})
    with torch.no_grad():
        found, whole = system(lacking).logits, system(batch).logits
    torch.testing.assert_close(found[0], whole[0], atol=1e-5, rtol=1e-5)
    assert (found[1] == 0).all()


def test_values_are_predicted_too() -> None:
    system = Speech(FRAMES, 0, SpeechOptions(states=STATES), dimensions=3)
    assert system(frames(4, 3)).values.shape == (2, 1, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregator": "max"}, "speech: aggregator is 'max': expected one of mean, mean.std, attentive, ecapa"),
        ({"tuning": "half"}, "speech: tuning is 'half': expected one of frozen"),
        ({"layer": "first"}, "speech: layer is 'first': expected one of sum, all, last, or a number"),
        ({"backbone": "", "tuning": "full"}, "tuning is 'full', but no backbone is named; give system.backbone"),
        ({"longest": 31}, "speech: longest is 31: expected 0.1 to 30"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SpeechOptions(**options)  # type: ignore[arg-type]
