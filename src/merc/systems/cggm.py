"""CGGM: a small classifier for each modality watches how fast it learns, and holds the fast ones back.

Paper: "Classifier-guided Gradient Modulation for Enhanced Multimodal Learning", Z. Guo, T. Jin, J. Chen, Z. Zhao,
NeurIPS 2024, arXiv 2411.01409.

Idea: (1) a classifier on the detached vectors of each modality measures how well it does alone; (2) the encoder whose
classifier gained least gets the largest gradient; (3) a further loss turns the fused gradient towards those of the
modalities, the more the slower they learn.

Symbols: M modalities i, e_i how well classifier i does, gain_i = e_i - e_i before, rho and lambda two constants,
B dialogues of T turns, r_i the vectors of a modality before the fusion.
    B_i  = rho (sum_k gain_k - gain_i) / sum_k gain_k         gradient of encoder i times B_i
    L_gm = mean_i (|B_i| - B_i cos(g_i, g))                   g_i, g: gradients of classifier i's and of the fused loss
    L    = L_task + lambda L_gm

Inputs: those of the system it is put around (``base``; by default plain concatenation). The same thing
steps into the training of any other system by ``merc.training.gradients.Modulation``.

Differs from the authors' code, where the paper or plain sense is on our side: gains are taken between windows of many
batches, not between single ones; a gain below 0 counts as 0 and a sum near 0 gives equal factors; cosines are between
gradients, not between weights, with the factors as in the magnitude part. ``direction="features"`` takes the gradients
at r_i, or where a fusion reads steps at all of an utterance's steps together, and differentiates twice; "logits" takes
them at the logits, the one place that all classifiers share: cheaper and for any layers, but weaker, since both are
mostly minus the label. The classifiers are two plain layers here, transformers there.

Adam and its kin divide a gradient by its own recent size: under them a constant factor does next to nothing, and the
magnitude part acts through changes of the factors only. Under plain SGD it acts in full. A modality that has arrived
gains nothing more, so that the factors then turn to it, not to the one that still learns; and with two modalities and
the given strength equal gains slow both encoders to 0.65 (strength 2 leaves them as they are). The source's optimiser
is Adam (``config`` "source"); ``--set optimiser=sgd`` is the one under which the magnitude part acts in full.

Prefer it when one modality is easy and learning stops before the others are used. On synthetic data it is ahead
at the same few steps of a small rate; a rate twice as large closes the gap without it.

    >>> import torch
    >>> from merc.systems.cggm import Cggm
    >>> system = Cggm({"text": 768, "voice": 47}, 6)
    >>> system.guide.factors.tolist()
    [0.6499999761581421, 0.6499999761581421]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from merc.errors import InputError
from merc.nn.gradients import cosine, direction_loss, gradient_factors, label_gradient
from merc.nn.ssm import Mamba
from merc.options import above, at_least, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System
from merc.systems.wrapping import base_options, probe

DIRECTIONS = ("logits", "features")


@dataclass(frozen=True, slots=True)
class CggmOptions:
    """Strength of both parts; values that the source does not give are marked."""

    strength: float = 1.3  # rho, given for IEMOCAP
    direction_weight: float = 0.2  # lambda, given for IEMOCAP; 0: magnitude alone
    direction: str = "features"  # where gradients are compared, or "logits"; ours, see the head of this file
    window: int = 20  # batches between two looks at the classifiers; the source looks at every batch
    least: float = 0.01  # gains that sum to less count as none; not in the source
    most: float = 2.0  # largest factor; not in the source
    width: int = 64  # hidden numbers of a classifier; not given by the source
    base: str = "concat"  # the system that is steered
    base_options: Any = None  # its options, or some of them by name; None: its defaults

    def __post_init__(self) -> None:
        above(0, scope="cggm", strength=self.strength, most=self.most)
        at_least(0, scope="cggm", direction_weight=self.direction_weight, least=self.least)
        at_least(1, scope="cggm", window=self.window, width=self.width)
        one_of(DIRECTIONS, scope="cggm", direction=self.direction)


class Guide(nn.Module):
    """The classifiers of all modalities, their recent accuracy, and the factors that follow from it.

    ``widths``: numbers of a modality's vector before the fusion. ``factors``: float ``(M,)`` in the order of ``names``.
    """

    factors: Tensor
    before: Tensor
    hits: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(self, widths: Mapping[str, int], classes: int, options: CggmOptions) -> None:
        super().__init__()
        self.names, self.options, count = tuple(widths), options, len(widths)
        self.judges = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(wide, options.width), nn.ReLU(), nn.Linear(options.width, classes))
                for name, wide in widths.items()
            }
        )
        self.register_buffer("factors", gradient_factors(torch.zeros(count), strength=options.strength))
        self.register_buffer("before", torch.full((count,), 1 / classes))  # chance, until there is more
        self.register_buffer("hits", torch.zeros(count))
        self.register_buffer("seen", torch.zeros(count))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Losses by name: "judges" teaches the classifiers and nothing else, "direction" the system alone.

        Also counts the hits of each classifier, and after a window renews the factors. Nothing without labels.
        """
        judged = self._judged(output, batch)
        if not judged:
            return {}
        self._count({name: (logits, labels) for name, (_, logits, labels) in judged.items()})
        losses = {"judges": torch.stack([cross_entropy(logits, labels) for _, logits, labels in judged.values()]).sum()}
        if self.options.direction_weight and len(self.names) > 1:
            at_features = self.options.direction == "features"
            cosines = (self._at_features if at_features else self._at_logits)(output, judged)
            places = [self.names.index(name) for name in judged]
            losses["direction"] = self.options.direction_weight * direction_loss(self.factors[places], cosines)
        return losses

    def _judged(self, output: Output, batch: Batch) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """By modality, where it is present and there is a label: rows bool ``(B, T)``, logits ``(n, C)``, labels."""
        found = {}
        for name in self.names:
            rows = batch.labelled & batch.present(name)
            if rows.any():
                found[name] = rows, self.judges[name](output.representations[name].detach()[rows]), batch.labels[rows]
        return found

    def _at_logits(self, output: Output, judged: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        if (fused := output.logits) is None:
            raise InputError("cggm: the system gives no logits; train a system that predicts classes")
        return torch.stack(
            [
                cosine(label_gradient(logits.detach(), labels), label_gradient(fused[rows], labels))
                for rows, logits, labels in judged.values()
            ]
        )

    def _at_features(self, output: Output, judged: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        read = [_read(output, name) for name in judged]
        fused = torch.autograd.grad(output.loss, read, create_graph=True, allow_unused=True)
        cosines = []
        for (name, (rows, _, labels)), gradient in zip(judged.items(), fused, strict=True):
            if gradient is None:
                raise InputError(f"cggm: the fusion does not read the vectors of {name}; use direction='logits'")
            vector = output.representations[name].detach()
            alone = vector[rows].requires_grad_()
            (own,) = torch.autograd.grad(cross_entropy(self.judges[name](alone), labels), alone)
            if name in output.steps:  # what moves all steps of an utterance alike moves their mean
                gradient = gradient.sum(1).view_as(vector)
            cosines.append(cosine(own, gradient[rows]))
        return torch.stack(cosines)

    @torch.no_grad()
    def _count(self, predicted: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        for name, (logits, labels) in predicted.items():
            place = self.names.index(name)
            self.hits[place] += (logits.argmax(-1) == labels).sum()
            self.seen[place] += len(labels)
        self.steps += 1
        if int(self.steps) % self.options.window == 0:
            self._renew()

    def _renew(self) -> None:
        now = torch.where(self.seen > 0, self.hits / self.seen.clamp_min(1), self.before)
        options = self.options
        self.factors.copy_(
            gradient_factors(now - self.before, strength=options.strength, least=options.least, most=options.most)
        )
        self.before.copy_(now)
        self.hits.zero_()
        self.seen.zero_()

    def factor(self, name: str) -> float:
        """What the gradient of this modality's encoder is multiplied by."""
        return float(self.factors[self.names.index(name)])


def _read(output: Output, name: str) -> Tensor:
    """What the fusion reads of a modality: its vectors ``(B, T, d)``, or its steps ``(B · T, S, d)``."""
    return output.steps.get(name, output.representations[name])


def _make_twice(system: System) -> None:
    """Run the Mamba blocks of a system on the backend whose gradients can be differentiated again."""
    for part in system.modules():
        if isinstance(part, Mamba):
            part.backend = "twice"


def guide_of(system: System, options: CggmOptions, *, setting: str = "system") -> Guide:
    """Classifiers for a system, whose vectors are measured on a small batch of zeros.

    Where gradients at the vectors are compared, Mamba blocks of the system run on the backend whose gradients can be
    differentiated again; it is slower than the compiled kernel.

    Args:
        system: names its encoders.
        options: of the classifiers.
        setting: "system" or "hook", for the advice in a message.

    Raises:
        InputError: for a system without encoders, and for one whose gradients at the vectors before the fusion cannot
            be differentiated, where the options compare directions there.
    """
    names = list(system.encoders())
    if not names:
        raise InputError(
            f"system '{system.description.name}' has no encoder of one modality alone; train it without cggm"
        )
    twice = options.direction == "features" and options.direction_weight > 0 and len(names) > 1
    if twice:
        _make_twice(system)
    device = next(system.parameters()).device
    with torch.device("cpu"):
        batch = probe(system)
    tried = deepcopy(system).train()  # a copy, so that buffers, gradients and random numbers stay as they are
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        output: Output = tried(batch.to(device))
        vectors = {name: output.representations[name] for name in names}
        if twice and (reason := _not_twice(output.loss, {name: _read(output, name) for name in names})):
            raise InputError(
                f"cggm: direction 'features' cannot be had of system '{system.description.name}': {reason}; give --set "
                f"{setting}.direction=logits"
            )
    widths = {name: vector.shape[-1] for name, vector in vectors.items()}
    with torch.device("cpu"):  # the same first weights on every device
        guide = Guide(widths, system.classes, options)
    return guide.to(device)


def _not_twice(loss: Tensor, vectors: Mapping[str, Tensor]) -> str:
    """Why the gradients at these vectors cannot be differentiated; empty: they can."""
    found: Any = torch.autograd.grad(loss, list(vectors.values()), create_graph=True, allow_unused=True)
    first: tuple[Tensor | None, ...] = found
    for name, gradient in zip(vectors, first, strict=True):
        if gradient is None:
            return f"its classifier does not read the vectors of {name}"
    total = torch.stack([gradient.sum() for gradient in first if gradient is not None]).sum()
    try:
        if total.requires_grad:
            total.backward()  # type: ignore[no-untyped-call]
    except RuntimeError:  # a kernel of ours or of torch that has no second derivative
        return "a layer between them and the loss can be differentiated only once"
    return ""


class Cggm(System):
    """Another system, steered; see the head of this file. It judges as that system does."""

    description = Description(
        name="cggm",
        title="Classifier-guided gradient modulation",
        paper="Guo et al., Classifier-guided Gradient Modulation for Enhanced Multimodal Learning, NeurIPS 2024",
        idea="Classifiers of single modalities scale and redirect each encoder's gradient.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=(),
        licence="written anew from the paper; the authors' code is under MIT",
        published=(
            Published(
                protocol="IEMOCAP, four classes, one fold",
                metric="accuracy",
                value=75.38,
                source="arXiv 2411.01409",
                comparable=False,
                why="one fold, other features (22 tokens, 350 frames, 50 pictures), best validation epoch, no test",
            ),
        ),
        recipe=Recipe(batch=16, epochs=60, patience=10, clip=0.8),
        configurations={
            "source": {"": Setup(training={"optimiser": "adam", "batch": 64, "epochs": 30, "patience": 30})}
        },
    )
    Options = CggmOptions
    options: CggmOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: CggmOptions | None = None) -> None:
        from merc.systems import SYSTEMS

        super().__init__(inputs, classes, options)
        system = SYSTEMS[self.options.base]
        if system.description.level != "dialogue" or system is Cggm:
            raise InputError(
                f"cggm: base '{self.options.base}' does not read dialogues of utterance vectors; "
                "train that system itself, with cggm for its gradients"
            )
        self.base = system(self.inputs, classes, base_options(system, self.options.base_options, scope="cggm"))
        self.base.label_loss = self.label_loss  # one set of class weights
        self.guide = guide_of(self.base, self.options)
        for name, parameters in self.base.encoders().items():
            for parameter in parameters:
                parameter.register_hook(partial(self._scaled, name))  # type: ignore[no-untyped-call]

    def _scaled(self, name: str, gradient: Tensor) -> Tensor:
        return gradient * self.guide.factor(name) if self.training else gradient

    def forward(self, batch: Batch) -> Output:
        """The output of the base; in training with the losses of the guide added to its own."""
        output: Output = self.base(batch)
        if not self.training or not output.losses:
            return output
        return replace(output, losses={**output.losses, **self.guide(output, batch)})

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Those of the base."""
        return self.base.encoders()
