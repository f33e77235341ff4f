"""CAM++: equal to a plain, unfolded reading of the same state dict, and what it says of voices."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from merc.errors import WeightError
from merc.nn import campplus
from merc.nn.threads import threads


def shapes():
    """Every tensor of the published state dict, by name."""
    found = {}

    def norm(name, channels, affine=True):
        for part in ("running_mean", "running_var", *(("weight", "bias") if affine else ())):
            found[f"{name}.{part}"] = (channels,)

    def conv(name, *shape):
        found[f"{name}.weight"] = shape

    for first, second, inputs in (("head.conv1", "head.bn1", 1), ("head.conv2", "head.bn2", 32)):
        conv(first, 32, inputs, 3, 3)
        norm(second, 32)
    for layer in (1, 2):
        for block in (0, 1):
            for number in (1, 2):
                conv(f"head.layer{layer}.{block}.conv{number}", 32, 32, 3, 3)
                norm(f"head.layer{layer}.{block}.bn{number}", 32)
        conv(f"head.layer{layer}.0.shortcut.0", 32, 32, 1, 1)
        norm(f"head.layer{layer}.0.shortcut.1", 32)
    conv("xvector.tdnn.linear", 128, 320, 5)
    norm("xvector.tdnn.nonlinear.batchnorm", 128)
    channels = 128
    for number, layers in ((1, 12), (2, 24), (3, 16)):
        for layer in range(layers):
            name = f"xvector.block{number}.tdnnd{layer + 1}"
            norm(f"{name}.nonlinear1.batchnorm", channels)
            conv(f"{name}.linear1", 128, channels, 1)
            norm(f"{name}.nonlinear2.batchnorm", 128)
            conv(f"{name}.cam_layer.linear_local", 32, 128, 3)
            conv(f"{name}.cam_layer.linear1", 64, 128, 1)
            conv(f"{name}.cam_layer.linear2", 32, 64, 1)
            found[f"{name}.cam_layer.linear1.bias"] = (64,)
            found[f"{name}.cam_layer.linear2.bias"] = (32,)
            channels += 32
        norm(f"xvector.transit{number}.nonlinear.batchnorm", channels)
        conv(f"xvector.transit{number}.linear", channels // 2, channels, 1)
        channels //= 2
    norm("xvector.out_nonlinear.batchnorm", channels)
    conv("xvector.dense.linear", 192, 2 * channels, 1)
    norm("xvector.dense.nonlinear.batchnorm", 192, affine=False)
    return found


@pytest.fixture(scope="module")
def state():
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, shape in shapes().items():
        value = torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            value = value.abs() + 0.5
        elif value.dim() > 1:
            value = value * (2 / value[0].numel()) ** 0.5
        made[name] = value
    return made


def plainly(state, bins):
    """The network as it was published, without folding anything."""

    def norm(x, name):
        s = {part: state.get(f"{name}.{part}") for part in ("running_mean", "running_var", "weight", "bias")}
        return F.batch_norm(x, s["running_mean"], s["running_var"], s["weight"], s["bias"])

    x = bins.transpose(1, 2)[:, None]
    x = F.conv2d(x, state["head.conv1.weight"], padding=1)
    x = norm(x, "head.bn1").relu()
    for name in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
        stride = (2, 1) if name.endswith("0") else 1
        y = norm(F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn1").relu()
        y = norm(F.conv2d(y, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        if name.endswith("0"):
            x = norm(F.conv2d(x, state[f"{name}.shortcut.0.weight"], stride=stride), f"{name}.shortcut.1")
        x = (x + y).relu()
    x = norm(F.conv2d(x, state["head.conv2.weight"], stride=(2, 1), padding=1), "head.bn2").relu().flatten(1, 2)
    x = F.conv1d(x, state["xvector.tdnn.linear.weight"], stride=2, padding=2)
    x = norm(x, "xvector.tdnn.nonlinear.batchnorm").relu()
    for number, layers, dilation in ((1, 12, 1), (2, 24, 2), (3, 16, 2)):
        for layer in range(layers):
            name = f"xvector.block{number}.tdnnd{layer + 1}"
            y = F.conv1d(norm(x, f"{name}.nonlinear1.batchnorm").relu(), state[f"{name}.linear1.weight"])
            y = norm(y, f"{name}.nonlinear2.batchnorm").relu()
            cam = {key.removeprefix(f"{name}.cam_layer."): v for key, v in state.items() if key.startswith(f"{name}.")}
            near = torch.stack([y[..., t // 100 * 100 : t // 100 * 100 + 100].mean(-1) for t in range(y.shape[-1])], -1)
            context = y.mean(-1, keepdim=True) + near
            gate = F.conv1d(F.conv1d(context, cam["linear1.weight"], cam["linear1.bias"]).relu(), cam["linear2.weight"])
            local = F.conv1d(y, cam["linear_local.weight"], padding=dilation, dilation=dilation)
            x = torch.cat([x, local * (gate + cam["linear2.bias"][:, None]).sigmoid()], 1)
        x = norm(x, f"xvector.transit{number}.nonlinear.batchnorm").relu()
        x = F.conv1d(x, state[f"xvector.transit{number}.linear.weight"])
    x = norm(x, "xvector.out_nonlinear.batchnorm").relu()
    pooled = torch.cat([x.mean(-1), x.std(-1)], -1)[..., None]
    return norm(F.conv1d(pooled, state["xvector.dense.linear.weight"]), "xvector.dense.nonlinear.batchnorm")[..., 0]


@pytest.mark.parametrize("frames", [40, 230])
def test_folding_changes_nothing(state, frames):
    bins = torch.randn(2, frames, 80, generator=torch.Generator().manual_seed(1))
    with threads(1):
        expected, actual = plainly(state, bins), campplus.CamPlus(state)(bins)
    assert actual.shape == (2, campplus.DIMENSION)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_the_shortest_input_and_batch_mates(state):
    network = campplus.CamPlus(state)
    bins = torch.randn(3, campplus.SHORTEST, 80, generator=torch.Generator().manual_seed(2))
    with threads(1):
        together = network(bins)
        torch.testing.assert_close(network(bins[1:2]), together[1:2], rtol=1e-4, atol=1e-4)
    assert together.isfinite().all()


def test_features_have_no_mean_over_time():
    sound = np.random.default_rng(0).normal(0, 1000, 8000).astype(np.int16)
    assert campplus.features(sound).mean(0).abs().max() < 1e-4
    assert campplus.features(sound[:100]).shape == (0, 80)


def test_an_absent_weight_names_itself(monkeypatch, tmp_path):
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightError, match="weight campplus not downloaded yet .*merc weights get campplus"):
        campplus.load()


def test_threads_are_restored():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before


def test_voices_of_two_people_are_told_apart(data, weight):
    weight("campplus")
    import soundfile

    vectors = {}
    with threads(1):
        network = campplus.load()
        for actor in ("01", "02", "12"):
            for take in ("01-01-01", "03-02-01"):
                sound, _ = soundfile.read(data / "audio" / "ravdess" / f"03-01-{take}-01-{actor}.opus", dtype="float32")
                vector = network(campplus.features(sound)[None])[0]
                vectors[actor, take] = vector / vector.norm()
    same = [float(a @ b) for k, a in vectors.items() for q, b in vectors.items() if k[0] == q[0] and k != q]
    other = [float(a @ b) for k, a in vectors.items() for q, b in vectors.items() if k[0] != q[0]]
    assert min(same) > 0.5
    assert np.mean(other) < 0.35
    assert np.mean(same) > np.mean(other) + 0.25


def test_it_is_made_and_runs_on_the_device_of_its_weights(state):
    with torch.device("meta"):
        made = campplus.CamPlus(state)
        out = made(torch.zeros(1, 40, 80, device="cpu"))
        bins = campplus.features(np.zeros(8000, np.int16))
    assert {one.device.type for one in (out, bins, *made.buffers())} == {"cpu"}
