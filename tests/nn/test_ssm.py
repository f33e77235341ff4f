"""The Mamba block: every backend against the reference, other implementations and properties of any sequence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from merc.errors import InputError, MissingExtra
from merc.nn import kernel, ssm
from merc.nn.scan import reference_scan
from merc.nn.ssm import Backend, Exportable, Mamba, MambaOptions, choose
from tests.nn.made_mamba import block, packed

compiled = pytest.mark.skipif(kernel.library() is None, reason="the scan was not compiled on installation")


FAST: list[Backend] = ["portable", *(["kernel"] if kernel.library() else [])]  # type: ignore[list-item]


LENGTHS = (5, 1, 40, 0, 33, 70)  # shorter, as long as and longer than the chunks in which backward computes states


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gradients(model: torch.nn.Module, out: Tensor, x: Tensor) -> dict[str, Tensor]:
    """The output and every gradient of a fixed weighted sum of it."""
    weights = torch.sin(torch.arange(out.numel(), dtype=torch.float64)).view(out.shape).to(out.dtype)
    named = {"x": x, **dict(model.named_parameters())}
    grads = torch.autograd.grad((out * weights).sum(), list(named.values()))
    return {"out": out.detach(), **dict(zip(named, grads, strict=True))}


def run(model: Mamba, x: Tensor, offsets: Tensor, *, pool: bool = False) -> dict[str, Tensor]:
    x = x.clone().requires_grad_()
    return gradients(model, model(x, offsets, pool=pool), x)


def assert_close(got: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        worst = (got[name].double() - value.double()).abs().max() / value.double().abs().max().clamp(min=1e-12)
        assert worst <= tolerance, f"{name} differs by {float(worst):.1e} of its largest value"


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("backend", FAST)
def test_backends_equal_the_reference_in_double(backend: Backend, pool: bool) -> None:
    x, offsets = packed(tuple(n for n in LENGTHS if n or not pool))
    wanted = run(block("reference").double(), x.double(), offsets, pool=pool)
    assert_close(run(block(backend), x, offsets, pool=pool), wanted)


@compiled
@pytest.mark.parametrize(
    ("d_model", "d_state", "options"), [(5, 3, {}), (16, 4, {"d_conv": 1}), (150, 64, {"d_conv": 8})]
)
def test_kernel_takes_any_sizes(d_model: int, d_state: int, options: dict[str, int]) -> None:
    x, offsets = packed((7, 34, 2), d_model)
    wanted = run(block("reference", d_model=d_model, d_state=d_state, **options).double(), x.double(), offsets)
    assert_close(run(block("kernel", d_model=d_model, d_state=d_state, **options), x, offsets), wanted)


@compiled
@pytest.mark.parametrize("name", ["avx512", "avx2", "base"])
def test_every_compiled_library_agrees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = kernel.library(name)
    if library is None:
        pytest.skip(f"this processor has no {name}, or it was not compiled")
    monkeypatch.setattr(kernel, "library", lambda: library)
    x, offsets = packed(LENGTHS)
    assert_close(run(block("kernel"), x, offsets), run(block("reference").double(), x.double(), offsets))


def assert_equal_to(peer: torch.nn.Module, ours: Mamba) -> None:
    """The output and every gradient of a block that takes (batch, length, width), with our weights."""
    peer.load_state_dict(ours.state_dict())
    x, offsets = packed((16, 16, 16))
    batch = x.clone().view(3, 16, 24).requires_grad_()
    wanted = gradients(peer, peer(batch), batch)
    wanted |= {"out": wanted["out"].flatten(0, 1), "x": wanted["x"].flatten(0, 1)}
    assert_close(run(ours, x, offsets), {name: wanted[name] for name in ["out", "x", *dict(ours.named_parameters())]})


@pytest.mark.parametrize("backend", FAST)
def test_equal_to_transformers(backend: Backend) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.mamba.modeling_mamba import MambaMixer

    sizes = {"hidden_size": 24, "state_size": 10, "conv_kernel": 4, "expand": 2, "time_step_rank": 2}
    config = transformers.MambaConfig(**sizes, use_bias=False, num_hidden_layers=1)
    assert_equal_to(MambaMixer(config, layer_idx=0), block(backend))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("parallel", [True, False])
def test_equal_to_mambapy(backend: Backend, parallel: bool) -> None:
    mambapy = pytest.importorskip("mambapy.mamba", reason="mambapy is not installed: pip install mambapy")
    config = mambapy.MambaConfig(d_model=24, n_layers=1, d_state=10, pscan=parallel)
    assert_equal_to(mambapy.MambaBlock(config), block(backend))


@pytest.mark.parametrize("backend", FAST)
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 45), min_size=1, max_size=5), shift=st.integers(0, 4))
def test_sequences_do_not_see_each_other(backend: Backend, lengths: list[int], shift: int) -> None:
    model = block(backend, d_model=10, d_state=5)
    x, offsets = packed(tuple(lengths), 10)
    parts = list(x.split(lengths))
    with torch.no_grad():
        whole = model(x, offsets).split(lengths)
        shift %= len(lengths)
        turned = parts[shift:] + parts[:shift]
        sizes = torch.tensor([0, *(len(part) for part in turned)]).cumsum(0)
        rotated = model(torch.cat(turned), sizes).split(sizes.diff().tolist())
        for part, together, moved in zip(
            parts, whole, rotated[len(lengths) - shift :] + rotated[: len(lengths) - shift], strict=True
        ):
            torch.testing.assert_close(model(part, torch.tensor([0, len(part)])), together, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(moved, together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", FAST)
def test_padding_changes_nothing_before_it(backend: Backend) -> None:
    model, (x, _) = block(backend), packed((20,))
    with torch.no_grad():
        short = model(x[:13], torch.tensor([0, 13]))
        padded = model(torch.cat([x[:13], torch.zeros(7, 24)]), torch.tensor([0, 20]))
    torch.testing.assert_close(padded[:13], short, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", FAST)
def test_no_token_sees_the_future(backend: Backend) -> None:
    model, (x, offsets) = block(backend), packed((40,))
    changed = x.clone()
    changed[25:] += 1
    with torch.no_grad():
        before, after = model(x, offsets), model(changed, offsets)
    torch.testing.assert_close(before[:25], after[:25], rtol=1e-6, atol=1e-7)
    assert not torch.allclose(before[25:], after[25:])


@pytest.mark.parametrize("backend", FAST)
def test_one_token_and_none(backend: Backend) -> None:
    model = block(backend)
    x, offsets = packed((1,))
    torch.testing.assert_close(model(x, offsets), model(x, offsets, pool=True))
    nothing, no_offsets = packed(())
    assert model(nothing, no_offsets).shape == (0, 24)
    assert model(nothing, no_offsets, pool=True).shape == (0, 24)
    empty, _ = packed((0, 0))
    model(empty.requires_grad_(), torch.tensor([0, 0, 0])).sum().backward()
    assert all(p.grad is None or bool((p.grad == 0).all()) for p in model.parameters())


@pytest.mark.parametrize("backend", FAST)
def test_pooling_is_the_mean_of_the_outputs(backend: Backend) -> None:
    model, (x, offsets) = block(backend), packed((3, 50, 8))
    with torch.no_grad():
        means = torch.stack([part.mean(0) for part in model(x, offsets).split([3, 50, 8])])
        torch.testing.assert_close(model(x, offsets, pool=True), means, rtol=1e-5, atol=1e-6)


def test_streaming_equals_the_whole() -> None:
    model, (x, offsets) = block(), packed((37, 37))
    with torch.no_grad():
        whole, state = model(x, offsets).view(2, 37, 24), model.start(2)
        for t in range(37):
            y, state = model.step(x.view(2, 37, 24)[:, t], state)
            torch.testing.assert_close(y, whole[:, t], rtol=1e-4, atol=1e-6)


@compiled
def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (x, offsets) = block("kernel", d_model=300), packed((5, 1, 40, 33, 70, 2), 300)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(
            torch, "get_num_threads", lambda threads=threads: threads
        )  # the kernel's; products keep one
        results.append(run(model, x, offsets))
    assert all(torch.equal(other[name], value) for other in results[1:] for name, value in results[0].items())


@compiled
def test_twice_the_same_bits() -> None:
    x, offsets = packed(LENGTHS)
    first, second = (run(block("kernel"), x, offsets) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("bias", [-200.0, -20.0, 20.0, 200.0, 1e4])
def test_extreme_delta_gives_numbers(backend: Backend, bias: float) -> None:
    model, (x, offsets) = block(backend), packed((6, 36))
    with torch.no_grad():
        model.dt_proj.bias.fill_(bias)
    got = run(model, x, offsets)
    assert all(bool(value.isfinite().all()) for value in got.values())
    with torch.no_grad():
        wanted = model.double().out_proj(model._inner(model.in_proj(x.double()), offsets, reference_scan))
    torch.testing.assert_close(got["out"].double(), wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max()))


@compiled
def test_not_a_number_stays_one() -> None:
    model, (x, offsets) = block("kernel"), packed((4, 5))
    x[1, 3] = float("nan")
    with torch.no_grad():
        out = model(x, offsets)
    assert bool(out[1:4].isnan().all()) and not bool(out[4:].isnan().any())


@compiled
def test_half_precision_is_near() -> None:
    model, (x, offsets) = block("kernel", d_model=64, d_state=16), packed((9, 40), 64)
    with torch.autocast("cpu", torch.bfloat16):
        got = run(model, x, offsets)
    assert_close(got, run(model, x, offsets), tolerance=0.04)
    assert got["A_log"].dtype == torch.float32


@compiled
def test_no_tensor_of_tokens_channels_states() -> None:
    model, (x, offsets) = block("kernel", d_model=64, d_state=64), packed((20,) * 40, 64)
    with torch.profiler.profile(profile_memory=True) as profile:
        model(x, offsets, pool=True).sum().backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert 0 < largest < 800 * 128 * 64 * 4 / 20


def test_names_shapes_and_start_are_mambas() -> None:
    shapes = {name: tuple(p.shape) for name, p in block(d_model=32, d_state=6).state_dict().items()}
    assert shapes == {
        "A_log": (64, 6), "D": (64,), "in_proj.weight": (128, 32), "conv1d.weight": (64, 1, 4), "conv1d.bias": (64,),
        "x_proj.weight": (14, 64), "dt_proj.weight": (64, 2), "dt_proj.bias": (64,), "out_proj.weight": (32, 64),
    }  # fmt: skip
    fresh = Mamba(MambaOptions(d_model=32, d_state=6))
    delta = F.softplus(fresh.dt_proj.bias).detach()
    assert float(delta.min()) >= 1e-3 * 0.999 and float(delta.max()) <= 1e-1 * 1.001
    torch.testing.assert_close(fresh.A_log.exp()[3], torch.arange(1.0, 7.0))


@pytest.mark.parametrize(("width", "count"), [(128, 153_344), (256, 511_488), (1024, 6_961_152)])
def test_parameter_counts(width: int, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Mamba(MambaOptions(d_model=width)).parameters()) == count


def test_choice_says_what_and_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert choose(backend="portable").reason == "requested"
    assert choose(dtype=torch.float64).backend == "portable"
    assert "torch.float64" in choose(dtype=torch.float64).reason
    assert choose("cuda").backend in ("cuda", "portable")
    with pytest.raises(
        InputError, match=r"no backend 'fast'; the backends are kernel, cuda, portable, twice, reference"
    ):
        choose(backend="fast")  # type: ignore[arg-type]
    with pytest.raises(MissingExtra, match=r"backend 'cuda' cannot be used: mamba-ssm runs on CUDA, not on cpu"):
        choose(backend="cuda")
    monkeypatch.setattr(kernel, "library", lambda: None)
    ssm._announce.cache_clear()
    x, offsets = packed((3, 4))
    with caplog.at_level(logging.INFO, logger="merc.nn.ssm"):
        for _ in range(3):
            block()(x, offsets)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "portable backend: the scan was not compiled" in caplog.text
    with pytest.raises(MissingExtra, match="backend 'kernel' cannot be used: the scan was not compiled"):
        block("kernel")(x, offsets)


def test_exported_graph_equals_the_block(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install onnx onnxscript")
    import onnxruntime

    model = Exportable(block(), longest=64, pool=True).eval()
    x, offsets = packed((3, 9, 5))
    tokens, borders = torch.export.Dim("tokens", min=2), torch.export.Dim("borders", min=3)
    torch.onnx.export(
        model, (x, offsets), tmp_path / "mamba.onnx", input_names=["x", "offsets"], dynamo=True, verbose=False,
        dynamic_shapes={"x": {0: tokens}, "offsets": {0: borders}},
    )  # fmt: skip
    settings_ = onnxruntime.SessionOptions()
    settings_.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(tmp_path / "mamba.onnx", settings_)
    for lengths in ((3, 9, 5), (64, 1, 30, 7)):
        x, offsets = packed(lengths)
        with torch.no_grad():
            wanted = block("reference")(x, offsets, pool=True)
        (got,) = session.run(None, {"x": x.numpy(), "offsets": offsets.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "offsets", "pool", "message"),
    [
        (torch.zeros(4, 23), torch.tensor([0, 4]), False, r"x has shape \(4, 23\); expected \(tokens, 24\)"),
        (torch.zeros(2, 4, 24), torch.tensor([0, 4]), False, "pack the sequences one after another"),
        (
            torch.zeros(4, 24),
            torch.tensor([0.0, 4.0]),
            False,
            r"offsets are torch.float32 of shape \(2,\); expected int64",
        ),
        (torch.zeros(4, 24), torch.tensor([0, 5]), False, "offsets run from 0 to 5 over 4 tokens"),
        (torch.zeros(4, 24), torch.tensor([0, 3, 2, 4]), False, "they must begin with 0, never fall"),
        (torch.zeros(4, 24), torch.tensor([0, 2, 2, 4]), True, "sequence 1 has no token, so it has no mean"),
    ],
)
def test_wrong_inputs_are_named(x: Tensor, offsets: Tensor, pool: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        block()(x, offsets, pool=pool)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 0}, "d_model is 0: expected at least 1"),
        ({"d_conv": 9}, "d_conv is 9: expected 1 to 8"),
        ({"dt_rank": 0}, "dt_rank is 0: expected at least 1, or None for d_model / 16"),
        ({"dt_min": 0.2}, "dt_min is 0.2 and dt_max 0.1; need 0 < dt_min <= dt_max"),
    ],
)
def test_wrong_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MambaOptions(**options)  # type: ignore[arg-type]


def test_wrong_step_is_named() -> None:
    with pytest.raises(InputError, match=r"input of a step has shape \(3, 24\); expected \(2, 24\)"):
        model = block()
        model.step(torch.zeros(3, 24), model.start(2))


@compiled
def test_kernel_refuses_what_it_cannot_read() -> None:
    x, offsets = packed((2,))
    with pytest.raises(MissingExtra, match="the compiled scan takes float32 and bfloat16, not torch.float64"):
        block("kernel").double()(x.double(), offsets)
