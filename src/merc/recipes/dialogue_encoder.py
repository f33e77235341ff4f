"""The sentence encoder learns to read a corpus of dialogues: low-rank adapters on MPNet, and the vectors they give.

Low-rank adapters (Hu et al., 2021) stand beside every linear layer of the frozen encoder; a head of two linear layers
reads the label of each utterance from the mean of its tokens. Trained on the training part of one fold, the epoch is
chosen by its validation part; the vectors of all utterances then go into a feature store, from which systems learn.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.backbones.mpnet_dialogue import (
    BEFORE,
    WINDOW,
    Reading,
    batches,
    cut,
    frozen_mpnet,
    mpnet_tokenizer,
    opened,
    read,
    scored,
)
from merc.backbones.mpnet_windows import Window, pooled
from merc.cache import file_hash, replacing
from merc.conversation import Conversation, Utterance
from merc.errors import InputError, MissingExtra
from merc.evaluation.metrics import confusion, f1, weighted_f1
from merc.evaluation.protocol import Epoch, Fold, select
from merc.features.store import Feature, Writer
from merc.nn.memory import keep_freed_memory
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn


TARGETS = ("q", "k", "v", "o", "intermediate.dense", "output.dense")
"""The linear layers of MPNet that get an adapter: all of them."""


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """How the encoder is tuned; raises InputError for a value that cannot be used."""

    context: str = "past"
    """What an utterance sees: "none", "past" utterances, or "both" sides."""
    speakers: str = "name"
    """What stands before the words: the speaker's "name", a "letter" by order of appearance, or "none"."""
    rank: int = 16
    """Of the adapters; 16 gives 2.7 million numbers, 5.3 MB at half precision."""
    epochs: int = 5
    """Passes over the training dialogues."""
    learning_rate: float = 4e-4
    """Of the adapters; low-rank adapters want some twenty times the rate of full tuning."""
    head_rate: float = 1e-3
    """Of the two layers that read the label."""
    smoothing: float = 0.05
    """Of the labels, which annotators often disagree on."""
    batch_tokens: int = 1024
    """Padded tokens a step."""
    window: int = 448
    """Tokens of a stretch of dialogue in training, at most."""
    before: int = 112
    """Of them, tokens of what came before."""
    seed: int = 0
    """Reaches everything that is random."""
    threads: int = 2
    """Of torch."""

    def __post_init__(self) -> None:
        Reading(self.context, self.speakers)
        for name in ("rank", "epochs", "batch_tokens", "window", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if not 0 <= self.before < self.window:
            raise InputError(f"before {self.before}: expected 0 to below the window of {self.window} tokens")
        if not (self.learning_rate > 0 and self.head_rate > 0 and 0 <= self.smoothing < 1):
            raise InputError("learning rates must be above 0, label smoothing from 0 to below 1")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning left: the file of the chosen epoch, its number, and validation weighted F1 of each epoch."""

    path: Path
    epoch: int
    history: tuple[float, ...]


class Reader:
    """The encoder with its adapters and head, and how it reads conversations.

    ``network`` and ``tokenizer`` are MPNet's unless given (a small random one in tests). Raises MissingExtra without
    peft, WeightError when the weight 'mpnet' is not there.
    """

    def __init__(self, classes: int, options: DialogueOptions, *, network: Any = None, tokenizer: Any = None) -> None:
        import torch

        torch.manual_seed(options.seed)
        torch.set_num_threads(options.threads)
        keep_freed_memory()
        self.options = options
        self.reading = Reading(options.context, options.speakers)
        self.tokenizer = tokenizer or mpnet_tokenizer()
        self.adapted = _adapted(network or frozen_mpnet(), options)
        self.head = reading_head(self.network.config.hidden_size, classes)

    @property
    def network(self) -> Any:
        """The encoder, adapters included."""
        return self.adapted.base_model.model

    @property
    def low_rank(self) -> dict[str, Tensor]:
        """The adapters' numbers by name."""
        return {name: values for name, values in self.adapted.state_dict().items() if "lora_" in name}

    def trained(self) -> list[nn.Parameter]:
        """Adapters, then head."""
        return [p for p in self.adapted.parameters() if p.requires_grad] + list(self.head.parameters())

    def mode(self, *, training: bool) -> None:
        """Dropout on or off."""
        self.adapted.train(training)
        self.head.train(training)

    def cut(self, conversations: Sequence[Conversation], *, size: int, before: int) -> list[Window]:
        """Windows over all conversations, of at most ``size`` tokens with ``before`` tokens of context."""
        return cut(self.tokenizer, conversations, reading=self.reading, size=size, before=before)

    def __call__(self, chosen: Sequence[Window]) -> tuple[Tensor, Tensor]:
        """Vectors ``(B, U, 768)`` and logits ``(B, U, C)`` of the windows' utterances."""
        read_as = {"padding": self.tokenizer.pad_token_id, "context": self.reading.context}
        vectors = pooled(*read(self.network, chosen, **read_as))
        return vectors, self.head(vectors)

    def save(self, path: Path) -> None:
        """Write adapters and head at half precision; how they read stands in the head of the file."""
        from safetensors.torch import save_file

        head = {f"head.{name}": values for name, values in self.head.state_dict().items()}
        values = {name: one.detach().half().contiguous() for name, one in {**self.low_rank, **head}.items()}
        with replacing(path) as temporary:
            save_file(values, temporary, metadata=self.reading.head)

    def load(self, path: Path, *, head: bool = True) -> None:
        """Read what ``save`` wrote, the head only if wanted; raises InputError where it does not fit."""
        values, _ = opened(path)
        kept = {name[5:]: values.pop(name) for name in list(values) if name.startswith("head.")}
        if set(values) != set(self.low_rank):
            raise InputError(f"{path} holds adapters of another encoder or rank; tune it anew")
        self.adapted.load_state_dict(values, strict=False)
        if head:
            self.head.load_state_dict(kept)


def reading_head(width: int, classes: int) -> nn.Module:
    """Two linear layers that read the label from a vector of ``width``."""
    from torch import nn

    return nn.Sequential(nn.Dropout(0.1), nn.Linear(width, 256), nn.Tanh(), nn.Dropout(0.1), nn.Linear(256, classes))


def tune(
    conversations: Sequence[Conversation],
    fold: Fold,
    folder: Path,
    *,
    reader: Reader,
    start: Path | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Train on the fold's training part; every epoch leaves a file, and a killed run goes on after the last of them.

    The fold is one of those drawn by the reader's seed. ``start`` holds adapters to begin with, such as those that
    learned single texts. The epoch is chosen by validation weighted F1. Test labels are never read: the conversations
    are blinded first. Raises InputError where ``folder`` holds a run of another fold, start or options.
    """
    if start:
        reader.load(start, head=False)
    seed = reader.options.seed
    reader.reading = replace(reader.reading, protocol=fold.test.protocol, fold=fold.name, seed=seed)
    asked = {"options": asdict(reader.options), "fold": fold.name, "start": file_hash(start) if start else None}
    _same_run(folder / "asked.json", json.loads(json.dumps(asked)))
    classes = tuple(sorted(set(fold.train.labels.values())))
    blind = fold.blinded(conversations)
    if reader.options.context == "none":  # who is nobody's context and has no label teaches nothing
        blind = [_only(one, fold.train.scored | fold.valid.scored) for one in blind]
    train = [one for one in blind if one.id in set(fold.train.conversations)]
    valid = [one for one in blind if one.id in set(fold.valid.conversations)]
    tables: list[np.ndarray] = []
    for number in range(reader.options.epochs):
        path = folder / f"epoch-{number}.safetensors"
        if not path.exists():
            _epoch(reader, train, (fold.train.labels, classes), number=number, progress=progress)
            reader.save(path)
        reader.load(path)  # as saved: a run that was killed here goes on from the same numbers
        tables.append(_validation(reader, valid, fold.valid.labels, classes=classes))
    history = [weighted_f1(one) for one in tables]
    epochs = [Epoch(number, {"weighted_f1": figure}) for number, figure in enumerate(history)]
    best = select(epochs, fold=fold)
    reader.load(folder / f"epoch-{best}.safetensors")
    chosen = folder / "adapters.safetensors"
    reader.save(chosen)
    by_class = dict(zip(classes, f1(tables[best]).tolist(), strict=True))
    card = {**asked, "reading": asdict(reader.reading), "history": history, "epoch": best, "by_class": by_class}
    with replacing(folder / "tuned.json") as temporary:
        temporary.write_text(json.dumps({**card, "sha256": file_hash(chosen)}, indent=2) + "\n", encoding="utf-8")
    return Tuned(chosen, best, tuple(history))


def _only(conversation: Conversation, ids: Set[str]) -> Conversation:
    """The conversation without all other utterances."""
    return replace(conversation, utterances=tuple(one for one in conversation if one.id in ids))


def _same_run(path: Path, asked: dict[str, Any]) -> None:
    """Note what a run was asked for, or refuse to go on with another one's epochs."""
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if differ := [name for name in asked if name != "options" and before.get(name) != asked[name]]:
            raise InputError(f"{path.parent} holds a tuning with another {differ[0]}; give another --out")
        was, now = before.get("options", {}), asked["options"]
        if changed := [name for name in now if name != "threads" and was.get(name) != now[name]]:
            name = changed[0]
            raise InputError(
                f"{path.parent} holds a tuning with {name} {was.get(name)}, asked is {now[name]}; give another --out"
            )
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")


def store(conversations: Sequence[Conversation], reader: Reader, tuned: Tuned, *, folder: Path, name: str) -> None:
    """Write the vectors of every utterance into a feature store, as the feature ``name``."""
    base = weights.WEIGHTS["mpnet"].sha256
    origin = {
        "encoder": name,
        "sha256": file_hash(tuned.path),
        "base": base,
        **asdict(reader.options),
        **asdict(reader.reading),
    }
    width = reader.network.config.hidden_size
    with Writer(folder, Feature(name, (width,), origin)) as writer:
        for utterance, vector, _ in _read(reader, conversations):
            if utterance.id not in writer.done:
                writer.add(utterance.id, vector)


def _epoch(
    reader: Reader,
    train: Sequence[Conversation],
    known: tuple[Any, Sequence[str]],
    *,
    number: int,
    progress: Progress | None,
) -> None:
    """One pass; its random numbers follow from seed and epoch alone, its moments start anew with every epoch."""
    import torch

    options, (labels, classes) = reader.options, known
    torch.manual_seed(options.seed * 1000 + number)
    random = np.random.default_rng((options.seed, number))
    cut = reader.cut(train, size=options.window, before=options.before)
    order = list(batches(cut, options.batch_tokens, random=random))
    parameters = reader.trained()
    head = len(list(reader.head.parameters()))
    groups = [
        {"params": parameters[:-head], "lr": options.learning_rate},
        {"params": parameters[-head:], "lr": options.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    rates = [group["lr"] for group in optimiser.param_groups]
    reader.mode(training=True)
    for done, chosen in enumerate(order):
        share = rate_at(number * len(order) + done, options.epochs * len(order))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        _, logits = reader(chosen)
        target = _targets(chosen, train, labels, classes=classes, width=logits.shape[1])
        if not (target >= 0).any():
            continue
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=-1, label_smoothing=options.smoothing
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if progress:
            progress(f"epoch {number + 1} of {options.epochs}", done + 1, len(order))


def rate_at(step: int, steps: int) -> float:
    """Share of the learning rate: up over a tenth of all steps, then down to a fiftieth."""
    warm = max(1, steps // 10)
    return min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))


def _targets(
    chosen: Sequence[Window], train: Sequence[Conversation], labels: Any, *, classes: Sequence[str], width: int
) -> Tensor:
    """Class numbers ``(B, U)``, -1 where an utterance is context, padding or without a label."""
    import torch

    target = torch.full((len(chosen), width), -1)
    for row, place, utterance in scored(chosen, train):
        label = labels.get(utterance.id)
        target[row, place] = classes.index(label) if label else -1
    return target


def _read(reader: Reader, conversations: Sequence[Conversation]) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray]]:
    """Each utterance with its vector and logits, in batches of like length."""
    import torch

    reader.mode(training=False)
    for chosen in batches(reader.cut(conversations, size=WINDOW, before=BEFORE), 4096):
        with torch.inference_mode():
            vectors, logits = reader(chosen)
        for row, place, utterance in scored(chosen, conversations):
            yield utterance, vectors[row, place].numpy(), logits[row, place].numpy()


def _validation(reader: Reader, valid: Sequence[Conversation], labels: Any, *, classes: Sequence[str]) -> np.ndarray:
    """Annotated classes in rows, predicted in columns: ``(C, C)``."""
    read = [(labels[one.id], logits) for one, _, logits in _read(reader, valid) if one.id in labels]
    true = np.array([classes.index(label) for label, _ in read])
    said = np.array([logits.argmax() for _, logits in read])
    return confusion(true, said, classes=len(classes))


def _adapted(network: Any, options: DialogueOptions) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("tuning an encoder needs peft: pip install 'merc[tune]'") from error
    network.requires_grad_(False)
    chosen = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.0, target_modules=list(TARGETS))
    with warnings.catch_warnings():
        # peft still asks transformers by an old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(network, chosen)
