"""PRC-Emo: a language model is tuned by low-rank adapters to answer with the emotion of a turn, and tested.

See ``merc.systems.prc_emo`` for the paper and the prompts. Trained on the training part of one fold, the best
checkpoint is chosen by validation weighted F1; ``epochs=0`` measures the model as it is. Test labels are opened once,
at the end; the ledger in the folder counts it. Writes ``adapters.safetensors``, ``records.jsonl``, the card, and a
feature store of the log-likelihoods of the labels, for validation and test, with which other systems can be joined.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import key
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS, CORPORA
from merc.errors import InputError
from merc.evaluation.calibration import log_loss, softmax
from merc.evaluation.metrics import confusion, weighted_f1
from merc.evaluation.protocol import PROTOCOLS, Fold, Protocol
from merc.options import above, at_least, one_of
from merc.paths import corpus_root
from merc.recipes.prompting import outcome
from merc.recipes.prompting.parts import PromptParts, refuse_unknown_library
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.training import curriculum
from merc.training.contract import Fitted, Run, Task
from merc.training.curriculum import MEASURES, CurriculumOptions, Turns
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc.backbones.llm import LanguageModel
    from merc.recipes.prompting.pieces import Piece

FORMS = ("dialogue", "prompts")
LOSSES = ("language", "labels")
RETRIEVALS = ("nearest", "random")
MODES = ("lora", "top-k", "full")


@dataclass(frozen=True, slots=True)
class PrcEmoOptions:
    """Options of PRC-Emo; raises InputError for a value that cannot be used."""

    protocol: str = "meld-7"
    """How the corpus is divided; one with classes and dialogues."""
    fold: str = ""
    """Fold of the protocol; empty: the first."""
    model: str = "qwen-0.5b"
    """A weight of the catalogue, a folder, a GGUF file or a name of the hub; the paper has Qwen of 7 and 8 B."""
    form: str = "dialogue"
    """"dialogue": one sequence whose labels are scored in place; "prompts": a prompt for each turn, as in the paper."""
    window: int = 5
    """Turns before the one that a prompt is about, as in the paper."""
    cues: bool = False
    """Whether a prompt says what the speaker shows and may hide, as the model itself reads it; as in the paper."""
    speaker: bool = False
    """Whether a prompt describes the speaker, as the model itself does; as in the paper."""
    history_only: bool = True
    """False: the description is written from the whole dialogue, as in the paper; the result is then stamped."""
    demonstrations: int = 0
    """Labelled turns of other conversations in a prompt; the paper has 3."""
    retrieval: str = "nearest"
    """Which ones: those "nearest" to the turn, or "random" ones for comparison."""
    library: str = "meld+iemocap+emorynlp"
    """Corpora whose training parts are shown, joined by +."""
    curriculum: str = "weighted_shift_across"
    """How hard a dialogue is: a name in ``merc.training.curriculum.MEASURES``; "none": all from the start."""
    buckets: int = 2
    """Of the curriculum, as in the paper: epoch e trains on buckets 1 to e."""
    shift_factor: float = 1.0
    """k of the weighted shift, as in the paper's code."""
    shift_base: float = 0.4
    """b of the weighted shift, as in the paper's code."""
    loss: str = "language"
    """"language": of the label's tokens, as in the paper; "labels": cross-entropy among the labels alone."""
    mode: str = "lora"
    """What of the model is trained: "lora", "top-k" (the last two layers) or "full"."""
    rank: int = 16
    """Of the adapters; the paper has 32."""
    epochs: int = 4
    """As in the paper; 0: the model as it is."""
    learning_rate: float = 3e-4
    """As in the paper."""
    accumulate: int = 4
    """Batches of a step, as in the paper."""
    batch_tokens: int = 512
    """Padded tokens of a batch; one dialogue may have more."""
    longest: int = 1024
    """Most tokens that are read as one sequence, or of the prompts that share a beginning."""
    before: int = 256
    """Of them, tokens of earlier turns where a dialogue is cut."""
    precision: str = "auto"
    """Of the weights that are not trained: "auto" (bfloat16 where the device multiplies it), "float32", "bfloat16"."""
    four_bit: bool = False
    """NF4 weights by bitsandbytes, as in the paper; on CUDA alone."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 120.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        one_of(FORMS, form=self.form)
        one_of(LOSSES, loss=self.loss)
        one_of(RETRIEVALS, retrieval=self.retrieval)
        one_of(MODES, mode=self.mode)
        one_of(("none", *MEASURES), curriculum=self.curriculum)
        at_least(0, window=self.window, demonstrations=self.demonstrations, epochs=self.epochs, before=self.before)
        at_least(1, buckets=self.buckets, rank=self.rank, accumulate=self.accumulate, threads=self.threads)
        at_least(1, batch_tokens=self.batch_tokens, longest=self.longest)
        above(0, learning_rate=self.learning_rate)
        refuse_unknown_library(self.library)
        self._refuse_parts_in_place()
        protocol = PROTOCOLS[self.protocol]
        if protocol.regression or protocol.corpus not in CONVERSATIONS:
            what = "predicts values, not classes" if protocol.regression else "has no dialogues of one corpus"
            raise InputError(f"protocol '{protocol.name}' {what}; choose another, such as meld-7 or iemocap6")

    def _refuse_parts_in_place(self) -> None:
        """Cues, speaker and demonstrations belong to one turn, so they are in prompts alone."""
        chosen = {"cues": self.cues, "speaker": self.speaker, "demonstrations": self.demonstrations}
        if self.form == "dialogue" and any(chosen.values()):
            name = next(name for name, value in chosen.items() if value)
            raise InputError(f"{name} is a part of prompts, but form is 'dialogue'; give form=prompts as well")
        if self.mode != "lora" and self.four_bit:
            raise InputError(f"mode '{self.mode}' trains weights that four_bit packs; give mode=lora")

    @property
    def incomparable(self) -> str:
        """Why the result may not be compared, such as that the prompts hold later turns; empty: it may."""
        seen = self.speaker and not self.history_only
        return "the description of a speaker is written from the whole dialogue, later turns included" if seen else ""

    @property
    def variant(self) -> str:
        """What a row of results is called."""
        parts = [name for name in ("cues", "speaker") if getattr(self, name)]
        parts += [f"{self.demonstrations} {self.retrieval} demonstrations"] if self.demonstrations else []
        tuned = f"{self.mode}, curriculum {self.curriculum}" if self.epochs else "not tuned"
        form = "whole dialogue" if self.form == "dialogue" else f"prompts, window {self.window}"
        return ", ".join([Path(self.model).name, form, *parts, tuned])


@dataclass(frozen=True, slots=True)
class Corpus:
    """The conversations of a protocol, one of its folds, and the conversations without test labels."""

    protocol: Protocol
    fold: Fold
    blind: Sequence[Conversation]

    @classmethod
    def of(cls, options: PrcEmoOptions, data: Path) -> Corpus:
        """Read a corpus; raises InputError where it, or the fold, is not there."""
        protocol = PROTOCOLS[options.protocol]
        root = corpus_root(protocol.corpus, CORPORA[protocol.corpus].folder, data)
        conversations = CONVERSATIONS[protocol.corpus](root)
        folds = {one.name: one for one in protocol.folds(conversations, seed=options.seed)}
        if options.fold and options.fold not in folds:
            raise InputError(f"protocol '{protocol.name}' has no fold '{options.fold}'; it has {', '.join(folds)}")
        fold = folds[options.fold] if options.fold else next(iter(folds.values()))
        return cls(protocol, fold, fold.blinded(conversations))

    def numbers(self, labels: Mapping[str, str]) -> dict[str, int]:
        """Class numbers of labels by id."""
        return {name: self.protocol.label_set.index(label) for name, label in labels.items()}

    def of_part(self, name: str) -> list[Conversation]:
        """The dialogues of a part."""
        wanted = set(getattr(self.fold, name).conversations)
        return [one for one in self.blind if one.id in wanted]


class Reader:
    """Makes the pieces of conversations under the options."""

    def __init__(self, model: LanguageModel, options: PrcEmoOptions, corpus: Corpus, folders: Folders) -> None:
        self.model, self.options, self.corpus, self.progress = model, options, corpus, folders.progress
        self.words = corpus.protocol.label_set
        spaced = options.form == "dialogue" or not model.chats
        self.labels = model.labels([word.lower() for word in self.words], spaced=spaced)
        self.parts = None
        if options.form == "prompts":
            self.parts = PromptParts(
                model,
                options,
                corpus.protocol.corpus,
                corpus.fold,
                corpus.blind,
                labels=self.words,
                data=folders.data,
                progress=folders.progress,
            )

    def pieces(self, conversations: Sequence[Conversation]) -> list[Piece]:
        """The pieces of all turns."""
        from merc.recipes.prompting.pieces import in_place, prompted

        words, found = [word.lower() for word in self.words], []
        for number, one in enumerate(conversations, start=1):
            if self.parts is None:
                found += in_place(self.model, one, self.options, words)
            else:
                found += prompted(self.model, one, self.options, words, parts=self.parts.of)
            if self.progress:
                self.progress("prompts", number, len(conversations))
        return found


def easy_first(options: PrcEmoOptions, train: Sequence[Conversation], labels: Mapping[str, str]) -> Any:
    """The dialogues of an epoch, easy ones first; None without a curriculum."""
    if options.curriculum == "none":
        return None
    dialogues = [one for one in train if any(turn.id in labels for turn in one)]
    turns = [
        Turns(tuple(labels.get(turn.id) for turn in one), tuple(turn.speaker or turn.id for turn in one))
        for one in dialogues
    ]
    chosen = CurriculumOptions(
        options.curriculum, options.buckets, options.shift_factor, options.shift_base, options.seed
    )
    return lambda epoch: [dialogues[place].id for place in curriculum.order(turns, chosen, epoch)]


def tune(reader: Reader, pieces: Mapping[str, Sequence[Piece]], *, folder: Path | None = None) -> Fitted:
    """Train the model in place on the pieces "train" and leave the best checkpoint by those of "valid" in it."""
    from merc.recipes.prompting.pieces import Pieces

    model, options, corpus = reader.model, reader.options, reader.corpus
    fold = corpus.fold
    with seeded(options.seed, threads=options.threads):
        model.trainable(options.mode, rank=options.rank)
    data = Pieces(
        pieces["train"],
        reader.labels,
        corpus.numbers(fold.train.labels),
        batch_tokens=options.batch_tokens,
        choose=easy_first(options, corpus.of_part("train"), fold.train.labels),
    )
    held = corpus.numbers(fold.valid.labels)
    task = Task(
        model,
        data,
        lambda module, batch: {"label": label_loss(module, batch, options.loss)},
        judge=lambda _: figures(reader, pieces["valid"], held),
        size=lambda batch: float((batch[1] >= 0).sum()),
        facts=_facts(options, fold, model),
        all_data_from=1 if options.curriculum == "none" else options.buckets,
    )
    return fit(task, loop_options(options), Run(folder, progress=reader.progress))


def label_loss(model: nn.Module, batch: tuple[Any, Tensor], loss: str) -> Tensor:
    """The loss of the labelled turns of a batch: of the label's tokens, or among the labels."""
    from torch.nn.functional import cross_entropy

    trees, targets = batch
    scores = model.scores(trees)  # type: ignore[operator]  # (B, U, C)
    known = targets >= 0
    if loss == "labels":
        return cross_entropy(scores[known], targets[known])
    found: Tensor = -scores[known].gather(1, targets[known][:, None]).mean()
    return found


def figures(reader: Reader, pieces: Sequence[Piece], held: Mapping[str, int]) -> dict[str, float]:
    """Weighted F1 and log loss on held-out turns."""
    from merc.recipes.prompting.pieces import read

    scores = read(reader.model, pieces, reader.labels)
    true = np.array(list(held.values()))
    logits = np.stack([scores[name] for name in held])
    matrix = confusion(true, logits.argmax(1), classes=len(reader.words))
    return {"weighted_f1": weighted_f1(matrix), "loss": log_loss(softmax(logits), true)}


def loop_options(options: PrcEmoOptions) -> LoopOptions:
    """As in the paper: linear decay after a warm-up of 3 %, gradients of norm 0.3 at most."""
    return LoopOptions(
        seed=options.seed,
        epochs=options.epochs,
        patience=options.epochs,
        learning_rate=options.learning_rate,
        weight_decay=0.0,
        clip=0.3,
        schedule="linear",
        warmup=0.03,
        accumulate=options.accumulate,
        threads=options.threads,
        device=options.device,
        checkpoint_seconds=options.checkpoint_seconds,
    )


_NOT_FACTS = ("seed", "threads", "device", "checkpoint_seconds", "epochs", "learning_rate", "accumulate")


def _facts(options: PrcEmoOptions, fold: Fold, model: LanguageModel) -> dict[str, Any]:
    values = {name: value for name, value in asdict(options).items() if name not in _NOT_FACTS}
    labels = key(sorted(fold.train.labels.items()))
    return {**values, "fold": fold.name, "weights": model.sha256, "train": labels}


def train_prc_emo(options: PrcEmoOptions, folders: Folders) -> Outcome:
    """Tune, choose on validation, test once, and write what the head of this file names.

    Raises:
        InputError: for a corpus that is not there, a fold that the protocol does not have, and a folder that holds
            another training.
        MissingExtra: without peft, or without gguf for a model in GGUF.
        WeightError: for a model that is not available.
    """
    from merc.backbones.llm import LanguageModel
    from merc.recipes.prompting.pieces import read

    corpus = Corpus.of(options, folders.data)
    with seeded(options.seed, threads=options.threads):
        model = LanguageModel.load(
            options.model, precision=options.precision, device=options.device, four_bit=options.four_bit
        )
        reader = Reader(model, options, corpus, folders)
        wanted = ("train", "valid", "test") if options.epochs else ("valid", "test")
        pieces = {name: reader.pieces(corpus.of_part(name)) for name in wanted}
    folders.out.mkdir(parents=True, exist_ok=True)
    fitted = tune(reader, pieces, folder=folders.out / "checkpoints") if options.epochs else Fitted()
    with seeded(options.seed, threads=options.threads):
        held = [*pieces["valid"], *pieces["test"]]
        scores = read(model, held, reader.labels, progress=folders.progress)
    card = outcome.write(reader, fitted, scores, folders.out)
    shutil.rmtree(folders.out / "checkpoints", ignore_errors=True)
    return Outcome(card, (f"log-likelihoods: --features text={folders.out / 'store'}:prc-emo",))


PRC_EMO = Recipe(
    "prc-emo",
    "PRC-Emo: a language model, tuned to answer with the emotion of each turn of a dialogue, and tested",
    PrcEmoOptions,
    train_prc_emo,
    {},
)
