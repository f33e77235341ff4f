"""V-FT: Whisper's encoder, as it is or pretrained further, fine-tuned on the labels of a fold, or on a share of them.

Paper: Chen & Rudnicky 2023, "Exploring Wav2vec 2.0 Fine-Tuning for Improved Speech Emotion Recognition". Convolutions
are frozen, spans of frames and features are masked in training, and the last states go through a mean over real frames,
a ReLU and a linear map; the loss is weighted by the inverse frequency of classes. The last epoch is tested, as in the
paper, or the best by validation. ``head=emotion2vec`` with ``depth=frozen`` is the linear downstream model of Ma et
al. 2024. Test labels are opened once, at the end; the ledger in the folder counts it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merc.backbones.whisper import FILE, WhisperBackbone
from merc.cache import file_hash, key, replacing
from merc.errors import InputError
from merc.evaluation.metrics import STATISTICS, bootstrap
from merc.evaluation.parts import Ledger
from merc.evaluation.scoring import Answers, answers
from merc.features import sound
from merc.options import above, at_least, one_of, share
from merc.recipes.pretrain_speech import backbone_of
from merc.recipes.pretraining.heard import CARD, heard
from merc.recipes.pretraining.material import FoldOfSounds
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.reporting import cards
from merc.training.contract import Run
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.options import PRECISIONS, LoopOptions

if TYPE_CHECKING:
    from torch import nn

    from merc.recipes.pretraining.sounds import Sounds

DEPTHS = ("frozen", "top-k", "all-but-front-end")
HEADS = ("v-ft", "emotion2vec")
CHOICES = ("last", "validation")
PREDICTED = "test.json"
"""Predicted label of each test utterance by id."""


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """Options of the fine-tuning; raises InputError for a value that cannot be used."""

    start: str = ""
    """Folder of a pretraining; empty: Whisper base."""
    protocol: str = "ravdess-speaker"
    """With classes."""
    fold: str = "fold-1"
    """Of the protocol."""
    share: float = 1.0
    """Of the training labels, class by class; the other sounds are not used."""
    label_seed: int = 0
    """What draws that share."""
    depth: str = "all-but-front-end"
    """What of the encoder is trained: "frozen" (nothing), "top-k" or "all-but-front-end"."""
    layers: int = 2
    """For "top-k": how many of the last layers."""
    head: str = "v-ft"
    """"v-ft": mean, ReLU, linear; "emotion2vec": linear, ReLU, mean, linear."""
    hidden: int = 256
    """Width of the second."""
    mask_probability: float = 0.08
    """Share of frames in masked spans."""
    mask_length: int = 15
    """Frames of a span."""
    mask_spans: int = 2
    """Spans of a sound at least."""
    feature_probability: float = 0.05
    """Share of features in masked spans."""
    feature_length: int = 64
    """Features of a span."""
    choose: str = "last"
    """The epoch: "last", as in the paper, or the best by unweighted recall on "validation"."""
    seconds: float = 10.0
    """What is read of a sound."""
    batch_seconds: float = 60.0
    """Padded seconds of a batch; the paper has 64 utterances."""
    epochs: int = 15
    """As in the paper."""
    learning_rate: float = 1e-4
    """Of encoder and head, as in the paper."""
    precision: str = "float32"
    """"float32" or "bf16"."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 60.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        one_of(DEPTHS, depth=self.depth)
        one_of(HEADS, head=self.head)
        one_of(CHOICES, choose=self.choose)
        one_of(PRECISIONS, precision=self.precision)
        above(0, share=self.share, seconds=self.seconds, batch_seconds=self.batch_seconds)
        share(share=self.share, mask_probability=self.mask_probability, feature_probability=self.feature_probability)
        at_least(1, layers=self.layers, hidden=self.hidden, mask_length=self.mask_length, epochs=self.epochs)
        at_least(1, feature_length=self.feature_length)
        at_least(0, mask_spans=self.mask_spans)


@dataclass(frozen=True, slots=True)
class Parts:
    """The sounds of a fold: training ones with the labels that are used, validation with labels, test without."""

    train: Sounds
    valid: Sounds
    test: Sounds


def parts_of(one: FoldOfSounds, options: FinetuneOptions, backbone: WhisperBackbone, folders: Folders) -> Parts:
    """Read the sounds of a fold.

    Raises:
        InputError: None of them can be decoded.
    """
    from merc.recipes.pretraining.sounds import Sounds, some_labels

    rows = sound.load(one.conversations, progress=folders.progress).rows
    labels = some_labels(one.classes(), share=options.share, seed=options.label_seed)
    held = {name: one.protocol.label_set.index(label) for name, label in one.fold.valid.labels.items()}

    def sounds(names: Sequence[str], known: Mapping[str, int]) -> Sounds:
        there = [name for name in names if name in rows]
        return Sounds(
            rows, there, backbone.prepare, known, seconds=options.seconds, batch_seconds=options.batch_seconds
        )

    return Parts(sounds(list(labels), labels), sounds(list(held), held), sounds(one.fold.test.ids, {}))


def train_finetuning(options: FinetuneOptions, folders: Folders) -> Outcome:
    """Fine-tune, test once, and write ``classifier.safetensors``, ``test.json`` and the card.

    Raises:
        InputError: for a missing corpus, an unknown fold, a start that heard test speakers without saying so or more
            labels, and a folder with another training.
        UnknownName: for a protocol that is not known.
        WeightError: without the weight 'whisper-base'.
    """
    from merc.recipes.pretraining.classifier import Classifier, finetune_task, predicted

    note = start_note(options)
    one, backbone = FoldOfSounds.of(options.protocol, options.fold, folders.data), backbone_of(options.start)
    parts, label_set = parts_of(one, options, backbone, folders), one.protocol.label_set
    with seeded(options.seed, threads=options.threads):
        module = Classifier(backbone, len(label_set), options)
    task = finetune_task(
        module, parts.train, parts.valid, options, heard=key(sorted(parts.train.labels), backbone.sha256)
    )
    folders.out.mkdir(parents=True, exist_ok=True)
    fitted = fit(task, _loop(options), Run(folders.out / "checkpoints", progress=folders.progress))
    with seeded(options.seed, threads=options.threads):
        numbers = predicted(module, parts.test, device=options.device)
    found = {name: label_set[number] for name, number in sorted(numbers.items())}
    with replacing(folders.out / PREDICTED) as temporary:
        temporary.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
    weights = _written(module, folders.out / "classifier.safetensors")
    training = cards.Training(
        _METHOD, _shown(options), fitted.best, tuple(fitted.history), start=_start(options, backbone)
    )
    card = cards.ModelCard(
        name="classifier",
        title=f"Whisper base's encoder, fine-tuned on {one.protocol.corpus} ({options.depth})",
        summary=f"Speech of up to {options.seconds:g} s; {parts.train.hours:.2f} h of it with labels. {note}",
        licence=cards.terms(_sources(one)),
        labels=label_set,
        data=_data(one, parts),
        training=training,
        results=(_results(tested_answers(one, found, options, folders.out), note),),
        base=cards.Base("whisper-base", backbone.sha256, mode=options.depth),
        weights=weights,
    )
    card.write(folders.out)
    shutil.rmtree(folders.out / "checkpoints", ignore_errors=True)
    return Outcome(card)


def _written(module: nn.Module, path: Path) -> cards.WeightFile:
    """Write what was trained."""
    from safetensors.torch import save_file

    trained = {name: one.detach().cpu().contiguous() for name, one in module.named_parameters() if one.requires_grad}
    with replacing(path) as temporary:
        save_file(trained, temporary)
    size = sum(one.numel() for one in trained.values())
    return cards.WeightFile(path.name, file_hash(path), path.stat().st_size, size)


def start_note(options: FinetuneOptions) -> str:
    """What the pretraining of the start means for test figures, in a sentence; empty without a start.

    Raises:
        InputError: The start has no card, heard speakers of other folds of these corpora, or saw other labels.
    """
    if not options.start:
        return ""
    note = heard(Path(options.start), protocol=options.protocol, fold=options.fold)
    before = cards.ModelCard.read(Path(options.start) / CARD).training.options
    for name in ("share", "label_seed"):
        if before["method"] == "p-tapt" and before[name] != getattr(options, name):
            raise InputError(
                f"start '{options.start}' saw labels with {name} {before[name]}, now it is {getattr(options, name)}; "
                "pretrain with the same"
            )
    return note


def tested_answers(one: FoldOfSounds, found: Mapping[str, str], options: FinetuneOptions, folder: Path) -> Answers:
    """Open the test part and align what was predicted."""
    ledger = Ledger(folder / "ledger.jsonl").of("finetune-speech", seed=options.seed)
    part = one.fold.test.open("final result", ledger=ledger)
    return answers(part, found, labels=one.protocol.label_set)


def _results(tested: Answers, note: str) -> cards.Results:
    found = bootstrap(
        tested.true, tested.predicted, dict(STATISTICS), classes=len(tested.labels), groups=tested.dialogues
    )
    rows: dict[str, cards.Figure] = {}
    for name in STATISTICS:
        value, low, high = found[name].rounded()
        rows[name] = (value, low, high)
    return cards.Results(
        name="test",
        heading="Results on the test speakers",
        note=f"Value and 95 % bootstrap interval over speakers. The test part chose nothing. {note}".strip(),
        rows=(cards.Measurement("test speakers", rows, len(tested)),),
        confusion=tuple(tuple(int(count) for count in row) for row in tested.matrix),
    )


def _sources(one: FoldOfSounds) -> tuple[cards.Source, ...]:
    return tuple(cards.Source.of(name) for name in one.protocol.corpora)


def _data(one: FoldOfSounds, parts: Parts) -> cards.Data:
    label_set = one.protocol.label_set
    numbers = list(parts.train.labels.values())
    counts = {label: numbers.count(number) for number, label in enumerate(label_set)}
    split = f"{one.protocol.name}, {one.fold.name}: no speaker is in two parts."
    return cards.Data(_sources(one), split, (cards.Samples(one.protocol.corpus, "train", counts),))


def _loop(options: FinetuneOptions) -> LoopOptions:
    return LoopOptions(
        seed=options.seed,
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        patience=options.epochs,
        metric="unweighted_recall" if options.choose == "validation" else None,
        schedule="linear",
        warmup=0.1,
        precision=options.precision,
        threads=options.threads,
        device=options.device,
        checkpoint_seconds=options.checkpoint_seconds,
    )


def _shown(options: FinetuneOptions) -> dict[str, object]:
    return {
        name: value for name, value in asdict(options).items() if name not in ("device", "checkpoint_seconds", "start")
    }


def _start(options: FinetuneOptions, backbone: WhisperBackbone) -> cards.Start | None:
    return cards.Start(FILE, backbone.sha256) if options.start else None


_METHOD = (
    "V-FT: AdamW on cross-entropy weighted by the inverse frequency of classes; linear warm-up over a tenth of the "
    "steps, then linear decay; spans of frames and of features are masked; the convolutions are frozen."
)

FINETUNE = Recipe(
    "finetune-speech",
    "V-FT: Whisper's encoder, fine-tuned on the labels of a fold or a share of them, and tested",
    FinetuneOptions,
    train_finetuning,
    {},
)
