"""The segmentation network: frames, filters, and that it hears speech but not silence."""

import math

import numpy as np
import pytest
import torch

from merc.errors import WeightError
from merc.nn import segmentation
from merc.nn.threads import threads


def random_state():
    generator = torch.Generator().manual_seed(0)

    def some(*shape):
        return torch.randn(shape, generator=generator) * 0.1

    state = {
        "sincnet.conv1d.0.filterbank.low_hz_": torch.linspace(0, 3000, 40)[:, None],
        "sincnet.conv1d.0.filterbank.band_hz_": torch.full((40, 1), 50.0),
        "sincnet.conv1d.0.filterbank.window_": torch.hamming_window(251, periodic=False)[:125],
    }
    for name, channels in (("wav_norm1d", 1), ("norm1d.0", 80), ("norm1d.1", 60), ("norm1d.2", 60)):
        state |= {f"sincnet.{name}.weight": 1 + some(channels), f"sincnet.{name}.bias": some(channels)}
    for number, inputs in ((1, 80), (2, 60)):
        state |= {f"sincnet.conv1d.{number}.weight": some(60, inputs, 5), f"sincnet.conv1d.{number}.bias": some(60)}
    for layer in range(4):
        for way in ("", "_reverse"):
            state[f"lstm.weight_ih_l{layer}{way}"] = some(512, 60 if layer == 0 else 256)
            state[f"lstm.weight_hh_l{layer}{way}"] = some(512, 128)
            state |= {f"lstm.bias_{part}_l{layer}{way}": some(512) for part in ("ih", "hh")}
    for name, outputs, inputs in (("linear.0", 128, 256), ("linear.1", 128, 128), ("classifier", 7, 128)):
        state |= {f"{name}.weight": some(outputs, inputs), f"{name}.bias": some(outputs)}
    return state


STATE = random_state()


@pytest.fixture(scope="module")
def network():
    return segmentation.Segmentation(STATE)


@pytest.mark.parametrize("samples", [2000, 16000, 160000])
def test_frames_are_as_many_as_promised(network, samples):
    with threads(1):
        out = network(torch.randn(1, samples, generator=torch.Generator().manual_seed(0)))
    assert out.shape == (1, segmentation.frame_count(samples), 7)
    torch.testing.assert_close(out.exp().sum(-1), torch.ones(out.shape[:2]))


def test_too_few_samples_give_no_frame():
    assert segmentation.frame_count(990) == 0
    assert segmentation.frame_count(0) == 0


def test_loudness_does_not_matter(network):
    sound = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    with threads(1):
        torch.testing.assert_close(network(0.5 * sound), network(sound), rtol=1e-3, atol=1e-3)


def test_a_filter_passes_its_band(network):
    filters = network.filters.band_pass[:, 0]  # (80, 251)
    time = torch.arange(251) / 16000
    low = 50 + torch.linspace(0, 3000, 40)[20].item()
    inside, outside = low + 50, low + 1000
    gain = {
        f: (filters[20] * torch.cos(2 * math.pi * f * (time - 125 / 16000))).sum().item() for f in (inside, outside)
    }
    assert gain[inside] > 20 * abs(gain[outside])
    torch.testing.assert_close(filters[:40], filters[:40].flip(1))
    torch.testing.assert_close(filters[40:], -filters[40:].flip(1))


def test_an_absent_weight_names_itself(monkeypatch, tmp_path):
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightError, match="weight segmentation not downloaded yet"):
        segmentation.load()


def test_noise_is_nobody(weight):
    weight("segmentation")
    noise = np.random.default_rng(0).normal(0, 0.01, (1, 48000)).astype(np.float32)
    with threads(1):
        assert (segmentation.load()(torch.from_numpy(noise)).argmax(-1) == 0).all()


def test_one_voice_is_heard(data, weight):
    weight("segmentation")
    import soundfile
    import soxr

    sound, rate = soundfile.read(data / "clips" / "jfk.flac", dtype="float32")
    sound = soxr.resample(sound.mean(1), rate, 16000)
    with threads(1):
        classes = segmentation.load()(torch.from_numpy(sound[:160000])[None]).argmax(-1)[0]
    spoken = classes > 0
    assert 0.6 < spoken.float().mean() < 1
    assert (classes[spoken] == classes[spoken].mode().values).float().mean() > 0.95


def test_it_is_made_and_runs_on_the_device_of_its_weights():
    with torch.device("meta"):
        made = segmentation.Segmentation(STATE)
        out = made(torch.zeros(1, 2000, device="cpu"))
    assert {one.device.type for one in (out, *made.parameters(), *made.buffers())} == {"cpu"}
