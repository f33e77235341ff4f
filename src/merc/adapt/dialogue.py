"""The sentence encoder learns to read a corpus of dialogues: low-rank adapters on MPNet, and the vectors they give.

Low-rank adapters (Hu et al., 2021) stand beside every linear layer of the frozen encoder; a head of two linear layers
reads the label of each utterance from the mean of its tokens. Trained on the training part of one fold, the epoch is
chosen by its validation part; the vectors of all utterances then go into a feature store, from which systems learn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.cache import file_hash, replacing
from merc.conversation import Conversation, Utterance
from merc.encoders.dialogue import CONTEXTS, Window, collate, contextual, pooled, tokenised, turn, windows
from merc.encoders.store import Feature, Writer
from merc.errors import InputError, MissingExtra
from merc.evaluation.metrics import confusion, weighted_f1
from merc.evaluation.protocol import Epoch, Fold, select

if TYPE_CHECKING:
    from torch import Tensor, nn

Progress = Callable[[str, float, float], None]

TARGETS = ("q", "k", "v", "o", "intermediate.dense", "output.dense")
"""The linear layers of MPNet that get an adapter: all of them."""


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """How the encoder is tuned; raises InputError for a value that cannot be used."""

    context: str = "past"
    """What an utterance sees: "none", "past" utterances, or "both" sides."""
    speakers: bool = True
    """Whether the speaker's name stands before the words."""
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
    window: int = 256
    """Tokens of a stretch of dialogue in training, at most."""
    before: int = 96
    """Of them, tokens of what came before."""
    seed: int = 0
    """Reaches everything that is random."""
    threads: int = 2
    """Of torch."""

    def __post_init__(self) -> None:
        if self.context not in CONTEXTS:
            raise InputError(f"context '{self.context}': expected {', '.join(CONTEXTS)}")
        for name in ("rank", "epochs", "batch_tokens", "window", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if not 0 <= self.before < self.window:
            raise InputError(f"before {self.before}: expected 0 to below the window of {self.window} tokens")
        if not (self.learning_rate > 0 and self.head_rate > 0 and 0 <= self.smoothing < 1):
            raise InputError("learning rates must be above 0, label smoothing from 0 to below 1")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning left: the file of adapter and head, the chosen epoch, and validation weighted F1 of each epoch."""

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
        from torch import nn

        torch.manual_seed(options.seed)
        torch.set_num_threads(options.threads)
        self.options = options
        self.tokenizer = tokenizer or _tokenizer()
        self.adapted = _adapted(network or _mpnet(), options)
        width = self.adapted.base_model.model.config.hidden_size
        self.head: nn.Module = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(width, 256), nn.Tanh(), nn.Dropout(0.1), nn.Linear(256, classes)
        )

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
        """Windows over all conversations; an utterance without words is read as an ellipsis, for context's sake."""
        found: list[Window] = []
        for number, conversation in enumerate(conversations):
            texts = [self._text(utterance) for utterance in conversation]
            rows = tokenised(self.tokenizer, texts, longest=72)
            found += windows(rows, dialogue=number, size=size, context=before)
        return found

    def _text(self, utterance: Utterance) -> str:
        words = (utterance.text or "").strip() or "..."
        return turn(words, utterance.speaker if self.options.speakers else None)

    def __call__(self, chosen: Sequence[Window]) -> tuple[Tensor, Tensor]:
        """Vectors ``(B, U, 768)`` and logits ``(B, U, C)`` of the windows' utterances."""
        import torch

        tokens, owners = collate(chosen, padding=self.tokenizer.pad_token_id)
        network = self.adapted.base_model.model
        with torch.autocast("cpu", torch.bfloat16, enabled=_bfloat16()):
            states = contextual(network, tokens, owners, context=self.options.context)
        vectors = pooled(states.float(), owners)
        return vectors, self.head(vectors)

    def save(self, path: Path) -> None:
        """Write adapters and head at half precision."""
        from safetensors.torch import save_file

        head = {f"head.{name}": values for name, values in self.head.state_dict().items()}
        values = {name: one.detach().half().contiguous() for name, one in {**self.low_rank, **head}.items()}
        with replacing(path) as temporary:
            save_file(values, temporary)

    def load(self, path: Path) -> None:
        """Read what ``save`` wrote; raises InputError where it does not fit."""
        from safetensors.torch import load_file

        values = {name: one.float() for name, one in load_file(path).items()}
        head = {name[5:]: values.pop(name) for name in list(values) if name.startswith("head.")}
        if set(values) != set(self.low_rank):
            raise InputError(f"{path} holds adapters of another encoder or rank; tune it anew")
        self.adapted.load_state_dict(values, strict=False)
        self.head.load_state_dict(head)


def tune(
    conversations: Sequence[Conversation],
    fold: Fold,
    folder: Path,
    *,
    reader: Reader,
    progress: Progress | None = None,
) -> Tuned:
    """Train on the fold's training part; every epoch leaves a file, and a killed run goes on after the last of them.

    The epoch is chosen by validation weighted F1. Test labels are never read: the conversations are blinded first.
    """
    classes = tuple(sorted(set(fold.train.labels.values())))
    blind = fold.blinded(conversations)
    train = [one for one in blind if one.id in set(fold.train.conversations)]
    valid = [one for one in blind if one.id in set(fold.valid.conversations)]
    history: list[float] = []
    for number in range(reader.options.epochs):
        path = folder / f"epoch-{number}.safetensors"
        if not path.exists():
            _epoch(reader, train, (fold.train.labels, classes), number=number, progress=progress)
            reader.save(path)
        reader.load(path)  # as saved: a run that was killed here goes on from the same numbers
        history.append(_validation(reader, valid, fold.valid.labels, classes=classes))
    epochs = [Epoch(number, {"weighted_f1": figure}) for number, figure in enumerate(history)]
    best = select(epochs, fold=fold)
    chosen = folder / f"epoch-{best}.safetensors"
    card = {"options": asdict(reader.options), "fold": fold.name, "classes": classes, "history": history, "epoch": best}
    with replacing(folder / "tuned.json") as temporary:
        temporary.write_text(json.dumps({**card, "sha256": file_hash(chosen)}, indent=2) + "\n", encoding="utf-8")
    reader.load(chosen)
    return Tuned(chosen, best, tuple(history))


def store(conversations: Sequence[Conversation], reader: Reader, tuned: Tuned, *, folder: Path, name: str) -> None:
    """Write the vectors of every utterance into a feature store, as the feature ``name``."""
    base = weights.WEIGHTS["mpnet"].sha256
    origin = {"encoder": name, "sha256": file_hash(tuned.path), "base": base, **asdict(reader.options)}
    width = reader.adapted.base_model.model.config.hidden_size
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
    order = list(_batches(cut, options.batch_tokens, random=random))
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
        share = _rate(number * len(order) + done, options.epochs * len(order))
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


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate: up over a tenth of all steps, then down to a fiftieth."""
    warm = max(1, steps // 10)
    return min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))


def _batches(cut: Sequence[Window], budget: int, *, random: Any = None) -> Iterator[list[Window]]:
    """Windows of like length together, at most ``budget`` padded tokens; shuffled where random numbers are given."""
    noise = random.normal(0, 20, len(cut)) if random is not None else np.zeros(len(cut))
    order = np.argsort([len(window.tokens) + extra for window, extra in zip(cut, noise, strict=True)], kind="stable")
    made: list[list[Window]] = [[]]
    for place in order:
        longest = max(len(window.tokens) for window in [*made[-1], cut[place]])
        if made[-1] and (len(made[-1]) + 1) * longest > budget:
            made.append([])
        made[-1].append(cut[place])
    turns = random.permutation(len(made)) if random is not None else range(len(made))
    yield from (made[number] for number in turns if made[number])


def _targets(
    chosen: Sequence[Window], train: Sequence[Conversation], labels: Any, *, classes: Sequence[str], width: int
) -> Tensor:
    """Class numbers ``(B, U)``, -1 where an utterance is context, padding or without a label."""
    import torch

    target = torch.full((len(chosen), width), -1)
    for row, window in enumerate(chosen):
        for place in range(window.scored, window.utterances):
            label = labels.get(train[window.dialogue].utterances[window.first + place].id)
            target[row, place] = classes.index(label) if label else -1
    return target


def _read(reader: Reader, conversations: Sequence[Conversation]) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray]]:
    """Each utterance with its vector and logits, in batches of like length."""
    import torch

    reader.mode(training=False)
    cut = reader.cut(conversations, size=384, before=192)
    for chosen in _batches(cut, 4096):
        with torch.inference_mode():
            vectors, logits = reader(chosen)
        for row, window in enumerate(chosen):
            for place in range(window.scored, window.utterances):
                utterance = conversations[window.dialogue].utterances[window.first + place]
                yield utterance, vectors[row, place].numpy(), logits[row, place].numpy()


def _validation(reader: Reader, valid: Sequence[Conversation], labels: Any, *, classes: Sequence[str]) -> float:
    read = [(labels[one.id], logits) for one, _, logits in _read(reader, valid) if one.id in labels]
    true = np.array([classes.index(label) for label, _ in read])
    said = np.array([logits.argmax() for _, logits in read])
    return weighted_f1(confusion(true, said, classes=len(classes)))


def _tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.path("mpnet"), local_files_only=True)


def _mpnet() -> Any:
    """The frozen encoder, its linear layers in bfloat16 where the processor multiplies that."""
    import torch
    from transformers import MPNetConfig, MPNetModel

    from merc.encoders.text import loaded

    network = loaded(MPNetModel, MPNetConfig, weights.path("mpnet"))
    for module in network.modules():
        if isinstance(module, torch.nn.Linear) and _bfloat16():
            module.to(torch.bfloat16)
    return network


def _bfloat16() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())  # the public name is newer


def _adapted(network: Any, options: DialogueOptions) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("tuning an encoder needs peft: pip install 'merc[tune]'") from error
    network.requires_grad_(False)
    chosen = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.05, target_modules=list(TARGETS))
    return get_peft_model(network, chosen)
