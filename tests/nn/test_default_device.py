"""No module makes a tensor on a fixed or default device: under the default device "meta", CPU stays CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch._dynamo
from torch import Tensor, nn

from merc.nn import attention, gradients, graph, losses, pooling, rows, ssm, triplet, visual, whisper

MASK = torch.tensor([[True, True, True, False], [True, True, False, False]])
TURNS = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 0, 1])
SPEAKERS = torch.tensor([[0, 1, 0, 0], [1, 1, 0, 0]])
OFFSETS = torch.tensor([0, 2, 3, 8])


def typed() -> graph.Edges:
    pairs = graph.window_pairs(MASK, past=1, future=1)
    return graph.edges(pairs, MASK, torch.zeros_like(pairs, dtype=torch.int64))


def recurrent(layer: nn.Module) -> Tensor:
    pairs = graph.same_speaker_reach(MASK, SPEAKERS, 1)[None]
    return layer(TURNS[None], pairs, SPEAKERS[:, :, None] == SPEAKERS[:, None])


def mamba(layer: nn.Module) -> Tensor:
    return layer(torch.randn(8, 6, device="cpu"), OFFSETS, pool=True)


def stream(layer: ssm.Mamba) -> Tensor:
    return layer.step(torch.randn(2, 6, device="cpu"), layer.start(2))[0]


def packed() -> rows.Rows:
    return rows.Rows.of_vectors(TURNS, MASK)


MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor]]] = {
    "attention": (lambda: attention.Attention(6, 2), lambda m: m(TURNS, TURNS, TURNS, keep=MASK)),
    "attention weights": (lambda: attention.Attention(6, 2), lambda m: m.weights(TURNS, TURNS, keep=MASK)),
    "encoder layer": (lambda: attention.EncoderLayer(6, 2), lambda m: m(TURNS, keep=MASK)),
    "relational": (lambda: graph.RelationalConv(6, 5, 1), lambda m: m(rows.pack(TURNS, MASK), typed())),
    "graph transformer": (lambda: graph.GraphTransformer(6, 5), lambda m: m(rows.pack(TURNS, MASK), typed())),
    "recurrence": (lambda: graph.DirectedRecurrence(6), recurrent),
    "label loss": (lambda: losses.LabelLoss(6), lambda m: m(TURNS[0], LABELS)),
    "row norm": (lambda: rows.RowNorm(6), lambda m: m(TURNS[0])),
    "modality entry": (
        lambda: rows.ModalityEntry({"text": 6}, 5),
        lambda m: m({"text": TURNS}, {"text": MASK})["text"],
    ),
    "mamba": (lambda: ssm.Mamba(ssm.MambaOptions(6, 4)), mamba),
    "portable mamba": (lambda: ssm.Mamba(ssm.MambaOptions(6, 4), backend="portable"), mamba),
    "reference mamba": (lambda: ssm.Mamba(ssm.MambaOptions(6, 4), backend="reference"), mamba),
    "exportable mamba": (
        lambda: ssm.Exportable(ssm.Mamba(ssm.MambaOptions(6, 4)), pool=True),
        lambda m: m(torch.randn(8, 6, device="cpu"), OFFSETS),
    ),
    "streaming mamba": (lambda: ssm.Mamba(ssm.MambaOptions(6, 4)), stream),
    "triplets": (triplet.TripletLoss, lambda m: m(TURNS[0], TURNS[1], TURNS[0] + 1)),
    "resnet": (
        lambda: triplet.ResNet18(widths=(4, 4, 4, 4)),
        lambda m: m(torch.randn(2, 3, 32, 32, device="cpu")),
    ),
    "kan": (lambda: visual.Kan(6, 5), lambda m: m(TURNS)),
    "causal convolutions": (lambda: visual.CausalConvolutions(6), lambda m: m(TURNS)),
    "whisper": (whisper.WhisperNetwork, lambda m: m(torch.randn(1, 80, 8, device="cpu"))),
}

FUNCTIONS: dict[str, Callable[[], Tensor | Sequence[Tensor]]] = {
    "sinusoids": lambda: attention.sinusoids(4, 6, like=TURNS),
    "kept or all": lambda: attention.kept_or_all(MASK, MASK),
    "gradient factors": lambda: gradients.gradient_factors(torch.tensor([0.1, 0.2], device="cpu")),
    "label gradient": lambda: gradients.label_gradient(TURNS[0], LABELS),
    "contrast": lambda: losses.supervised_contrast(TURNS[0], LABELS),
    "concordance": lambda: losses.concordance_loss(TURNS[0], TURNS[1]),
    "squared error": lambda: losses.squared_error(TURNS[0], TURNS[1]),
    "ranking": lambda: losses.pairwise_logistic(TURNS[0, :, 0], TURNS[1, :, 0]),
    "masked mean": lambda: pooling.masked_mean(TURNS, MASK),
    "masked max": lambda: pooling.masked_max(TURNS, MASK),
    "unpacked": lambda: rows.unpack(rows.pack(TURNS, MASK), MASK),
    "row vectors": lambda: packed().vectors(),
    "row steps": lambda: packed().steps(),
    "aligned": lambda: rows.aligned_places(torch.tensor([3, 2], device="cpu"), torch.tensor([2, 4], device="cpu")),
    "drawn triplets": lambda: triplet.triplets(LABELS, generator=torch.Generator("cpu")),
    "compressed": lambda: visual.compress(TURNS, MASK, TURNS[:, 0], keep=2, threshold=0.5),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_stays_on_the_device_of_its_parameters(name: str) -> None:
    make, run = MODULES[name]
    module = make()
    with torch.device("meta"):
        result = run(module)
        if result.requires_grad:
            result.float().sum().backward()
    assert result.device.type == "cpu" and result.isfinite().all()
    assert all(p.grad is None or p.grad.device.type == "cpu" for p in module.parameters())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_made_on_another_device(name: str) -> None:
    with torch.device("meta"):
        module = MODULES[name][0]()
    tensors = [*module.parameters(), *module.buffers()]
    assert all(tensor.device.type == "meta" for tensor in tensors)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_stays_on_the_device_of_its_arguments(name: str) -> None:
    with torch.device("meta"):
        result = FUNCTIONS[name]()
    assert {one.device.type for one in ([result] if isinstance(result, Tensor) else result)} == {"cpu"}
