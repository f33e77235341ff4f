"""MPNet with a classifier, trained on windows of text: what the recipes of text and dialogue encoders share.

What of MPNet is trained is a mode of its backbone: low-rank adapters ("lora"), the last layers ("top-k"), all of it
("full"), or nothing ("frozen"). Symbols: B windows, L tokens, U utterances in the fullest window, d width, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones import mpnet
from merc.backbones.mpnet_dialogue import MpnetDialogue, Reading, WindowTokens, batches, frozen_mpnet, opened
from merc.backbones.mpnet_windows import Window, pooled
from merc.cache import replacing
from merc.errors import InputError
from merc.training.contract import Plan, Task
from merc.training.device import seeded
from merc.training.optimiser import Group
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    from merc.progress import Progress
    from merc.recipes.dialogue_encoder import DialogueEncoderOptions
    from merc.recipes.text_encoder import TextEncoderOptions

METHOD = (
    "AdamW on cross-entropy of two linear layers on the mean of an utterance's tokens; linear warm-up over a tenth of "
    "the steps, then linear decay to a fiftieth; batches of similar length; bfloat16 products where the device has "
    "them."
)
IGNORED = -1
"""Class number of what is context, padding or without a label."""
_PREFIX = "base_model.model."  # of adapters that were saved by peft's own wrapper
_READ_TOKENS = 4096


class TextClassifier(nn.Module):
    """MPNet over windows of dialogues, and two linear layers that predict the label of each utterance.

    Args:
        classes: C.
        reading: What an utterance attends to, and how speakers are named; written into the file.
        mode: What of MPNet is trained; one of ``merc.backbones.backbone.MODES``.
        rank: Of low-rank adapters.
        seed: Of their initial values and those of the classifier.
        network: A network instead of MPNet's (a small random one in tests).
        tokenizer: Its tokenizer.

    Raises:
        MissingExtra: "lora" without peft.
        WeightError: the weight 'mpnet' is absent.
    """

    def __init__(
        self,
        classes: int,
        reading: Reading,
        *,
        mode: str = "lora",
        rank: int = 16,
        seed: int = 0,
        network: Any = None,
        tokenizer: Any = None,
    ) -> None:
        super().__init__()
        self.reading, self.mode = reading, mode
        self.tokenizer = tokenizer or mpnet.tokenizer()
        found = network if network is not None else _pretrained(mode)
        self.backbone = MpnetDialogue(found, padding=self.tokenizer.pad_token_id, context=reading.context)
        with seeded(seed, threads=torch.get_num_threads()):
            self.backbone.trainable(mode, rank=rank)
            self.head = classifier(found.config.hidden_size, classes)

    @property
    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters of MPNet by name."""
        return {name: one for name, one in self.backbone.network.named_parameters() if one.requires_grad}

    def vectors(self, inputs: WindowTokens) -> Tensor:
        """The mean of each utterance's tokens: ``(B, U, d)``."""
        own = inputs.to(self.backbone.device)
        return pooled(self.backbone(own).values, own.owners)

    def forward(self, inputs: WindowTokens) -> Tensor:
        """Logits ``(B, U, C)``."""
        logits: Tensor = self.head(self.vectors(inputs))
        return logits

    def groups(self, *, encoder_rate: float, head_rate: float) -> list[Group]:
        """Parameter groups with their learning rates."""
        encoder = list(self.encoder_parameters.values())
        groups = [Group("encoder", encoder, encoder_rate)] if encoder else []
        return [*groups, Group("head", list(self.head.parameters()), head_rate)]

    def save(self, path: Path) -> None:
        """Write what is trained in float16; how it reads is in the metadata of the file."""
        from safetensors.torch import save_file

        values = {**self.encoder_parameters, **{f"head.{name}": v for name, v in self.head.state_dict().items()}}
        halves = {name: one.detach().cpu().half().contiguous() for name, one in values.items()}
        with replacing(path) as temporary:
            save_file(halves, temporary, metadata=self.reading.head)

    def load(self, path: Path, *, head: bool = True) -> None:
        """Read what ``save`` wrote, the classifier only if wanted.

        Raises:
            InputError: the file does not fit.
        """
        values, _ = opened(path)
        found = {name.removeprefix(_PREFIX): one for name, one in values.items() if not name.startswith("head.")}
        own = self.encoder_parameters
        if set(found) != set(own) or any(found[name].shape != one.shape for name, one in own.items()):
            raise InputError(
                f"{path} holds parameters of another encoder, mode or rank; choose the mode and rank of then"
            )
        self.backbone.network.load_state_dict(found, strict=False)
        if head:
            self.head.load_state_dict({name[5:]: one for name, one in values.items() if name.startswith("head.")})


def _pretrained(mode: str) -> Any:
    """MPNet: in bfloat16 where the device multiplies that, but in float32 where its own parameters are trained."""
    if mode in ("lora", "frozen"):
        return frozen_mpnet()
    network = mpnet.pretrained()
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()  # the pages of the file must not be written to
    return network


def classifier(width: int, classes: int) -> nn.Sequential:
    """Two linear layers that predict the label from a vector of ``width``."""
    return nn.Sequential(nn.Dropout(0.1), nn.Linear(width, 256), nn.Tanh(), nn.Dropout(0.1), nn.Linear(256, classes))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A batch: windows, and the class number of each utterance ``(B, U)``, ``IGNORED`` where there is none."""

    inputs: WindowTokens
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Windows:
    """Labelled windows as training data, in batches of similar length and at most ``batch_tokens`` padded tokens.

    ``targets`` holds for each window the class numbers of its utterances; ``spread`` is the noise in tokens by which
    windows are sorted; ``choose`` gives the windows of an epoch (from 1), by default all.
    """

    windows: Sequence[Window]
    targets: Sequence[Sequence[int]]
    prepare: Callable[[Sequence[Window]], WindowTokens]
    batch_tokens: int = 1024
    spread: float = 20.0
    choose: Callable[[int], Sequence[int]] | None = None

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        """The batches of an epoch."""
        chosen = list(self.choose(epoch)) if self.choose else list(range(len(self.windows)))
        windows = [self.windows[number] for number in chosen]
        numbers = {id(window): number for window, number in zip(windows, chosen, strict=True)}
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        found = batches(windows, self.batch_tokens * world, random=random, spread=self.spread)
        return [Plan(tuple(numbers[id(window)] for window in batch)) for batch in found]

    def load(self, plan: Plan) -> Labelled:
        """Tokens and class numbers of a batch."""
        inputs = self.prepare([self.windows[number] for number in plan.items])
        rows = [self.targets[number] for number in plan.items]
        targets = torch.full((len(rows), max(map(len, rows))), IGNORED)
        for row, numbers in enumerate(rows):
            targets[row, : len(numbers)] = torch.tensor(numbers)
        return Labelled(inputs, targets)


def encoder_task(
    encoder: TextClassifier,
    data: Windows,
    judge: Callable[[TextClassifier], Mapping[str, float]],
    *,
    groups: Sequence[Group],
    smoothing: float,
    facts: Mapping[str, Any],
    class_weights: Tensor | None = None,
) -> Task:
    """The task of training an encoder by cross-entropy.

    Args:
        encoder: Trained in place.
        data: What it learns from.
        judge: Figures on the validation part.
        groups: See ``TextClassifier.groups``.
        smoothing: Of the labels.
        facts: A checkpoint is continued with equal ones only.
        class_weights: ``(C,)``, of the loss.
    """
    classes = int(cast("nn.Linear", encoder.head[-1]).out_features)
    weights = torch.ones(classes) if class_weights is None else class_weights

    def loss(module: nn.Module, batch: Labelled) -> dict[str, Tensor]:
        if not bool((batch.targets != IGNORED).any()):
            return {}
        logits = module(batch.inputs).flatten(0, 1)  # (B · U, C)
        found = nn.functional.cross_entropy(
            logits,
            batch.targets.flatten(),
            weight=weights.to(logits.device),
            ignore_index=IGNORED,
            label_smoothing=smoothing,
        )
        return {"label": found}

    def size(batch: Labelled) -> float:
        return float(weights[batch.targets[batch.targets != IGNORED]].sum())

    return Task(
        module=encoder,
        data=data,
        loss=loss,
        judge=lambda module: judge(cast("TextClassifier", module)),
        size=size,
        groups=groups,
        facts=facts,
    )


def loop_options(options: DialogueEncoderOptions | TextEncoderOptions, *, metric: str) -> LoopOptions:
    """How both encoders are trained: all epochs, warm-up and linear decay."""
    return LoopOptions(
        seed=options.seed,
        epochs=options.epochs,
        patience=options.epochs,
        metric=metric,
        schedule="linear",
        warmup=0.1,
        floor=0.02,
        threads=options.threads,
        device=options.device,
        checkpoint_seconds=options.checkpoint_seconds,
    )


def read_windows(
    encoder: TextClassifier, windows: Sequence[Window], *, progress: Progress | None = None, stage: str = "read"
) -> Iterator[tuple[list[Window], np.ndarray, np.ndarray]]:
    """Batches of windows with the vectors ``(B, U, d)`` and logits ``(B, U, C)`` of their utterances."""
    encoder.eval()
    done = 0
    for batch in batches(windows, _READ_TOKENS):
        with torch.inference_mode():
            vectors = encoder.vectors(encoder.backbone.prepare(batch))
            logits = encoder.head(vectors)
        yield batch, vectors.float().cpu().numpy(), logits.float().cpu().numpy()
        done += len(batch)
        if progress:
            progress(stage, done, len(windows))
