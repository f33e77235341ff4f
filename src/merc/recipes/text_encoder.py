"""The sentence encoder learns emotions from five corpora of texts: low-rank adapters or all of its numbers.

MPNet with a head of two linear layers reads each text alone; the epoch is chosen by the loss on the validation part.
The adapters are what tuning on conversations may start from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.backbones.mpnet_dialogue import Reading, batches, mpnet_tokenizer
from merc.backbones.mpnet_windows import Window, tokenised, windows
from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.evaluation.calibration import log_loss, softmax
from merc.evaluation.metrics import accuracy, confusion, macro_f1
from merc.labels import EKMAN7
from merc.nn.memory import keep_freed_memory
from merc.progress import Progress
from merc.recipes.dialogue_encoder import DialogueOptions, Reader, rate_at, reading_head
from merc.recipes.samples import Sample, Selection
from merc.recipes.text_sampling import SAMPLES

if TYPE_CHECKING:
    from torch import Tensor


METHODS = {"lora": 4e-4, "full": 2e-5}
"""What is tuned, and its learning rate: adapters beside the linear layers, or every number of the encoder."""

_WARM = 20  # steps at the start of each epoch, whose moments start anew
_SPREAD = 0.3  # below a token: texts of one length trade places, and padding stays below 3 %


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How the encoder is tuned on texts; raises InputError for a value that cannot be used."""

    method: str = "lora"
    """"lora" or "full"."""
    sample: str = "distinct"
    """Which texts: see ``mixture.SAMPLES``."""
    each: int = 6200
    """Texts of a class: what the source paper took of each emotion."""
    each_epoch: int = 0
    """Of them, how many an epoch takes at most, in turns; 0 takes all."""
    epochs: int = 3
    """Passes, as in the source paper."""
    learning_rate: float = 0.0
    """Of the encoder; 0 is the method's own."""
    head_rate: float = 1e-3
    """Of the head."""
    rank: int = 16
    """Of the adapters."""
    smoothing: float = 0.05
    """Of the labels: half of the corpora were annotated by one worker or by a hashtag."""
    balance: float = 0.5
    """Power of the inverse class frequency in the loss: 0 leaves classes as they are, 1 makes them equal."""
    batch_tokens: int = 1024
    """Padded tokens a step."""
    longest: int = 64
    """Tokens of a text that are read; one in 250 is longer."""
    seed: int = 0
    """Reaches everything that is random."""
    threads: int = 2
    """Of torch."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method '{self.method}': expected {', '.join(METHODS)}")
        if self.sample not in SAMPLES:
            raise InputError(f"sample '{self.sample}': expected {', '.join(SAMPLES)}")
        for name in ("each", "epochs", "rank", "batch_tokens", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if self.each_epoch < 0 or self.longest < 3:
            raise InputError("each_epoch must be at least 0, longest at least 3 tokens")
        if self.learning_rate < 0 or self.head_rate <= 0:
            raise InputError("learning_rate must be at least 0 (0: the method's own), head_rate above 0")
        if not (0 <= self.smoothing < 1 and 0 <= self.balance <= 1):
            raise InputError("smoothing must be from 0 to below 1, balance from 0 to 1")

    @property
    def reading(self) -> DialogueOptions:
        """The same for the reader: a text is a conversation of one utterance, without a speaker."""
        rate = self.learning_rate or METHODS[self.method]
        return DialogueOptions(
            context="none",
            speakers="none",
            rank=self.rank,
            epochs=self.epochs,
            learning_rate=rate,
            head_rate=self.head_rate,
            smoothing=self.smoothing,
            batch_tokens=self.batch_tokens,
            window=self.longest,
            before=0,
            seed=self.seed,
            threads=self.threads,
        )


class Whole(Reader):
    """The encoder without adapters, all of its numbers free; weights in float32, products in bfloat16."""

    def __init__(self, classes: int, options: DialogueOptions, *, network: Any = None, tokenizer: Any = None) -> None:
        import torch

        torch.manual_seed(options.seed)
        torch.set_num_threads(options.threads)
        keep_freed_memory()
        self.options = options
        self.reading = Reading(options.context, options.speakers)
        self.tokenizer = tokenizer or mpnet_tokenizer()
        self.adapted = (network or _float32()).requires_grad_(True)
        self.head = reading_head(self.network.config.hidden_size, classes)

    @property
    def network(self) -> Any:
        """The encoder."""
        return self.adapted

    @property
    def low_rank(self) -> dict[str, Tensor]:
        """Every number of the encoder by name: none is of low rank here, all are saved."""
        return dict(self.adapted.named_parameters())


def reader_of(options: TuneOptions, *, network: Any = None, tokenizer: Any = None) -> Reader:
    """The encoder and head that a method tunes; ``network`` and ``tokenizer`` are MPNet's unless given."""
    made = Reader if options.method == "lora" else Whole
    return made(len(EKMAN7), options.reading, network=network, tokenizer=tokenizer)


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as tokens, one window each, with the numbers of their classes."""

    windows: tuple[Window, ...]
    classes: np.ndarray


@dataclass(frozen=True, slots=True)
class Course:
    """What a tuning left: the chosen epoch, its file, and each epoch's figures on the validation part."""

    path: Path
    epoch: int
    history: tuple[dict[str, float], ...]
    validation: np.ndarray


def read_texts(samples: Sequence[Sample], reader: Reader, *, longest: int) -> Texts:
    """Tokens of the samples, the end of long ones left out."""
    rows = tokenised(reader.tokenizer, [sample.item.text or "" for sample in samples], longest=longest)
    cut = [windows([row], dialogue=number)[0] for number, row in enumerate(rows)]
    return Texts(tuple(cut), np.array([EKMAN7.index(sample.label) for sample in samples], dtype=np.int64))


def tune(
    selection: Selection,
    folder: Path,
    *,
    options: TuneOptions,
    reader: Reader,
    start: Path | None = None,
    progress: Progress | None = None,
) -> Course:
    """Train on the training part; every epoch leaves two files, and a killed run goes on after the last of them.

    ``start`` is the file of another tuning to begin with, encoder and head. The epoch is the one with the least loss on
    the validation part; the test part is not looked at. Raises InputError for a part or class without texts, for a
    start of other texts and for a folder that holds a tuning with other options, start or texts.
    """
    train, valid = (
        read_texts([selection.samples[n] for n in selection.part(part)], reader, longest=options.longest)
        for part in ("train", "validation")
    )
    _check(train, valid)
    if start:
        _same_texts(start, options)
        reader.load(start)
    _claim(folder, selection, options, start=start)
    answers, history = [], []
    for number in range(options.epochs):
        path, told = folder / f"epoch-{number}.safetensors", folder / f"epoch-{number}.npz"
        if not told.exists():
            if not path.exists():
                _epoch(reader, train, options, number=number, progress=progress)
                reader.save(path)
            reader.load(path)  # as saved: a run that was killed here goes on from the same numbers
            _answer(told, read(reader, valid, progress=progress, stage=f"validation {number + 1}"))
        elif number == options.epochs - 1 or not (folder / f"epoch-{number + 1}.npz").exists():
            reader.load(path)
        answers.append(_answers(told))
        history.append(_figures(answers[-1], valid.classes))
    best = min(range(len(history)), key=lambda n: history[n]["loss"])
    path = folder / f"epoch-{best}.safetensors"
    reader.load(path)
    return Course(path, best, tuple(history), answers[best])


def read(reader: Reader, texts: Texts, *, progress: Progress | None = None, stage: str = "read") -> np.ndarray:
    """Logits of every text in the order given: ``(n, 7)`` float32."""
    import torch

    reader.mode(training=False)
    found = np.empty((len(texts.windows), len(EKMAN7)), dtype=np.float32)
    done = 0
    for chosen in batches(texts.windows, 4096):
        with torch.inference_mode():
            _, logits = reader(chosen)
        found[[window.dialogue for window in chosen]] = logits[:, 0].numpy()
        done += len(chosen)
        if progress:
            progress(stage, done, len(texts.windows))
    return found


def turn(classes: np.ndarray, number: int, options: TuneOptions) -> np.ndarray:
    """Which texts an epoch takes: of each class all, or the next ``each_epoch`` of its own shuffled circle."""
    taken = []
    for one in np.unique(classes):
        order = np.random.default_rng((options.seed, int(one))).permutation(np.flatnonzero(classes == one))
        size = min(options.each_epoch or len(order), len(order))
        taken.append(order[(number * size + np.arange(size)) % len(order)])
    return np.sort(np.concatenate(taken))


def _epoch(reader: Reader, train: Texts, options: TuneOptions, *, number: int, progress: Progress | None) -> None:
    """One pass; its random numbers follow from seed and epoch alone, its moments start anew with every epoch."""
    import torch

    torch.manual_seed(options.seed * 1000 + number)
    rows = turn(train.classes, number, options)
    cut = [train.windows[row] for row in rows]
    order = list(
        batches(cut, options.batch_tokens, random=np.random.default_rng((options.seed, number)), spread=_SPREAD)
    )
    balance = _balance(train.classes[rows], options.balance)
    optimiser, parameters = _optimiser(reader)
    rates = [group["lr"] for group in optimiser.param_groups]
    reader.mode(training=True)
    for done, chosen in enumerate(order):
        share = rate_at(number * len(order) + done, options.epochs * len(order)) * min(1.0, (done + 1) / _WARM)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        _, logits = reader(chosen)
        target = torch.from_numpy(train.classes[[window.dialogue for window in chosen]])
        loss = torch.nn.functional.cross_entropy(
            logits[:, 0], target, weight=balance, label_smoothing=options.smoothing
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if progress:
            progress(f"epoch {number + 1} of {options.epochs}", done + 1, len(order))


def _optimiser(reader: Reader) -> tuple[Any, list[Any]]:
    import torch

    parameters = reader.trained()
    head = len(list(reader.head.parameters()))
    groups = [
        {"params": parameters[:-head], "lr": reader.options.learning_rate},
        {"params": parameters[-head:], "lr": reader.options.head_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True), parameters


def _balance(classes: np.ndarray, power: float) -> Tensor:
    """The weight of each class in the loss: its inverse frequency to a power, 1 on average over the texts."""
    import torch

    counts = np.bincount(classes, minlength=len(EKMAN7))
    raw = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** -power, 0.0)
    return torch.tensor(raw * len(classes) / (raw * counts).sum(), dtype=torch.float32)


def _check(train: Texts, valid: Texts) -> None:
    missing = [label for n, label in enumerate(EKMAN7) if not (train.classes == n).any()]
    if missing:
        raise InputError(f"no training text of {', '.join(missing)}: the corpora are not complete")
    if not len(valid.classes):
        raise InputError("no text in the validation part: the epoch could not be chosen")


def _same_texts(start: Path, options: TuneOptions) -> None:
    """Raise InputError where the start may have learned texts that test here: another sample, draw or method."""
    path = start.parent / "plan.json"
    if not start.exists() or not path.exists():
        raise InputError(
            f"{start}: not in a folder that 'merc adapt text --tune' left; it is not known what it learned"
        )
    before = json.loads(path.read_text(encoding="utf-8"))["options"]
    for name in ("method", "sample", "each", "seed"):
        if before[name] != getattr(options, name):
            raise InputError(
                f"{start} was tuned with {name} {before[name]}, asked is {getattr(options, name)}: it may know texts "
                "of the test part; begin with a tuning of the same texts"
            )


def _claim(folder: Path, selection: Selection, options: TuneOptions, *, start: Path | None) -> None:
    """Write down what the folder is for; raises InputError where it is for something else."""
    counts = Counter((sample.part, sample.label) for sample in selection.samples)
    plan: dict[str, Any] = {"options": asdict(replace(options, threads=1))}
    plan["texts"] = {f"{part} {label}": n for (part, label), n in sorted(counts.items())}
    if start:
        plan["start"] = file_hash(start)
    path = folder / "plan.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != plan:
            raise InputError(f"{folder} holds a tuning with other options or texts (plan.json): choose another folder")
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def _answer(path: Path, logits: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, logits=logits)


def _answers(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as stored:
        found: np.ndarray = stored["logits"]
        return found


def _figures(logits: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    matrix = confusion(classes, logits.argmax(1), classes=len(EKMAN7))
    found = {"loss": log_loss(softmax(logits), classes), "accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)}
    return {name: round(float(figure), 5) for name, figure in found.items()}


def _float32() -> Any:
    from transformers import MPNetConfig, MPNetModel

    from merc.backbones.mpnet import loaded

    network = loaded(MPNetModel, MPNetConfig, weights.path("mpnet"))
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()  # the file's pages are not to be written to
    return network
