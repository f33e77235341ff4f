"""The text encoder learns emotions from five corpora of texts, each text alone: adapters or all of MPNet.

The best checkpoint is chosen by validation loss; the test part is measured once. The parameters are what the dialogue
encoder may start from. Writes ``text-MODE.safetensors``, ``.json`` and ``.md``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import weights
from merc.backbones.backbone import MODES
from merc.backbones.mpnet_dialogue import Reading, adapters
from merc.backbones.mpnet_windows import Window, tokenised, windows
from merc.cache import file_hash, key
from merc.errors import InputError
from merc.evaluation.calibration import expected_calibration_error, fit_temperature, log_loss, softmax
from merc.evaluation.metrics import accuracy, confusion, macro_f1
from merc.labels import EKMAN7
from merc.options import above, at_least, below_one, one_of, share
from merc.progress import Progress
from merc.recipes.measuring import classes_of, measured
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import SAMPLES, TEXTS, Sample, Selection, available, census, mixture, overlap, words
from merc.reporting import cards
from merc.training.contract import Fitted, Run
from merc.training.loop import fit

if TYPE_CHECKING:
    from torch import Tensor

    from merc.recipes.encoder_training import TextClassifier

RATES = {"lora": 4e-4, "full": 2e-5, "top-k": 2e-5, "frozen": 1e-3}
"""Learning rate of each mode: low-rank adapters take some twenty times that of full fine-tuning."""

NOISY = "crowdflower"
"""The corpus whose test items are left out once: one annotator a tweet, a class often not visible in the words."""
ALL, CLEAN = "all", "all without CrowdFlower"
NEW, SHARED = "texts that training has not", "texts that training has too"

_SPREAD = 0.3  # below a token: texts of one length trade places, and padding stays below 3 %


@dataclass(frozen=True, slots=True)
class TextEncoderOptions:
    """Options of the text encoder; raises InputError for a value that cannot be used."""

    mode: str = "lora"
    """What of MPNet is trained: "lora", "full", "top-k" (the last two layers) or "frozen"."""
    sample: str = "distinct"
    """Which texts: see ``merc.recipes.samples.SAMPLES``."""
    each: int = 6200
    """Texts of a class: what the paper took of each emotion."""
    each_epoch: int = 0
    """Of them, how many an epoch takes at most, in turns; 0 takes all."""
    start: str = ""
    """File of another training on the same texts to start from, or a shipped one by name; empty: MPNet."""
    epochs: int = 3
    """As in the paper."""
    learning_rate: float = 0.0
    """Of the encoder; 0 is that of the mode."""
    head_rate: float = 1e-3
    """Learning rate of the classifier."""
    rank: int = 16
    """Of the adapters."""
    smoothing: float = 0.05
    """Label smoothing: half of the corpora were annotated by one worker or by a hashtag."""
    balance: float = 0.5
    """Power of the inverse class frequency in the loss: 0 leaves classes as they are, 1 makes them equal."""
    batch_tokens: int = 1024
    """Padded tokens of a batch."""
    longest: int = 64
    """Tokens of a text that are read; one in 250 is longer."""
    seed: int = 0
    """Random seed."""
    threads: int = 2
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 60.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        one_of(MODES, mode=self.mode)
        one_of(SAMPLES, sample=self.sample)
        at_least(1, each=self.each, epochs=self.epochs, rank=self.rank, threads=self.threads)
        at_least(0, each_epoch=self.each_epoch, learning_rate=self.learning_rate)
        at_least(3, batch_tokens=self.batch_tokens, longest=self.longest)
        above(0, head_rate=self.head_rate)
        below_one(smoothing=self.smoothing)
        share(balance=self.balance)

    @property
    def encoder_rate(self) -> float:
        """The learning rate of the encoder."""
        return self.learning_rate or RATES[self.mode]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as tokens, one window each, with the numbers of their classes."""

    windows: tuple[Window, ...]
    classes: np.ndarray


def new_encoder(options: TextEncoderOptions) -> TextClassifier:
    """The encoder before training."""
    from merc.recipes.encoder_training import TextClassifier

    reading = Reading("none", "none")
    return TextClassifier(len(EKMAN7), reading, mode=options.mode, rank=options.rank, seed=options.seed)


def read_texts(samples: Sequence[Sample], encoder: TextClassifier, *, longest: int) -> Texts:
    """Tokens of the samples, at most ``longest`` of each."""
    rows = tokenised(encoder.tokenizer, [sample.item.text or "" for sample in samples], longest=longest)
    cut = [windows([row], dialogue=number)[0] for number, row in enumerate(rows)]
    return Texts(tuple(cut), classes_of(samples))


def logits_of(
    encoder: TextClassifier, texts: Texts, *, progress: Progress | None = None, stage: str = "read"
) -> np.ndarray:
    """Logits of every text in the order given: ``(n, 7)`` float32."""
    from merc.recipes.encoder_training import read_windows

    found = np.empty((len(texts.windows), len(EKMAN7)), dtype=np.float32)
    for batch, _, logits in read_windows(encoder, texts.windows, progress=progress, stage=stage):
        found[[window.dialogue for window in batch]] = logits[:, 0]
    return found


def train_texts(
    selection: Selection,
    options: TextEncoderOptions,
    encoder: TextClassifier,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train an encoder in place on the training part and leave the best checkpoint by validation loss in it.

    Args:
        selection: The texts; the test part is not read.
        options: How.
        encoder: Of the options' mode.
        folder: Of checkpoints.
        progress: Called in epochs.

    Raises:
        InputError: for a part or class without texts, a start from other texts, and a folder with another training.
    """
    from merc.recipes.encoder_training import Windows, encoder_task, loop_options

    train = read_texts(_part(selection, "train"), encoder, longest=options.longest)
    valid = read_texts(_part(selection, "validation"), encoder, longest=options.longest)
    _check(train, valid)
    start = adapters(Path(options.start)) if options.start else None
    if start:
        _refuse_other_texts(start, options)
        encoder.load(start)

    data = Windows(
        train.windows,
        [[number] for number in train.classes.tolist()],
        encoder.backbone.prepare,
        batch_tokens=options.batch_tokens,
        spread=_SPREAD,
        choose=lambda epoch: epoch_rows(train.classes, epoch, options).tolist(),
    )
    task = encoder_task(
        encoder,
        data,
        lambda judged: _figures(logits_of(judged, valid), valid.classes),
        groups=encoder.groups(encoder_rate=options.encoder_rate, head_rate=options.head_rate),
        smoothing=options.smoothing,
        facts=_facts(selection, options, start),
        class_weights=_balance(train.classes[epoch_rows(train.classes, 1, options)], options.balance),
    )
    return fit(task, loop_options(options, metric="loss"), Run(folder=folder, progress=progress))


def epoch_rows(classes: np.ndarray, epoch: int, options: TextEncoderOptions) -> np.ndarray:
    """Which texts an epoch (from 1) takes: of each class all, or the next ``each_epoch`` of its own shuffled circle."""
    taken = []
    for one in np.unique(classes):
        order = np.random.default_rng((options.seed, int(one))).permutation(np.flatnonzero(classes == one))
        size = min(options.each_epoch or len(order), len(order))
        taken.append(order[((epoch - 1) * size + np.arange(size)) % len(order)])
    return np.sort(np.concatenate(taken))


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
        raise InputError("no text in the validation part: no epoch could be chosen")


def _refuse_other_texts(start: Path, options: TextEncoderOptions) -> None:
    """Raise InputError where the start may have been trained on texts that test here: another sample, draw or mode."""
    path = start.with_suffix(".json")
    if not start.exists() or not path.exists():
        raise InputError(
            f"start '{start}': no file with its model card beside it, so the texts that it was trained on are unknown; "
            "name a file that 'merc train text-encoder' wrote"
        )
    before = cards.ModelCard.read(path).training.options
    for name in ("mode", "sample", "each", "seed"):
        if before.get(name) != getattr(options, name):
            raise InputError(
                f"start '{start}' was trained with {name} {before.get(name)}, now it is {getattr(options, name)}: its "
                "training texts may be in the test part; start from a training on the same texts"
            )


def _facts(selection: Selection, options: TextEncoderOptions, start: Path | None) -> dict[str, object]:
    counts = Counter(f"{sample.part} {sample.label}" for sample in selection.samples)
    texts = key([(sample.part, sample.label, sample.item.text) for sample in selection.samples])
    values = {name: value for name, value in _shown(options).items() if name not in ("seed", "epochs", "threads")}
    return {
        **values,
        "start": file_hash(start) if start else "",
        "counts": dict(sorted(counts.items())),
        "texts": texts,
    }


def _shown(options: TextEncoderOptions) -> dict[str, object]:
    """The options that a card lists: not where and how often, which change nothing."""
    values = asdict(options) | {"learning_rate": options.encoder_rate}
    return {name: value for name, value in values.items() if name not in ("device", "checkpoint_seconds", "start")}


def _figures(logits: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    matrix = confusion(classes, logits.argmax(1), classes=len(EKMAN7))
    found = {"loss": log_loss(softmax(logits), classes), "accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)}
    return {name: round(float(figure), 5) for name, figure in found.items()}


def tested(
    samples: Sequence[Sample], logits: np.ndarray, temperature: float, *, known: Container[str] = ()
) -> cards.Results:
    """The test part: all, each corpus, all without the noisy one, and the texts that are ``known`` and not, apart."""
    classes, groups = classes_of(samples), [words(sample) for sample in samples]
    probabilities = softmax(logits / temperature)

    def of(name: str, rows: Sequence[int]) -> cards.Measurement:
        places = list(rows)
        return measured(name, probabilities[places], classes[places], groups=[groups[row] for row in places])

    overall = of(ALL, range(len(samples)))
    rows = [overall]
    seen = [n for n, text in enumerate(groups) if text in known]
    if 0 < len(seen) < len(samples):
        rows += [of(SHARED, seen), of(NEW, sorted(set(range(len(samples))) - set(seen)))]
    conclusion = ""
    if clean := [n for n, one in enumerate(samples) if one.corpus != NOISY]:
        rows.append(of(CLEAN, clean))
        points = {name: 100 * (rows[-1].value(name) - overall.value(name)) for name in ("accuracy", "macro_f1")}
        conclusion = (
            f"Without CrowdFlower's test items the same encoder has {points['accuracy']:+.1f} points of accuracy and "
            f"{points['macro_f1']:+.1f} of macro F1."
        )
    for name in sorted({sample.corpus for sample in samples}):
        rows.append(of(name, [n for n, one in enumerate(samples) if one.corpus == name]))
    matrix = confusion(classes, logits.argmax(1), classes=len(EKMAN7))
    return cards.Results(
        name="test",
        heading="Results on the test part",
        note="Value and 95 % bootstrap interval over texts. The test part chose nothing.",
        rows=tuple(rows),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        conclusion=conclusion,
    )


def train_text_encoder(options: TextEncoderOptions, folders: Folders) -> Outcome:
    """Train the encoder on the texts below the data folder, measure it once on the test part, and write its card.

    Raises:
        InputError: for a missing corpus, a start from other texts, and a folder that holds another training.
        MissingExtra: for mode "lora" without peft.
        WeightError: without the weight 'mpnet'.
    """
    selection = mixture(options.sample, folders.data, each=options.each, seed=options.seed)
    encoder, progress = new_encoder(options), folders.progress
    checkpoints = folders.out / "checkpoints"
    fitted = train_texts(selection, options, encoder, folder=checkpoints, progress=progress)
    path = folders.out / f"text-{options.mode}.safetensors"
    encoder.save(path)
    encoder.load(path)  # measured as it is saved, in half precision
    samples, learned, valid = (_part(selection, part) for part in ("test", "train", "validation"))
    learned = learned[:: max(1, len(learned) // len(samples))]
    test, train, held = (
        logits_of(encoder, read_texts(part, encoder, longest=options.longest), progress=progress, stage=stage)
        for part, stage in ((samples, "test"), (learned, "train"), (valid, "validation"))
    )
    temperature = fit_temperature(held, classes_of(valid))
    known = frozenset(words(sample) for sample in _part(selection, "train"))
    results = (tested(samples, test, temperature, known=known), _recall(train, learned))
    before = round(expected_calibration_error(softmax(test), classes_of(samples)), 4)
    ece = results[0].rows[0].value("ece")
    calibration = cards.Calibration(round(temperature, 6), "validation part", before, ece)
    data = text_data(selection, options, census(selection), available(folders.data))
    card = text_card(path, options, fitted.history, fitted.best, data=data, results=results, calibration=calibration)
    card.write(folders.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Outcome(card)


def _recall(logits: np.ndarray, samples: Sequence[Sample]) -> cards.Results:
    value = round(float((logits.argmax(1) == classes_of(samples)).mean()), 4)
    rows = (cards.Measurement("training texts", {"accuracy": value}, len(samples)),)
    return cards.Results("train", "Training texts", "As many as there are test texts.", rows)


def text_data(
    selection: Selection,
    options: TextEncoderOptions,
    samples: Sequence[cards.Samples],
    distinct: Mapping[str, int],
) -> cards.Data:
    """Corpora, split and counts of the texts; ``distinct`` counts those in all corpora."""
    corpora = sorted({sample.corpus for sample in selection.samples})
    sources = tuple(cards.Source.of(name, selection.removed.get(name)) for name in corpora)
    counted = (*samples, cards.Samples(TEXTS, "all five corpora", dict(distinct)))
    return cards.Data(sources, f"{SAMPLES[options.sample]}.", counted, overlap(selection))


def text_card(
    path: Path,
    options: TextEncoderOptions,
    history: Sequence[Mapping[str, float]],
    best: int,
    *,
    data: cards.Data,
    results: tuple[cards.Results, ...],
    calibration: cards.Calibration,
) -> cards.ModelCard:
    """The card of an encoder whose file is ``path``."""
    from merc.recipes.encoder_training import METHOD

    start = adapters(Path(options.start)) if options.start else None
    return cards.ModelCard(
        name=path.stem,
        title=f"MPNet fine-tuned on {', '.join(one.name for one in data.sources)} ({options.mode})",
        summary=f"**{SAMPLES[options.sample]}.** English sentences, each read alone.",
        licence=cards.terms(data.sources),
        labels=EKMAN7,
        data=data,
        training=cards.Training(
            method=f"{METHOD} The loss is weighted by class; the best checkpoint is chosen by validation loss.",
            options=_shown(options),
            best_epoch=best,
            history=tuple({name: row[name] for name in ("loss", "accuracy", "macro_f1")} for row in history),
            start=cards.Start(start.name, file_hash(start)) if start else None,
        ),
        results=results,
        base=cards.Base("mpnet", weights.WEIGHTS["mpnet"].sha256, mode=options.mode),
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
        calibration=calibration,
    )


def _part(selection: Selection, name: str) -> list[Sample]:
    return [selection.samples[n] for n in selection.part(name)]


TEXT_ENCODER = Recipe(
    "text-encoder",
    "MPNet, fine-tuned on the texts of five corpora, each text alone",
    TextEncoderOptions,
    train_text_encoder,
    {},
)
